"""Addresses of this room."""

from __future__ import annotations

from django.urls import URLPattern, path

from organelle.portal.news import views

urlpatterns: list[URLPattern] = [
    path("", views.index, name="news"),
    *(path(f"feed.{form}", views.feed, {"form": form}, name=f"news-{form}") for form in views.FEEDS),
    path("subscribe/", views.subscribe, name="news-subscribe"),
    path("confirm/<str:word>/", views.confirm, name="news-confirm"),
    path("leave/<str:word>/", views.leave, name="news-leave"),
    path("<slug:slug>/", views.post, name="news-post"),
]
