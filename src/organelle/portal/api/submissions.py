"""Submissions: hand in, list, look, edit, choose, cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Router, Schema

from organelle.portal.api.answers import Listing, Trouble, answers, changes, listing, say
from organelle.portal.api.asking import LIMIT, OFFSET, TEXT, chosen
from organelle.portal.api.scopes import READER, SUBMITTER
from organelle.portal.api.submitted import Full, Short, full_record, submission_record
from organelle.portal.submissions import actions
from organelle.portal.submissions.intake import (
    hand_in,
    known_submission,
    require_may_hand_in,
    team_of,
)
from organelle.portal.submissions.models import Submission
from organelle.portal.submissions.receiving import Received, receiving
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.uploads import SHA256, require_hash

router = Router(tags=["submissions"])
WORD = {"type": "string"}
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["submission", "sha256"],
                    "properties": {
                        "sha256": WORD,
                        "bytes": WORD,
                        "version": WORD,
                        "method": WORD,
                        "description": WORD,
                        "code_url": WORD,
                        "publish": WORD,
                        "anonymous": WORD,
                        "submission": {"type": "string", "format": "binary"},
                        "lineage": {"type": "string", "format": "binary"},
                    },
                }
            }
        },
    },
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": WORD,
            "description": "SHA-256 of the file: what is held already is answered before the file is read.",
        }
    ],
}


class Refusal(Trouble):
    """Why something was not done, and from when on it would be, if that is known."""

    next_at: str | None = None


class Change(Schema):
    """Fields that may be changed; those that are not given stay."""

    method: str | None = None
    description: str | None = None
    code_url: str | None = None
    publish: bool | None = None
    anonymous: bool | None = None


class Choice(Schema):
    """Whether it is to count on the board."""

    chosen: bool = True


CHANGED = changes(Full, 404, 409)


@router.get(
    "",
    auth=READER,
    response=answers(Listing[Short], 422),
    by_alias=True,
    summary="My team's submissions, newest first",
)
def listed(
    request: HttpRequest, state: str = TEXT, sha256: str = TEXT, limit: int = LIMIT, offset: int = OFFSET
) -> dict[str, Any]:
    """`state` and `sha256` choose some of them; without a team there are none."""
    team = team_of(request.auth)
    own = Submission.objects.select_related("team").filter(team=team) if team else Submission.objects.none()
    found = chosen(own, state=state, sha256=require_hash(sha256))
    return listing(found, limit, offset, submission_record)


@router.post(
    "",
    auth=SUBMITTER,
    response=changes(Full, 507, status=201) | {200: Full, 409: Refusal},
    by_alias=True,
    openapi_extra=FORM,
    summary="Hand in, in one request",
)
def create(request: HttpRequest) -> HttpResponse:
    """201 with the submission; 200 if the team has handed these bytes in already.

    A large file is better sent in pieces, see uploads.
    """
    user: Any = request.auth
    key = request.headers.get("Idempotency-Key", "").lower()
    if SHA256.match(key) and (known := known_submission(team_of(user), key)):
        return say(request, full_record(known), 200)
    team = require_may_hand_in(user, team_of(user))
    with receiving(request) as received:
        _require_same(received, request.POST)
        status = 200 if known_submission(team, received.sha256) else 201
        submission = hand_in(
            received.path,
            user=user,
            team=team,
            sha256=received.sha256,
            size_bytes=received.size_bytes,
            name=received.name,
            fields=dict(request.POST.items()) | {"lineage": received.lineage},
        )
    return say(request, full_record(submission), status)


@router.get(
    "/{uuid:submission_id}", auth=READER, response=answers(Full, 404), by_alias=True, summary="One submission"
)
def one(request: HttpRequest, submission_id: UUID) -> dict[str, Any]:
    """Its state, its history, what the validator found, and its score."""
    return full_record(_visible(request, submission_id))


@router.patch("/{uuid:submission_id}", auth=SUBMITTER, response=CHANGED, by_alias=True, summary="Edit")
def edit(request: HttpRequest, submission_id: UUID, change: Change) -> dict[str, Any]:
    """Change description, link and consents."""
    given = change.dict(exclude_none=True)
    return full_record(actions.edit(_visible(request, submission_id), request.auth, given))


@router.post(
    "/{uuid:submission_id}/cancel", auth=SUBMITTER, response=CHANGED, by_alias=True, summary="Cancel"
)
def cancel(request: HttpRequest, submission_id: UUID) -> dict[str, Any]:
    """Take it out of the queue; it costs no attempt."""
    return full_record(actions.cancel(_visible(request, submission_id), request.auth))


@router.post(
    "/{uuid:submission_id}/choose", auth=SUBMITTER, response=CHANGED, by_alias=True, summary="Choose"
)
def choose(request: HttpRequest, submission_id: UUID, choice: Choice) -> dict[str, Any]:
    """Let it count on the board, or the team's best again."""
    submission = _visible(request, submission_id)
    return full_record(actions.choose(submission, request.auth, chosen=choice.chosen))


def _visible(request: HttpRequest, submission_id: UUID) -> Submission:
    """Of one's own team. Organisers reach all from a session; their tokens do so below `/organise`."""
    found = actions.visible_to(request.auth).filter(pk=submission_id)
    if "Authorization" in request.headers:
        found = found.filter(team__memberships__user=request.auth)
    if (submission := found.first()) is None:
        raise Http404
    return submission


def _require_same(received: Received, texts: Any) -> None:
    """Refuse what is not the file that was announced; a cut connection looks like a shorter file."""
    announced = require_hash(texts.get("sha256", ""))
    if not announced:
        raise Refused("the field sha256 is missing: the SHA-256 of the file, in hexadecimal", "field")
    size = texts.get("bytes", str(received.size_bytes))
    if size != str(received.size_bytes) or announced != received.sha256:
        raise Refused(
            f"{received.size_bytes} bytes with the SHA-256 {received.sha256} came, announced was "
            f"{announced}; send the file again",
            "hash",
        )
