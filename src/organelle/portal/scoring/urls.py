"""Addresses of this room."""

from __future__ import annotations

from django.urls import URLPattern, path

from organelle.portal.scoring import metrics

urlpatterns: list[URLPattern] = [path("metrics/", metrics.metrics, name="metrics")]
