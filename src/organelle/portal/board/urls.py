"""Addresses of this room."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from organelle.portal.board import views

urlpatterns: list[URLPattern] = [
    path("leaderboard/", views.leaderboard, name="leaderboard"),
    re_path(r"^leaderboard\.(?P<kind>csv|json)$", views.leaderboard_file, name="leaderboard-file"),
    path("leaderboard/<slug:column>/", views.leaderboard, name="board"),
    re_path(r"^leaderboard/(?P<column>\w+)\.(?P<kind>csv|json)$", views.leaderboard_file, name="board-file"),
    re_path(
        r"^leaderboard/(?P<column>\w+)/history\.(?P<kind>csv|json)$", views.history_file, name="history-file"
    ),
    re_path(
        r"^leaderboard/(?P<column>\w+)/history-(?P<theme>light|dark)\.svg$",
        views.history_picture,
        name="history-picture",
    ),
]
