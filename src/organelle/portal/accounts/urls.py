"""Addresses of this room."""

from __future__ import annotations

from django.urls import URLPattern, path

from organelle.portal.accounts import github
from organelle.portal.accounts.views import account, doors, team

urlpatterns: list[URLPattern] = [
    path("sign-in/", doors.sign_in, name="sign-in"),
    path("sign-in/sent/", doors.sent),
    path("sign-in/<str:word>/", doors.link),
    path("sign-out/", doors.sign_out, name="sign-out"),
    path("github/begin/", github.begin, name="github_login"),
    path("github/callback/", github.callback, name="github_callback"),
    path("account/", account.account, name="account"),
    path("account/address/", account.move),
    path("account/sessions/end/", account.end_others),
    path("account/sessions/<int:number>/end/", account.end_session),
    path("account/tokens/", account.tokens),
    path("account/tokens/<int:number>/revoke/", account.revoke),
    path("account/export/", account.export),
    path("account/delete/", account.delete),
    path("team/", team.team, name="team"),
    path("team/make/", team.make),
    path("team/rename/", team.rename),
    path("team/invite/", team.invite),
    path("team/invitations/<int:number>/withdraw/", team.withdraw),
    path("team/members/<int:number>/remove/", team.remove),
    path("team/members/<int:number>/lead/", team.hand_on),
    path("team/leave/", team.leave),
    path("team/join/<str:word>/", team.join),
]
