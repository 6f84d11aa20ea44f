"""Pages that say what the challenge is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from organelle.catalog import load_catalog
from organelle.portal.challenge.markdown import to_html
from organelle.portal.challenge.models import Phase
from organelle.portal.challenge.rules import RulesChanged, accept_rules, current_rules


@dataclass(frozen=True)
class Stage:
    """A phase as the timeline shows it: it ends when the next one starts."""

    phase: Phase
    ends: datetime | None
    is_now: bool
    is_over: bool


def stages(now: datetime | None = None) -> list[Stage]:
    """All phases in their order."""
    moment = now or timezone.now()
    phases = list(Phase.objects.order_by("starts"))
    return [
        Stage(phase, end, phase.starts <= moment and not over, over)
        for phase, end in zip(phases, [*(phase.starts for phase in phases[1:]), None], strict=False)
        for over in [end is not None and end <= moment]
    ]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What this is, how to take part, what is new."""
    return render(
        request,
        "challenge/home.html",
        {
            "stages": stages(),
            "size": catalog_size(settings.PORTAL.catalog),
            "open": Phase.takes_submissions(),
            "latest_news": _template("news/latest.html"),
            "address": settings.PORTAL_URL,
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest) -> HttpResponse:
    """The rules that hold now; a POST accepts the version that was read."""
    current = current_rules()
    if request.method == "POST":
        return _accept(request)
    accepted = request.user.is_authenticated and request.user.rules_accepted == current.version
    return render(
        request,
        "challenge/rules.html",
        {"rules": current, "html": to_html(current.text), "accepted": accepted},
    )


def _accept(request: HttpRequest) -> HttpResponse:
    """Nothing is written down if the rules have changed since they were read."""
    person = request.user
    if not person.is_authenticated:
        return redirect_to_login("/rules/")
    try:
        if accept_rules(person, request.POST.get("version", "")):
            messages.success(request, f"You have accepted version {person.rules_accepted} of the rules.")
    except RulesChanged as error:
        messages.error(request, str(error))
    return redirect("/rules/")


@require_safe
def faq(request: HttpRequest) -> HttpResponse:
    """Questions that people ask."""
    return render(request, "challenge/faq.html", {"limits": settings.PORTAL.limits})


@require_safe
def timeline(request: HttpRequest) -> HttpResponse:
    """Phases, and which one it is now."""
    return render(
        request,
        "challenge/timeline.html",
        {"stages": stages(), "now": timezone.now(), "open": Phase.takes_submissions()},
    )


@dataclass(frozen=True)
class CatalogSize:
    """How much there is to work with."""

    datasets: int
    train_crops: int
    test_crops: int
    classes: int


@cache
def catalog_size(folder: str) -> CatalogSize:
    """Of the catalog in `folder`, of the built-in one if that is empty."""
    catalog = load_catalog(folder or None)
    classes = {name for crop in catalog.test_crops.values() for name in crop.classes}
    return CatalogSize(len(catalog.datasets), len(catalog.train_crops), len(catalog.test_crops), len(classes))


def _template(name: str) -> Any:
    """A template of another room, if it has one."""
    try:
        return get_template(name)
    except TemplateDoesNotExist:
        return None
