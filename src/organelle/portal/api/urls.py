"""Addresses of this room."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from organelle.portal.api.answers import nothing_here
from organelle.portal.api.service import api, docs

urlpatterns = [
    path("docs", docs, name="api-docs"),
    path("", api.urls),
    re_path("^.*$", csrf_exempt(nothing_here)),
]
