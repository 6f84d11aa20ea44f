"""Figures for Prometheus: how much waits, who works, and what an organiser should look at.

They tell of queues and machines, never of scores or of single submissions. Even so they are for organisers:
without a token in the configuration only programs on the same machine may ask.
"""

from __future__ import annotations

import ipaddress
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Min, Model, Q
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from organelle import __version__
from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.leases import ACTIVE
from organelle.portal.scoring.models import Job, Question, Result, Task, Worker, crops_as_text
from organelle.portal.submissions.models import Submission, Upload

KIND = "text/plain; version=0.0.4; charset=utf-8"

LITTLE_ROOM = 1 << 30
"""Bytes; with less on its disk a portal will soon refuse uploads."""

HANDED_ON = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")
"""Headers, in whatever case, by which a proxy tells that it is one."""

MISSED_BEATS = 3
"""A worker that was silent for so many leases is not counted any more."""


@dataclass(frozen=True)
class Gauge:
    """One figure, or several that differ in their labels."""

    name: str
    meaning: str
    values: Sequence[tuple[Mapping[str, str], float]] = ()

    def __str__(self) -> str:
        name = f"portal_{self.name}"
        lines = (f"{name}{_labels(labels)} {value:g}" for labels, value in self.values)
        return "\n".join((f"# HELP {name} {self.meaning}", f"# TYPE {name} gauge", *lines))


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures in Prometheus' text format; for strangers there is no such page."""
    if not may_ask(request):
        raise Http404
    return HttpResponse("\n".join(map(str, gauges())) + "\n", content_type=KIND)


def may_ask(request: HttpRequest) -> bool:
    """Whether the request shows the token, or, when none is set, comes from this machine without a proxy.

    What a proxy on this machine hands on comes from this machine, too, and is told by its headers.
    """
    if wanted := settings.PORTAL.metrics_token:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return secrets.compare_digest(shown.encode(), wanted.encode())
    if settings.PORTAL.proxies or any(name in request.headers for name in HANDED_ON):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def concerns() -> list[str]:
    """What an organiser should look at now, in sentences; empty when all goes its way."""
    now = database_time()
    alive = living_workers()
    found = [f"worker {worker.name} {worker.doing}" for worker in alive if worker.doing.startswith("waits: ")]
    waiting = Submission.objects.filter(state__in=(Submission.State.CHECKING, Submission.State.QUEUED))
    if not alive and waiting.exists():
        found.append("no worker is there, and submissions wait")
    if held := Submission.objects.filter(state=Submission.State.HELD).count():
        found.append(f"{held} submissions are held for an organiser to look at")
    lately = Q(finished__gte=now - timedelta(days=1))
    question = Question.current()
    asked = Q(**question.key) if question else Q(pk=None)
    if failed := Job.objects.filter(lately | asked, state=Job.State.FAILED).count():
        found.append(
            f"{failed} jobs have failed for reasons that are ours; begin them again when those are mended"
        )
    if question and question.private_crops != (here := crops_as_text(settings.PORTAL.private_crops)):
        found.append(
            f"the workers keep the crops {question.private_crops or 'none'} private, and this web server is "
            f"set up with {here or 'none'}; make private_crops equal everywhere, then start all of them again"
        )
    if settings.FOLDER and (free := shutil.disk_usage(settings.FOLDER.root).free) < LITTLE_ROOM:
        found.append(f"{free >> 20} MiB are free on the disk of the portal's folder; make room")
    return found


def living_workers() -> list[Worker]:
    """The workers that were heard of lately and have not said goodbye."""
    silence = timedelta(seconds=MISSED_BEATS * settings.PORTAL.lease_seconds)
    return list(Worker.objects.filter(stopped=None, seen__gte=database_time() - silence))


def gauges() -> Iterator[Gauge]:
    """All figures."""
    yield Gauge("info", "Version of the portal.", [({"version": __version__}, 1)])
    yield from _question()
    states = Submission.State.values
    yield Gauge("submissions", "Submissions by state.", _counted(Submission, states, "state"))
    jobs = [(kind, state) for kind in Job.Kind.values for state in Job.State.values]
    yield Gauge("jobs", "Jobs by kind and state.", _counted(Job, jobs, "kind", "state"))
    open_rows = Task.objects.filter(job__state__in=ACTIVE).exclude(state=Task.State.DONE)
    yield _one("rows_left", "Rows that are still to be scored.", open_rows.count())
    yield _one("results", "Results that are kept.", Result.objects.count())
    yield _one("uploads_open", "Uploads that are not whole.", Upload.objects.filter(submission=None).count())
    alive = living_workers()
    yield _one("workers", "Workers that live.", len(alive))
    yield _one("workers_waiting", "Workers that cannot work now.", sum("waits: " in w.doing for w in alive))
    yield _one("concerns", "Things that an organiser should look at.", len(concerns()))
    yield _one("oldest_wait_seconds", "Since when the oldest submission waits.", _oldest_wait())
    yield from _mail()
    if settings.FOLDER:
        free = shutil.disk_usage(settings.FOLDER.root).free
        yield _one("disk_free_bytes", "Free on the disk of the portal's folder.", free)


def _question() -> Iterator[Gauge]:
    if question := Question.current():
        yield Gauge("question", "What is asked now.", [(question.key, 1)])


def _mail() -> Iterator[Gauge]:
    from organelle.portal.news.models import OutgoingMail  # a higher room

    waiting = OutgoingMail.objects.filter(sent=None)
    yield _one("mail_waiting", "Mails that have not left.", waiting.count())
    yield _one("mail_in_trouble", "Mails that did not leave at first.", waiting.exclude(trouble="").count())


def _oldest_wait() -> float:
    waiting = Submission.objects.filter(state__in=(Submission.State.CHECKING, Submission.State.QUEUED))
    since = waiting.aggregate(first=Min(Coalesce("attempt_at", "created")))["first"]
    return max(0.0, (database_time() - since).total_seconds()) if since else 0.0


def _counted(
    model: type[Model], expected: Iterable[str | tuple[str, ...]], *by: str
) -> list[tuple[dict[str, str], float]]:
    """How many rows there are of each kind, also of those of which there are none."""
    found = model.objects.order_by().values_list(*by).annotate(n=Count("pk"))
    counts = {tuple(key): n for *key, n in found}
    keys = [(key,) if isinstance(key, str) else key for key in expected]
    return [(dict(zip(by, key, strict=True)), counts.get(key, 0)) for key in keys]


def _one(name: str, meaning: str, value: float) -> Gauge:
    return Gauge(name, meaning, [({}, value)])


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = (
        (k, v.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for k, v in labels.items()
    )
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped) + "}"
