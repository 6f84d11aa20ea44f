"""Organisers' pages of this room."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from organelle.portal.challenge.effective import of_this_process
from organelle.portal.challenge.models import AuditEntry, Phase, Rules
from organelle.portal.challenge.site import ReadOnly, page, show


@admin.register(Phase)
class PhaseAdmin(admin.ModelAdmin):
    """When submissions open and close; they do so by themselves."""

    list_display = ("kind", "starts", "note")
    date_hierarchy = None


@admin.register(Rules)
class RulesAdmin(admin.ModelAdmin):
    """A new version asks everybody to accept again; a version that was accepted is not changed any more."""

    list_display = ("version", "holds_from")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:  # noqa: ARG002
        """The text that somebody may have accepted stays as it was."""
        return ("version", "text") if obj else ()


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly):
    """Who did what."""

    list_display = ("time", "actor_name", "action", "about")
    list_filter = ("action",)
    search_fields = ("actor_name", "action", "about")
    date_hierarchy = "time"


@page("settings/", "Settings")
def effective_settings(request: HttpRequest) -> HttpResponse:
    """The configuration that holds, and where each value comes from."""
    return show(request, "challenge/admin_settings.html", "Settings", {"rows": of_this_process()})
