"""Every error of the API as JSON with `detail`, and with words of what to do next."""

from __future__ import annotations

import logging
import math

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError

from organelle.errors import printable
from organelle.portal.accounts.closing import ClosedOut, OwnAccount
from organelle.portal.accounts.personal import LastOrganiser
from organelle.portal.accounts.teams import InvitationGone, TeamError
from organelle.portal.accounts.tokens import TokenError
from organelle.portal.api.answers import TUS, say
from organelle.portal.api.asking import Unfit
from organelle.portal.challenge.rules import RulesChanged
from organelle.portal.submissions.models import NotInThatState
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.store import NoRoom

log = logging.getLogger(__name__)

REFUSALS: dict[type[Exception], tuple[int, str]] = {
    TeamError: (409, "team"),
    InvitationGone: (410, "invitation"),
    TokenError: (409, "token"),
    RulesChanged: (409, "rules"),
    LastOrganiser: (409, "organiser"),
    OwnAccount: (409, "organiser"),
    ClosedOut: (409, "closed out"),
    NotInThatState: (409, "state"),
    PermissionDenied: (403, "leads"),
}
"""What people and organisers cannot do: for each error the status, and the code for programs."""


class OtherVersion(HttpError):
    """The caller speaks another version of the upload protocol, or none."""


def handle_errors(api: NinjaAPI) -> None:
    """Make every error of `api` an answer with words."""
    for kind in REFUSALS:
        api.add_exception_handler(kind, _impossible)
    api.add_exception_handler(Unfit, _unfit)
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(NoRoom, _no_room)
    api.add_exception_handler(AuthenticationError, _unknown_caller)
    api.add_exception_handler(Throttled, too_fast)
    api.add_exception_handler(ValidationError, _not_understood)
    api.add_exception_handler(OtherVersion, _other_version)
    api.add_exception_handler(HttpError, _with_words)
    api.add_exception_handler(Http404, nothing_here)
    for unread in (SuspiciousOperation, BadRequest, UnreadablePostError):
        api.add_exception_handler(unread, _unreadable)
    api.add_exception_handler(OperationalError, _database_busy)
    api.add_exception_handler(Exception, _broken)


def nothing_here(request: HttpRequest, error: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """There is no such thing, or it is none of the caller's business."""
    return say(request, {"detail": "there is nothing here that you may see"}, 404)


def _with_words(request: HttpRequest, error: HttpError) -> HttpResponse:
    return say(request, {"detail": error.message}, error.status_code)


def _other_version(request: HttpRequest, error: OtherVersion) -> HttpResponse:
    return say(request, {"detail": error.message}, error.status_code, Tus_Version=TUS)


def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    headers = {}
    if error.next_at is not None:
        left = (error.next_at - timezone.now()).total_seconds()
        headers["Retry_After"] = str(max(1, math.ceil(left)))
    return say(request, error.to_dict(), error.status, **headers)


def _no_room(request: HttpRequest, error: NoRoom) -> HttpResponse:  # noqa: ARG001
    words = "the portal has no room just now; what had arrived is kept. Go on later, and tell the organisers"
    return say(request, {"detail": words, "code": "no room"}, 507)


def _unknown_caller(request: HttpRequest, error: AuthenticationError) -> HttpResponse:  # noqa: ARG001
    words = (
        "sign in, or send a token that is valid and may do this as Authorization: Bearer TOKEN; make one at "
        "/account/tokens/"
    )
    return say(request, {"detail": words}, 401, WWW_Authenticate="Bearer")


def too_fast(request: HttpRequest, error: Throttled) -> HttpResponse:
    """429, with the seconds after which it is surely possible again."""
    wait = error.wait or 60
    words = {"detail": f"too many requests; go on in {wait} s", "code": "pace"}
    return say(request, words, 429, Retry_After=str(wait))


def _not_understood(request: HttpRequest, error: ValidationError) -> HttpResponse:
    problems = [
        {
            "code": str(problem.get("type", "")),
            "place": ".".join(printable(str(part), most=80) for part in problem.get("loc", ())),
            "found": printable(str(problem.get("msg", "")), most=300),
        }
        for problem in error.errors
    ]
    return say(request, {"detail": "the request cannot be understood", "problems": problems}, 422)


def _unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
    """Too long a body, one that broke off, a form that is none."""
    status = 413 if isinstance(error, RequestDataTooBig) else 400
    return say(request, {"detail": "the body of the request cannot be read, or is too long"}, status)


def _database_busy(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    if "full" in str(error):
        return _no_room(request, NoRoom())
    log.warning("the database did not answer: %s", error)
    words = {"detail": "the portal is busy; nothing has changed. Try again in some seconds"}
    return say(request, words, 503, Retry_After="5")


def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("%s %s broke", request.method, request.path, exc_info=error)
    return say(request, {"detail": "something is broken here; it was noted. Try again later"}, 500)


def _impossible(request: HttpRequest, error: Exception) -> HttpResponse:
    status, code = next(REFUSALS[kind] for kind in type(error).__mro__ if kind in REFUSALS)
    return say(request, {"detail": str(error), "code": code}, status)


def _unfit(request: HttpRequest, error: Unfit) -> HttpResponse:
    return say(request, {"detail": str(error), "code": "field", "problems": error.problems}, 422)
