"""Organisers' pages about submissions: all of them, and each with its way, its jobs and what was found."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from organelle.portal.scoring.models import Job, Question, Result
from organelle.portal.scoring.organisers import ActsOnSubmissions, Listed
from organelle.portal.submissions.models import Submission, Transition
from organelle.portal.submissions.outlook import problems_of

ODD = Job.objects.filter(kind=Job.Kind.CHECK, state=Job.State.DONE).exclude(reason="")
"""Checks that found something that looks like probing; the reason says what."""


class LooksLikeAProbe(admin.SimpleListFilter):
    """Submissions at which the check found something odd, also those that were released since."""

    title = "looks like a probe"
    parameter_name = "probe"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Yes or no."""
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:  # noqa: ARG002
        """Those that do, those that do not, or all."""
        wanted = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(odd=wanted)


class Way(Listed):
    """Its states, with the seconds."""

    model = Transition
    verbose_name_plural = "way"
    fields = readonly_fields = ("at", "actor", "source", "target", "reason")

    @admin.display(description="Time")
    def at(self, step: Transition) -> str:
        """To the second, which teams do not see."""
        return f"{step.time:%Y-%m-%d %H:%M:%S}"


class Jobs(Listed):
    """What workers did for it."""

    model = Job
    show_change_link = True
    fields = readonly_fields = ("kind", "state", "metric", "attempts", "created", "finished", "reason")


@admin.register(Submission)
class SubmissionAdmin(ActsOnSubmissions):
    """All submissions. Nothing is edited here: states change by the actions alone, each with its reason."""

    list_display = ("name", "team", "is_now", "flags", "method", "size", "overall", "handed_in", "user")
    list_filter = ("state", LooksLikeAProbe, "chosen", "publish", "anonymous", "team__is_baseline", "created")
    list_select_related = ("team", "user")
    search_fields = ("name", "method", "sha256", "team__name", "user__email", "id")
    date_hierarchy = "created"
    inlines = (Way, Jobs)
    change_form_template = "submissions/admin_one.html"
    readonly_fields = ("page", "size", "probing", "problems", "results")
    fieldsets = (
        (None, {"fields": ("page", "team", "user", "state", "reason", "created", "attempt_at")}),
        ("What was found", {"fields": ("probing", "problems", "results")}),
        ("What its team says", {"fields": ("method", "description", "code_url", "lineage")}),
        ("On the board", {"fields": ("publish", "anonymous", "chosen")}),
        ("The file", {"fields": ("name", "size", "sha256")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With whether the check found something odd."""
        return super().get_queryset(request).annotate(odd=Exists(ODD.filter(submission=OuterRef("pk"))))

    @admin.display(description="State", ordering="state")
    def is_now(self, submission: Submission) -> str:
        """In one word."""
        return str(submission.state)

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, submission: Submission) -> str:
        """As people read it."""
        return str(filesizeformat(submission.size_bytes))

    @admin.display(description="Handed in", ordering="created")
    def handed_in(self, submission: Submission) -> str:
        """To the second, which teams do not see."""
        return f"{submission.created:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Flags")
    def flags(self, submission: Any) -> str:
        """What is special about it."""
        told = {
            "looks like a probe": submission.odd,
            "chosen": submission.chosen,
            "not published": not submission.publish,
            "anonymous": submission.anonymous,
            "baseline": submission.team.is_baseline,
            "team excluded": submission.team.is_banned,
        }
        return ", ".join(word for word, holds in told.items() if holds)

    @admin.display(description="Overall")
    def overall(self, submission: Submission) -> str:
        """Its score for what is asked now, with more places than teams see."""
        question = Question.current()
        found = Result.objects.filter(sha256=submission.sha256, **question.key).first() if question else None
        value = found.scores.get("overall") if found else None
        return "" if value is None else f"{value:.6f}"

    @admin.display(description="Its page")
    def page(self, submission: Submission) -> SafeString:
        """What its team reads."""
        return format_html('<a href="/submissions/{}/">as its team sees it</a>', submission.pk)

    @admin.display(description="Looks like a probe")
    def probing(self, submission: Submission) -> str:
        """Why it was held; its team is not told."""
        found = ODD.filter(submission=submission).values_list("reason", flat=True)
        return "\n".join(found) or "no"

    @admin.display(description="The validator")
    def problems(self, submission: Submission) -> SafeString | str:
        """All that it found."""
        if submission.report is None:
            return "not checked yet"
        rows = (
            (one["severity"], one["code"], one["place"], one["found"], one["expected"])
            for one in problems_of(submission)
        )
        lines = format_html_join("", "<li>{} <b>{}</b> at {}: found {}, expected {}</li>", rows)
        return format_html("<ul>{}</ul>", lines) if lines else "no problems"

    @admin.display(description="Results")
    def results(self, submission: Submission) -> SafeString | str:
        """Of its file, with full precision, the newest first."""
        found = Result.objects.filter(sha256=submission.sha256)
        rows = (
            (one.pk, one.metric, one.scores.get("overall"), f"{one.created:%Y-%m-%d %H:%M}") for one in found
        )
        line = '<li><a href="/admin/scoring/result/{}/change/">metric {}: {}</a>, {} UTC</li>'
        lines = format_html_join("", line, rows)
        return format_html("<ul>{}</ul>", lines) if lines else "none"
