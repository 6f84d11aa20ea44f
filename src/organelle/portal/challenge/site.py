"""The organisers' pages: Django's admin, entered through our links, with every change in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from organelle.portal.challenge.changes import note_added, note_changed, note_deleted

NOT_SHOWN = frozenset({"account", "auth", "socialaccount"})
"""Rooms of other packages whose tables mean nothing here: nobody has a password, and groups are not used."""


@dataclass(frozen=True)
class Page:
    """A page for organisers that is about no table.

    Attributes:
        route: below `/admin/portal/`.
        title: by which it is listed; empty: not at all.
        view: makes it; only organisers get here.
    """

    route: str
    title: str
    view: Callable[..., HttpResponseBase]

    @property
    def name(self) -> str:
        """Of its address, within `admin:`."""
        return "portal-" + self.route.split("/")[0]


PAGES: list[Page] = []
"""Of all rooms, in the order in which they are listed."""


def page(route: str, title: str = "") -> Callable[[Callable[..., HttpResponseBase]], Any]:
    """Make a view a page of organisers, at `/admin/portal/` and `route`; rooms do so in their `admin`."""

    def add(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        PAGES.append(Page(route, title, view))
        return view

    return add


def show(request: HttpRequest, template: str, title: str, context: dict[str, Any]) -> HttpResponse:
    """A page that looks like the others of organisers."""
    return TemplateResponse(request, template, admin.site.each_context(request) | {"title": title} | context)


class Audited(admin.ModelAdmin):
    """Writes what organisers do into the audit log; `PortalAdmin` puts it under every page by itself."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """What is listed; a year, say, that no calendar has is refused like any other odd question."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError) as error:
            if request.GET.keys() <= {ERROR_FLAG}:  # nothing was asked: it is a fault of ours
                raise
            raise IncorrectLookupParameters from error

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note what was made."""
        note_added(request.user, obj, "admin")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note which fields were changed."""
        note_changed(request.user, obj, _fields(message), "admin")
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Any]) -> Any:
        """Note what goes."""
        for obj in queryset:
            note_deleted(request.user, obj, "admin")
        return super().log_deletions(request, queryset)


class ReadOnly(admin.ModelAdmin):
    """A page that only shows."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


class PortalAdmin(admin.AdminSite):
    """Django's admin without its sign-in."""

    site_header = "Organise (all times in UTC)"
    site_title = "Organise"
    index_title = "What there is to organise"
    empty_value_display = "—"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Our own pages, before the one that answers for everything else."""
        own = [
            path(f"portal/{one.route}", self.admin_view(one.view), name=one.name if one.title else None)
            for one in PAGES
        ]
        return [*own, *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The tables of all rooms, and our own pages below them."""
        found: list[Any] = super().get_app_list(request, app_label)
        return found if app_label else [*found, _listed(PAGES)]

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register, with the audit log underneath."""
        models: Any = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        shown = [model for model in models if model._meta.app_label not in NOT_SHOWN]
        base = admin_class or admin.ModelAdmin
        audited = base if issubclass(base, Audited) else type(base.__name__, (Audited, base), {})
        super().register(shown, audited, **options)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Send strangers to the sign-in, and tell the others that this is not for them."""
        if self.has_permission(request):
            return HttpResponseRedirect("/admin/")
        if request.user.is_authenticated:
            raise PermissionDenied("These pages are for organisers.")
        return redirect_to_login(request.GET.get("next", "/admin/"))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Nobody has a password."""
        raise Http404

    password_change_done = password_change


def _listed(pages: Iterable[Page]) -> dict[str, Any]:
    """Our own pages as Django lists the tables of an app."""
    rows = [
        {
            "name": one.title,
            "object_name": one.name,
            "admin_url": reverse(f"admin:{one.name}"),
            "add_url": None,
            "view_only": True,
        }
        for one in pages
        if one.title
    ]
    address = reverse("admin:index")
    return {"name": "This portal", "app_label": "portal", "app_url": address, "models": rows}


def _fields(message: Any) -> list[str]:
    """The fields that a change of the admin names."""
    parts = message if isinstance(message, list) else []
    return [str(name) for part in parts for name in part.get("changed", {}).get("fields", [])]
