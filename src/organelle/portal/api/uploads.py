"""tus 1.0 (core, creation, checksum, expiration, termination): uploads that go on where they were cut.

Beyond the protocol, the request that creates an upload may carry the fields of the submission as JSON, and
answers name the submission that came of it in the header Submission-Id.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import http_date
from ninja import Router
from ninja.errors import HttpError

from organelle.portal.api.answers import TUS, answers, changes, public_answers, say
from organelle.portal.api.refusals import OtherVersion
from organelle.portal.api.scopes import SUBMITTER
from organelle.portal.api.submitted import Full, full_record
from organelle.portal.submissions.fields import LINEAGE_BYTES
from organelle.portal.submissions.intake import known_submission, team_of
from organelle.portal.submissions.models import Upload
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.uploads import begin, expires, offset_of, require_hash
from organelle.portal.submissions.writing import Busy, Checksum, WrongChecksum, WrongOffset, append, discard

router = Router(tags=["uploads"])
EXTENSIONS = "creation,checksum,expiration,termination"
ALGORITHMS = ("sha256", "sha1")
KIND = "application/offset+octet-stream"
SILENCE_S = 30.0
"""A sender that is silent for so long is taken for gone."""

MOST_FIELDS = LINEAGE_BYTES + (1 << 20)
WRONG_CHECKSUM = 460


def _headers(**described: str) -> dict[str, Any]:
    """Headers of a request, for the description of the API."""
    names = {"Tus-Resumable": f"always {TUS}"} | {k.replace("_", "-"): v for k, v in described.items()}
    return {
        "parameters": [
            {"in": "header", "name": name, "schema": {"type": "string"}, "description": words}
            for name, words in names.items()
        ]
    }


def _answers(status: int, *codes: int) -> dict[int, Any]:
    """Empty answers, whose headers say it all; and those of every operation on uploads."""
    return changes(None, 404, 412, *codes, status=status)


LENGTH = "of the file, in bytes"
METADATA = "pairs of a key and a text in base64, with commas between"
OFFSET = "where the piece begins"
CHECKSUM = "sha256 or sha1 of the piece, in base64: `sha256 ...`"


@router.api_operation(
    ["OPTIONS"],
    "/",
    auth=None,
    response=public_answers(None, status=204),
    summary="What this server speaks",
)
def describe(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The protocol's version, its extensions, and the longest file that is taken."""
    response = HttpResponse(status=204)
    response["Allow"] = "OPTIONS, POST"
    response["Tus-Resumable"] = response["Tus-Version"] = TUS
    response["Tus-Extension"] = EXTENSIONS
    response["Tus-Checksum-Algorithm"] = ",".join(ALGORITHMS)
    response["Tus-Max-Size"] = str(settings.PORTAL.limits.submission_bytes)
    return response


@router.post(
    "/",
    auth=SUBMITTER,
    response=changes(None, 409, 411, 412, 507, status=201) | {200: Full},
    by_alias=True,
    summary="Open an upload",
    openapi_extra=_headers(Upload_Length=LENGTH, Upload_Metadata=METADATA),
)
def create(request: HttpRequest) -> HttpResponse:
    """Needs Upload-Length; Upload-Metadata may hold `filename`, `sha256` and the fields of the submission.

    Longer fields, and the lineage, may come as a JSON object in the body. Answers 201 with the address of the
    upload in Location; or 200 with the submission, if the team has handed these bytes in already.
    """
    _require_version(request)
    length = _number(request, "Upload-Length")
    given = _metadata(request) | _json_fields(request)
    digest = require_hash(str(given.get("sha256", "")))
    user: Any = request.auth
    if known := known_submission(team_of(user), digest):
        return say(request, full_record(known), 200, Submission_Id=str(known.pk))
    upload = begin(user, length=length, name=str(given.get("filename", "")), sha256=digest, fields=given)
    response = _state(upload, 201)
    response["Location"] = f"{request.path}{upload.pk}"
    return response


@router.api_operation(
    ["HEAD"],
    "/{uuid:upload_id}",
    auth=SUBMITTER,
    response=answers(None, 404, 412),
    summary="Where an upload stands",
    openapi_extra=_headers(),
)
def where(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Upload-Offset says how many bytes are there for sure."""
    _require_version(request)
    response = _state(_own(request, upload_id), 200)
    response["Cache-Control"] = "no-store"
    return response


@router.patch(
    "/{uuid:upload_id}",
    auth=SUBMITTER,
    response=_answers(204, 409, 411, 415, 423, WRONG_CHECKSUM, 507),
    summary="Send a piece",
    openapi_extra=_headers(Upload_Offset=OFFSET, Upload_Checksum=CHECKSUM),
)
def send(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """The body is a piece that begins at Upload-Offset; Upload-Checksum may say what it hashes to.

    With the last one the file is handed in; an empty piece at the end tries that again.
    """
    _require_version(request)
    if request.headers.get("Content-Type") != KIND:
        raise HttpError(415, f"the content is to be of type {KIND}")
    upload = _own(request, upload_id)
    offset, length = _number(request, "Upload-Offset"), _number(request, "Content-Length")
    checksum = _checksum(request)
    try:
        with _patience(request):
            upload = append(upload, offset, length, request.read, checksum)
    except Busy as error:
        return say(request, {"detail": f"{error}; wait for its end", "code": "busy"}, 423, Retry_After="1")
    except WrongOffset as error:
        record = {"detail": f"{error}, not at {offset}", "code": "offset"}
        return say(request, record, 409, Upload_Offset=str(error.offset))
    except WrongChecksum as error:
        return say(request, {"detail": str(error), "code": "checksum"}, WRONG_CHECKSUM)
    except Upload.DoesNotExist:
        raise Http404 from None
    return _state(upload, 204)


@router.delete(
    "/{uuid:upload_id}",
    auth=SUBMITTER,
    response=_answers(204, 423),
    summary="Give an upload up",
    openapi_extra=_headers(),
)
def give_up(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Its bytes are removed; a submission that came of it stays."""
    _require_version(request)
    try:
        discard(_own(request, upload_id))
    except Busy as error:
        return say(request, {"detail": f"{error}; wait for its end", "code": "busy"}, 423, Retry_After="1")
    except Upload.DoesNotExist:
        raise Http404 from None
    response = HttpResponse(status=204)
    response["Tus-Resumable"] = TUS
    return response


def _own(request: HttpRequest, upload_id: UUID) -> Upload:
    """The upload, if it is the caller's; others' are not there."""
    upload = Upload.objects.filter(pk=upload_id, user=request.auth).first()
    if upload is None:
        raise Http404
    return upload


def _state(upload: Upload, status: int) -> HttpResponse:
    response = HttpResponse(status=status)
    response["Tus-Resumable"] = TUS
    response["Upload-Offset"] = str(offset_of(upload))
    response["Upload-Length"] = str(upload.length)
    if upload.submission_id:
        response["Submission-Id"] = str(upload.submission_id)
    else:
        response["Upload-Expires"] = http_date(expires(upload).timestamp())
    return response


def _require_version(request: HttpRequest) -> None:
    if request.headers.get("Tus-Resumable") != TUS:
        raise OtherVersion(412, f"this server speaks tus {TUS}; say so in the header Tus-Resumable")


def _number(request: HttpRequest, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HttpError(411 if name == "Content-Length" else 400, f"{name} is to be a number of bytes")
    return int(text)


def _metadata(request: HttpRequest) -> dict[str, Any]:
    """Upload-Metadata: `key base64, key base64`."""
    found: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in request.headers.get("Upload-Metadata", "").split(","))):
        key, _, value = part.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise HttpError(400, "Upload-Metadata is to be pairs of a key and a text in base64") from None
    return found


def _json_fields(request: HttpRequest) -> dict[str, Any]:
    """The body of the creation, if it is JSON; other bodies are not read."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return {}
    length = _number(request, "Content-Length")
    if length > MOST_FIELDS:
        raise Refused(f"the fields have {length} bytes; at most {MOST_FIELDS} are read", "length")
    try:
        found = json.loads(request.read(length))
    except (ValueError, RecursionError, OSError):
        found = None
    if not isinstance(found, dict):
        raise HttpError(400, "the body is to be a JSON object with the fields of the submission")
    return found


def _checksum(request: HttpRequest) -> Checksum | None:
    text = request.headers.get("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, value = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise HttpError(400, f"checksums are {' or '.join(ALGORITHMS)}")
    try:
        return Checksum(algorithm, base64.b64decode(value.strip(), validate=True))
    except (binascii.Error, ValueError):
        raise HttpError(400, "Upload-Checksum is to be an algorithm and a hash in base64") from None


@contextmanager
def _patience(request: HttpRequest) -> Iterator[None]:
    """While the body is read, a sender that is silent for long is given up, so that it can come anew."""
    connection = request.META.get("gunicorn.socket")
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(SILENCE_S)
    try:
        yield
    finally:
        connection.settimeout(before)
