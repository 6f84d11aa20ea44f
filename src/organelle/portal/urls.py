"""The addresses of all pages; each room has its own list."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

handler400 = "organelle.portal.challenge.errors.bad_request"
handler500 = "organelle.portal.challenge.errors.server_error"

urlpatterns = [
    path("", include("organelle.portal.challenge.urls")),
    path("", include("organelle.portal.accounts.urls")),
    path("", include("organelle.portal.explorer.urls")),
    path("", include("organelle.portal.submissions.urls")),
    path("", include("organelle.portal.scoring.urls")),
    path("", include("organelle.portal.board.urls")),
    path("news/", include("organelle.portal.news.urls")),
    path("api/", include("organelle.portal.api.urls")),
    path("admin/", admin.site.urls),
]
