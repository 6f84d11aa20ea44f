"""Organisers' pages of this room: jobs and what happened to them, workers, questions, results."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from organelle.portal.scoring.metrics import concerns, living_workers
from organelle.portal.scoring.models import Job, JobEvent, Question, Result, Task, Worker
from organelle.portal.scoring.organisers import ActsOnSubmissions, Listed, Organisers, about
from organelle.portal.scoring.submission_pages import SubmissionAdmin

__all__ = ["SubmissionAdmin"]


class Events(Listed):
    """What happened to a job, when, by whom and why."""

    model = JobEvent
    fields = readonly_fields = ("time", "actor", "what", "reason")


@admin.register(Job)
class JobAdmin(ActsOnSubmissions):
    """The queue. Its actions are about the submissions of the chosen jobs."""

    list_display = (
        "submission",
        "kind",
        "state",
        "of_submission",
        "rows",
        "attempts",
        "created",
        "finished",
        "reason",
    )
    list_filter = ("kind", "state", "submission__state", "metric")
    list_select_related = ("submission", "submission__team")
    search_fields = ("submission__name", "submission__team__name", "submission__sha256")
    ordering = ("-created", "-id")
    inlines = (Events,)
    readonly_fields = ("page",)

    def submissions_of(self, queryset: QuerySet) -> QuerySet:
        """Each once, however many of its jobs are chosen."""
        return about(queryset)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With counts of rows."""
        done = Count("tasks", filter=Q(tasks__state=Task.State.DONE))
        return super().get_queryset(request).annotate(all_rows=Count("tasks"), done_rows=done)

    @admin.display(description="Its page")
    def page(self, job: Job) -> SafeString:
        """Where its team reads about it, and organisers, too."""
        return format_html('<a href="/submissions/{}/">{}</a>', job.submission_id, job.submission)

    @admin.display(description="Submission is")
    def of_submission(self, job: Job) -> str:
        """Its state."""
        return str(job.submission.state)

    @admin.display(description="Rows")
    def rows(self, job: Any) -> str:
        """How many are done, of how many."""
        return f"{job.done_rows} of {job.all_rows}" if job.all_rows else ""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """With what an organiser should look at above it."""
        for concern in concerns():
            self.message_user(request, concern, messages.WARNING)
        return super().changelist_view(request, extra_context)


@admin.register(Worker)
class WorkerAdmin(Organisers):
    """Who works, and what keeps them from it."""

    list_display = ("name", "alive", "doing", "seen", "started", "stopped", "version")

    @admin.display(boolean=True, description="Lives")
    def alive(self, worker: Worker) -> bool:
        """Whether it was heard of lately."""
        return worker in living_workers()


@admin.register(Question)
class QuestionAdmin(Organisers):
    """What was asked, the newest first: it is what is asked now."""

    list_display = ("metric", "truth", "configuration", "rows", "private_crops", "since")


@admin.register(Result)
class ResultAdmin(Organisers):
    """What files are worth, with full precision; counts of single crops are not shown."""

    list_display = ("sha256", "metric", "overall", "overall_final", "created")
    list_filter = ("metric",)
    search_fields = ("sha256",)
    fields = (
        "sha256", "metric", "truth", "configuration", "scores", "private_crops", "final", "created",
    )  # fmt: skip
    actions = ("forget",)

    @admin.display(description="Overall")
    def overall(self, result: Result) -> float | None:
        """The score over all classes, of the public crops."""
        value: float | None = result.scores.get("overall")
        return value

    @admin.display(description="Overall, private crops")
    def overall_final(self, result: Result) -> float | None:
        """The same of the private crops; None without any."""
        value: float | None = result.final.get("overall")
        return value

    @admin.action(description="Forget these results, and score anew", permissions=["organise"])
    def forget(self, request: HttpRequest, queryset: QuerySet) -> None:
        """The board lacks them until they are there again."""
        found = list(queryset)
        for result in found:
            result.forget(request.user)
        self.message_user(request, f"{len(found)} results are forgotten; what is asked now is scored again.")
