"""Addresses of this room."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from organelle.portal.explorer import views

urlpatterns: list[URLPattern] = [
    path("datasets/", views.datasets, name="datasets"),
    path("datasets/<str:name>/", views.dataset, name="dataset"),
    path("crops/", views.crops, name="crops"),
    path("crops/<int:number>/", views.crop, name="crop"),
    path("crops/<int:number>/thumbnail.png", views.thumbnail, name="thumbnail"),
    path("classes/", views.classes, name="classes"),
    path("classes/<slug:name>/", views.organelle_class, name="class"),
    path("statistics/", views.statistics, name="statistics"),
    re_path(
        r"^statistics/(?P<name>[\w-]+)/(?P<theme>light|dark)\.svg$",
        views.statistic_chart,
        name="statistic-chart",
    ),
    re_path(
        r"^statistics/(?P<name>[\w-]+)\.(?P<kind>csv|json)$", views.statistic_table, name="statistic-table"
    ),
    path("search/", views.search, name="search"),
    re_path(r"^(?P<name>datasets|crops|classes)\.(?P<kind>csv|json)$", views.table, name="table"),
]
