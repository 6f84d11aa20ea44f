"""Whether this process lives, and whether it can do its work: for those who start and watch it."""

from __future__ import annotations

import os
import shutil

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

LEAST_FREE = 16 << 20
"""Bytes; uploads are refused, and workers wait, well before."""

PLAIN = "text/plain; charset=utf-8"


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type=PLAIN)


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when people can be served, else 503 with what is lacking.

    What only keeps scores from coming (a truth that is away, no worker) is no reason for 503: people still
    read, sign in and hand in, and what they hand in waits. Whoever may see `/metrics/` reads of it here, too.
    """
    trouble = lacking()
    words = [trouble or "ready", *_to_look_at(request, trouble)]
    return HttpResponse("\n".join(words) + "\n", status=503 if trouble else 200, content_type=PLAIN)


def lacking() -> str:
    """What keeps the portal from its work; empty when nothing does. It names no paths: strangers read it."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "the database does not answer"
    if plan:
        first = plan[0][0]
        return f"{len(plan)} changes of tables are not applied, the first is {first.app_label} {first.name}"
    return _folder_trouble()


def _folder_trouble() -> str:
    """Without room nothing can be written, neither sign-ins nor files."""
    folder = settings.FOLDER
    if folder is None:
        return ""
    try:
        free = shutil.disk_usage(folder.uploads).free
    except OSError:
        return "the portal's folder is away"
    if not os.access(folder.uploads, os.W_OK):
        return "the portal's folder cannot be written to"
    return "the disk is full" if free < LEAST_FREE else ""


def _to_look_at(request: HttpRequest, trouble: str) -> list[str]:
    """For those who watch the portal: what organisers should look at."""
    from organelle.portal.scoring.metrics import concerns, may_ask  # a higher room

    if trouble or not may_ask(request):
        return []
    return [f"look at: {concern}" for concern in concerns()]
