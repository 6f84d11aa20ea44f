"""Addresses of this room."""

from __future__ import annotations

from django.urls import path

from organelle.portal.submissions import views

urlpatterns = [
    path("submit/", views.submit, name="submit"),
    path("submit/finish/<uuid:upload_id>/", views.finish, name="finish-upload"),
    path("submit/remove/<uuid:upload_id>/", views.remove, name="remove-upload"),
    path("submissions/", views.mine, name="submissions"),
    path("submissions/<uuid:submission_id>/", views.one, name="submission"),
    path("submissions/<uuid:submission_id>/live/", views.live, name="submission-live"),
    path("submissions/<uuid:submission_id>/edit/", views.edit, name="submission-edit"),
    path("submissions/<uuid:submission_id>/choose/", views.choose, name="submission-choose"),
    path("submissions/<uuid:submission_id>/cancel/", views.cancel, name="submission-cancel"),
]
