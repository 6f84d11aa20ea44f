"""What people and organisers cannot do, as answers with words."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from organelle.portal.accounts.closing import OwnAccount
from organelle.portal.accounts.personal import LastOrganiser
from organelle.portal.accounts.teams import InvitationGone, TeamError
from organelle.portal.accounts.tokens import TokenError
from organelle.portal.api.answers import say
from organelle.portal.api.asking import Unfit
from organelle.portal.challenge.rules import RulesChanged
from organelle.portal.submissions.models import NotInThatState

REFUSALS: dict[type[Exception], tuple[int, str]] = {
    TeamError: (409, "team"),
    InvitationGone: (410, "invitation"),
    TokenError: (409, "token"),
    RulesChanged: (409, "rules"),
    LastOrganiser: (409, "organiser"),
    OwnAccount: (409, "organiser"),
    NotInThatState: (409, "state"),
    PermissionDenied: (403, "leads"),
}
"""For each error the status, and the code for programs."""


def handle_refusals(api: NinjaAPI) -> None:
    """Make what cannot be done an answer of `api`."""
    for kind in REFUSALS:
        api.add_exception_handler(kind, _refused)
    api.add_exception_handler(Unfit, _unfit)


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    status, code = next(REFUSALS[kind] for kind in type(error).__mro__ if kind in REFUSALS)
    return say(request, {"detail": str(error), "code": code}, status)


def _unfit(request: HttpRequest, error: Unfit) -> HttpResponse:
    return say(request, {"detail": str(error), "code": "field", "problems": error.problems}, 422)
