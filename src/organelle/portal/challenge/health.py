"""Whether this process lives, and whether it can do its work: for those who start and watch it."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

PLAIN = "text/plain; charset=utf-8"


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type=PLAIN)


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """200 when the database answers and has all tables, else 503 with what is lacking."""
    trouble = lacking()
    return HttpResponse(f"{trouble or 'ready'}\n", status=503 if trouble else 200, content_type=PLAIN)


def lacking() -> str:
    """What keeps the portal from its work; empty when nothing does."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "the database does not answer"
    if plan:
        first = plan[0][0]
        return f"{len(plan)} changes of tables are not applied, the first is {first.app_label} {first.name}"
    return ""
