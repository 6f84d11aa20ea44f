"""Organisers' pages of this room."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from organelle.portal.challenge.markdown import to_html
from organelle.portal.challenge.site import ReadOnly
from organelle.portal.news.forms import PostForm
from organelle.portal.news.models import OutgoingMail, Post, Subscriber
from organelle.portal.news.outgoing import send_again
from organelle.portal.news.posting import stage_of


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):
    """Write, look at, and bring out posts."""

    form = PostForm
    list_display = ("title", "state", "published", "mailed", "author")
    list_filter = ("published",)
    search_fields = ("title", "body")
    prepopulated_fields = {"slug": ("title",)}
    readonly_fields = ("preview", "mailed")

    @admin.display(description="State")
    def state(self, entry: Post) -> str:
        """Draft, scheduled or out."""
        return stage_of(entry)

    @admin.display(description="Preview (as it was last saved)")
    def preview(self, entry: Post) -> SafeString | str:
        """The post as people will see it."""
        if not entry.pk:
            return "Save it to see it here."
        link = format_html(
            '<p><a href="/news/{}/">Its page</a>, for organisers before it is out.</p>', entry.slug
        )
        return format_html("<div>{}{}</div>", to_html(entry.body), link)

    def save_model(self, request: HttpRequest, obj: Post, form: Any, change: Any) -> None:
        """Whoever writes it first is its author."""
        obj.author = obj.author or request.user
        super().save_model(request, obj, form, change)


@admin.register(Subscriber)
class SubscriberAdmin(ReadOnly):
    """Who gets the news by mail."""

    list_display = ("email", "asked", "confirmed")
    search_fields = ("email",)
    fields = ("email", "asked", "confirmed")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Somebody who wrote to an organiser can be taken off."""
        return bool(request.user.is_superuser)


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnly):
    """What waits to be sent, what has left, and why something has not."""

    list_display = ("to", "subject", "created", "attempts", "sent", "trouble")
    list_filter = ("sent",)
    search_fields = ("to", "subject")
    fields = ("to", "subject", "created", "not_before", "attempts", "sent", "trouble")
    actions = ("send_again",)

    @admin.action(description="Try again")
    def send_again(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Begin the tries anew for what has not left."""
        count = send_again(queryset)
        self.message_user(request, f"{count} mails are tried again, within minutes.")
