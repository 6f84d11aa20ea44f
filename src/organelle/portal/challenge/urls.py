"""Addresses of this room."""

from __future__ import annotations

from django.templatetags.static import static
from django.urls import URLPattern, path
from django.views.generic import RedirectView

from organelle.portal.challenge import health, views

urlpatterns: list[URLPattern] = [
    path("", views.home, name="home"),
    path("rules/", views.rules, name="rules"),
    path("faq/", views.faq, name="faq"),
    path("timeline/", views.timeline, name="timeline"),
    path("favicon.ico", RedirectView.as_view(url=static("portal/icon.svg"))),
    path("health/", health.health, name="health"),
    path("ready/", health.ready, name="ready"),
]
