"""A file in pieces (tus 1.0), to a portal that takes them: what has arrived is never sent again.

The address of the upload stands beside the zip, in `{name}.upload.json`, until the portal has it all. Each
piece carries its SHA-256, so that what was damaged on the way is sent again at once.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from organelle.errors import FileMissing, FormatError, SubmissionError, TransferError, printable
from organelle.files import read_json, write_json
from organelle.pack.multipart import PIECE_BYTES
from organelle.pack.portal import (
    PASSING,
    PLACE,
    Answer,
    Portal,
    reason_of,
    words_of,
)
from organelle.progress import track

UPLOADS = "/api/uploads/"
TUS = {"Tus-Resumable": "1.0.0"}
SENT_AT_ONCE = 8 << 20
"""A piece: what is sent again after a cut."""

DAMAGED, BUSY, ELSEWHERE = 460, 423, 409
LONGEST_BUSY_S = 90.0
"""So long another connection may still hold the upload, for instance the one that was just lost."""

BUSY_PAUSE_S = 1.0


class _Passing(Exception):
    """Something that may go better the next time."""

    def __init__(self, words: str, wait: str | None = None, *, busy: bool = False) -> None:
        super().__init__(words)
        self.wait = wait
        self.busy = busy


def upload_path(file: Path) -> Path:
    """Where the address of an unfinished upload of `file` stands: `team.upload.json` beside `team.zip`."""
    return file.with_name(f"{file.name.removesuffix('.zip')}.upload.json")


def takes_pieces(portal: Portal) -> bool:
    """Whether the portal says that it speaks tus 1.0 with what is needed here.

    Raises:
        TransferError: nothing answers.
    """
    status, _, headers = portal.ask_again("OPTIONS", portal.path_of(UPLOADS))
    versions = headers.get("tus-version", "").split(",")
    extensions = headers.get("tus-extension", "").split(",")
    algorithms = headers.get("tus-checksum-algorithm", "").split(",")
    speaks = "1.0.0" in versions and {"creation", "checksum"} <= set(extensions) and "sha256" in algorithms
    return status in (200, 204) and speaks


def send_in_pieces(portal: Portal, file: Path, sha256: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Send `file`, going on where an earlier call was cut; returns the submission that came of it.

    Args:
        portal: one that `takes_pieces`.
        file: the zip.
        sha256: of the zip.
        fields: what goes along, as JSON values.

    Raises:
        TransferError: several failures in a row without a byte between them, or no token that is accepted.
        SubmissionError: the portal does not take it, or the file changed meanwhile.
    """
    sending = _Sending(portal, file, sha256, dict(fields))
    failed, busy_since = 0, None
    while True:
        before = sending.offset
        try:
            return sending.run()
        except _Passing as trouble:
            failed = 1 if sending.offset > before else failed + 1
            if trouble.busy:
                busy_since = busy_since or time.monotonic()
                if time.monotonic() - busy_since < LONGEST_BUSY_S:
                    failed = 0
                    time.sleep(BUSY_PAUSE_S)
                    continue
            busy_since = None
            if failed >= portal.retry.attempts:
                raise TransferError(
                    f"{portal.url} did not take the file in {failed} attempts; the last ended with: "
                    f"{trouble}. What has arrived is kept there: the same command goes on later"
                ) from None
            portal.pause(failed, trouble.wait)


@dataclass
class _Sending:
    """One file on its way; `offset` of its bytes are there."""

    portal: Portal
    file: Path
    sha256: str
    fields: dict[str, Any]
    offset: int = field(default=0)

    def run(self) -> dict[str, Any]:
        """From where it stands to the end."""
        place = self._remembered()
        number = None if place is None else self._where(place)
        if place is None or number is None:
            opened = self._open()
            if isinstance(opened, dict):
                return self._done(opened)
            place, number = opened, self._where(opened)
        if not number:
            number = self._send_all(place)
        return self._done(self._ask_record(number))

    def _send_all(self, place: str) -> str:
        """The number of the submission that comes of it."""
        size = self.file.stat().st_size
        left = max(1, -(-(size - self.offset) // SENT_AT_ONCE))
        number = ""
        for _ in track(range(left), "sending", total=left):
            number = self._send_one(place, size)
            if number:
                return number
        return number or self._send_one(place, size)

    def _send_one(self, place: str, size: int) -> str:
        """Send the next piece; returns the number of the submission, if it was the last one."""
        piece = _read(self.file, self.offset, min(SENT_AT_ONCE, size - self.offset))
        check = base64.b64encode(hashlib.sha256(piece).digest()).decode()
        headers = TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(piece)),
            "Upload-Offset": str(self.offset),
            "Upload-Checksum": f"sha256 {check}",
        }
        answer = self._ask("PATCH", place, headers, piece)
        status, _, found = answer
        if status in (DAMAGED, 404, 410) or (status == ELSEWHERE and "upload-offset" in found):
            raise _Passing(f"status {status}{reason_of(answer[1])}")
        self._require(answer, 204)
        self.offset = _number(found, "upload-offset")
        return found.get("submission-id", "")

    def _remembered(self) -> str | None:
        """The address of the upload that was begun for these bytes at this portal."""
        with suppress(FileMissing, FormatError, TypeError, KeyError):
            known = read_json(upload_path(self.file))
            if (known["portal"], known["sha256"]) == (self.portal.url, self.sha256):
                return self._own(str(known["upload"]))
        return None

    def _open(self) -> str | dict[str, Any]:
        """The address of a new upload; or the submission, if the portal holds these bytes already."""
        body = json.dumps({"filename": self.file.name, "sha256": self.sha256} | self.fields).encode()
        headers = TUS | {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Upload-Length": str(self.file.stat().st_size),
        }
        answer = self._ask("POST", self.portal.path_of(UPLOADS), headers, body)
        if answer[0] == 200:
            return self.portal.understand(*answer)
        self._require(answer, 201)
        place = self._own(answer[2].get("location", ""))
        note = {"upload": place, "portal": self.portal.url, "sha256": self.sha256}
        write_json(upload_path(self.file), note, overwrite=True)
        return place

    def _where(self, place: str) -> str | None:
        """Note how far it is; returns the number of its submission, empty while there is none.

        None when there is no such upload any more.
        """
        answer = self._ask("HEAD", place, TUS)
        if answer[0] in (404, 410):
            self.offset = 0
            return None
        self._require(answer, 200)
        self.offset = _number(answer[2], "upload-offset")
        return answer[2].get("submission-id", "")

    def _ask_record(self, number: str) -> dict[str, Any]:
        return self.portal.understand(*self._ask("GET", self.portal.path_of(f"{PLACE}/{quote(number)}"), {}))

    def _done(self, record: dict[str, Any]) -> dict[str, Any]:
        upload_path(self.file).unlink(missing_ok=True)
        return record

    def _own(self, place: str) -> str:
        """The path of an address, which has to be of the portal's own server: the token goes there."""
        whole = urlsplit(urljoin(self.portal.url, place))
        own = urlsplit(self.portal.url)
        if not place or (whole.scheme, whole.netloc) != (own.scheme, own.netloc):
            raise TransferError(
                f"{self.portal.url} sends uploads to another server, which would get the token: "
                f"{printable(place, most=100)}; tell those who run the portal"
            )
        return whole.path

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """An answer that is no passing trouble."""
        try:
            answer = self.portal.ask(method, path, headers, _slices(body))
        except (OSError, http.client.HTTPException) as error:
            raise _Passing(words_of(error)) from None
        status, text, found = answer
        if status == BUSY:
            raise _Passing(f"status {status}{reason_of(text)}", busy=True)
        if status >= 500 or status in PASSING:
            raise _Passing(f"status {status}{reason_of(text)}", found.get("retry-after"))
        return answer

    def _require(self, answer: Answer, status: int) -> None:
        """Raise what another status means; see `Portal.understand`."""
        if answer[0] == status:
            return
        self.portal.understand(*answer)
        raise TransferError(f"{self.portal.url} answered with status {answer[0]} where {status} was due")


def _read(file: Path, offset: int, size: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(offset)
        piece = stream.read(size)
    if len(piece) != size:
        raise SubmissionError(f"{file} changed while it was sent; wait until it is written")
    return piece


def _slices(body: bytes) -> Iterator[bytes]:
    view = memoryview(body)
    for start in range(0, len(body), PIECE_BYTES):
        yield bytes(view[start : start + PIECE_BYTES])


def _number(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit()):
        raise TransferError("the portal does not say how far the upload is; is this its address?")
    return int(text)
