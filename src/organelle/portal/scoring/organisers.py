"""What organisers' pages of this room have in common: they only show, and they do things to submissions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from organelle.portal.challenge.site import ReadOnly
from organelle.portal.scoring.desk import DEEDS, do
from organelle.portal.submissions.models import NotInThatState, Submission


class Organisers(ReadOnly):
    """Shown to organisers, changed by actions only."""

    def has_organise_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may use the actions."""
        return bool(request.user.is_organiser and self.has_view_permission(request))


class Listed(admin.TabularInline):
    """Rows below another one, to be read."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


class WithReason(ActionForm):
    """Which action, and why."""

    reason = forms.CharField(
        required=False,
        max_length=300,
        label="Why (its team may read it):",
        widget=forms.TextInput(attrs={"size": 40}),
    )


class ActsOnSubmissions(Organisers):
    """The four actions about submissions; each asks for a reason, for the history and the audit log."""

    action_form = WithReason
    actions = ("requeue", "release", "cancel", "rescore")

    def submissions_of(self, queryset: QuerySet) -> QuerySet:
        """The submissions that the chosen rows are about: they themselves, where nothing else is said."""
        return queryset

    @admin.action(description="Begin the way of these submissions again", permissions=["organise"])
    def requeue(self, request: HttpRequest, queryset: QuerySet) -> None:
        """From any state."""
        self._each(request, queryset, "requeue")

    @admin.action(description="Release these held submissions to be scored", permissions=["organise"])
    def release(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Only those that are held."""
        self._each(request, queryset, "release")

    @admin.action(description="Cancel these submissions", permissions=["organise"])
    def cancel(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Those whose way is not over."""
        self._each(request, queryset, "cancel")

    @admin.action(description="Score these scored submissions again", permissions=["organise"])
    def rescore(self, request: HttpRequest, queryset: QuerySet) -> None:
        """The old score stays until the new one is there."""
        self._each(request, queryset, "rescore")

    def _each(self, request: HttpRequest, queryset: QuerySet, name: str) -> None:
        """Do it to each submission of which it can be done, and say to how many it was done."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            self.message_user(request, "Nothing was done: say why, beside the action.", messages.ERROR)
            return
        deed, done, left = DEEDS[name], 0, 0
        for submission in self.submissions_of(queryset):
            try:
                do(deed, submission, request.user, reason[:300])
                done += 1
            except NotInThatState:
                left += 1
        stay = f" {left} stay as they are." if left else ""
        self.message_user(request, f"{done} submissions: {deed.words}.{stay}")


def about(queryset: QuerySet) -> QuerySet:
    """The submissions that these jobs are about, each once."""
    return Submission.objects.filter(pk__in=queryset.values("submission"))
