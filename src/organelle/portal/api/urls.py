"""Addresses of this room."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from organelle.portal.api.methods import with_all_methods
from organelle.portal.api.refusals import nothing_here
from organelle.portal.api.service import api, docs, openapi

operations, room, namespace = api.urls
urlpatterns = [
    path("docs", docs, name="api-docs"),
    path("openapi.json", openapi, name="api-openapi"),
    path("", (with_all_methods(operations), room, namespace)),
    re_path("^.*$", csrf_exempt(nothing_here)),
]
