"""A portal over HTTP, as far as handing in goes: one POST, sent again where that may help.

A portal that speaks tus gets the file in pieces instead, see `organelle.pack.resumable`.

::

    POST {url}/api/submissions
    Authorization: Bearer TOKEN
    Idempotency-Key: SHA-256 of the zip
    Content-Type: multipart/form-data, with the fields sha256, bytes and version,
                  the file submission (the zip), and the file lineage (JSON) if there is one

The portal answers 200, 201 or 202 with a JSON object, whose `id` and `url` are kept; or 4xx with the reason
in `detail`, and with what the validator found in `problems`. It may answer before it has read all, for
instance because it holds this file already: the key is the same each time, so that an answer that got lost
leaves no second submission behind.
"""

from __future__ import annotations

import http.client
import json
import select
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from organelle.errors import FileMissing, SettingsError, SubmissionError, TransferError, printable
from organelle.pack.multipart import PIECE_BYTES, Multipart
from organelle.progress import track
from organelle.stores import Retry
from organelle.stores.address import read_address

PLACE = "/api/submissions"
MOST_ANSWER = 1 << 20
"""Longest answer that is read."""

LONGEST_WAIT_S = 60.0
"""The longest pause that a portal may ask for by Retry-After."""

PASSING = {408, 425, 429}
"""Refusals that may pass, as all from 500 on."""

NOT_OFFERED = 501

Answer = tuple[int, bytes, dict[str, str]]
"""Status, body, and headers under small letters."""


@dataclass(frozen=True)
class Portal:
    """Where to hand in.

    Attributes:
        url: `https://...`; `PLACE` is appended.
        token: who hands in; None where the portal asks for none.
        timeout_s: the longest silence that is borne.
        retry: when and how often to send again.
        insecure: send the token over plain http to other machines, too.

    Raises:
        SettingsError: an address that is no portal's, or plain http with a token.
    """

    url: str
    token: str | None = None
    timeout_s: float = 120.0
    retry: Retry = field(default_factory=Retry, compare=False)
    insecure: bool = False

    def __post_init__(self) -> None:
        read_address(self.url)
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https"):
            raise SettingsError(f"{self.url} is no portal: hand in to a folder, http://... or https://...")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise SettingsError(
                "the address of a portal holds neither names nor questions: https://portal.example, not "
                f"{self.url}"
            )
        local = parts.hostname in ("localhost", "::1") or str(parts.hostname).startswith("127.")
        if self.token and parts.scheme == "http" and not (local or self.insecure):
            raise SettingsError(
                f"{self.url} is not encrypted, and would show the token to everyone on the way; "
                "use https://, or add --insecure"
            )

    def send(self, fields: Mapping[str, str], files: Mapping[str, Path]) -> dict[str, Any]:
        """Hand in `files` under the names of their fields; returns the portal's answer.

        Args:
            fields: texts that go along; `sha256` names the submission.
            files: read anew for each attempt.

        Raises:
            TransferError: no answer after all attempts, a token that is not accepted, or no portal there.
            SubmissionError: the portal does not take the file, with its reasons.
        """
        body = Multipart(fields, files)
        for attempt in range(1, self.retry.attempts + 1):
            wait = None
            try:
                status, answer, headers = self._post(body, fields["sha256"])
            except ssl.SSLCertVerificationError as error:
                raise self._no_proof(error) from None
            except (OSError, http.client.HTTPException) as error:
                trouble = words_of(error)
            else:
                if status < 500 and status not in PASSING:
                    return self.understand(status, answer, headers)
                trouble, wait = f"status {status}{reason_of(answer)}", headers.get("retry-after")
            if attempt < self.retry.attempts:
                self.pause(attempt, wait)
        raise TransferError(
            f"{self.url} did not take the file in {self.retry.attempts} attempts; the last ended with: "
            f"{trouble}. Nothing here has changed; type the same command again later"
        )

    def pause(self, failed: int, wanted: str | None) -> None:
        """Wait after failure number `failed`, or as long as Retry-After says."""
        if wanted is not None and wanted.isascii() and wanted.isdigit():
            time.sleep(min(float(wanted), LONGEST_WAIT_S))
        else:
            self.retry.pause(failed)

    def _post(self, body: Multipart, key: str) -> Answer:
        pieces = track(body.pieces(), "sending", total=-(-body.length // PIECE_BYTES) + 4)
        return self.ask("POST", self.path_of(PLACE), self._headers(body, key), pieces)

    def path_of(self, place: str) -> str:
        """The path of one of the portal's own places, below that of its address."""
        return urlsplit(self.url).path.rstrip("/") + place

    def ask(self, method: str, path: str, headers: Mapping[str, str], pieces: Iterable[bytes] = ()) -> Answer:
        """One request and its answer: status, the body's beginning, headers in small letters.

        Args:
            method: of HTTP.
            path: on the portal's server.
            headers: beside the token's.
            pieces: of the body, whose length `headers` tell.

        Raises:
            OSError, http.client.HTTPException: no answer.
        """
        connection = self._connect()
        allowed = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.putrequest(method, path)
            for name, value in (allowed | {"Accept": "application/json"} | dict(headers)).items():
                connection.putheader(name, value)
            connection.endheaders()
            _pour(connection, pieces)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, response.read(MOST_ANSWER), found
        finally:
            connection.close()

    def ask_again(self, method: str, path: str) -> Answer:
        """A request without a body, repeated until there is an answer that no pause would change.

        Raises:
            TransferError: none after all attempts.
        """
        trouble = ""
        for attempt in range(1, self.retry.attempts + 1):
            wait = None
            try:
                status, text, headers = self.ask(method, path, {})
            except ssl.SSLCertVerificationError as error:
                raise self._no_proof(error) from None
            except (OSError, http.client.HTTPException) as error:
                trouble = words_of(error)
            else:
                if status not in PASSING and (status < 500 or status == NOT_OFFERED):
                    return status, text, headers
                trouble, wait = f"status {status}{reason_of(text)}", headers.get("retry-after")
            if attempt < self.retry.attempts:
                self.pause(attempt, wait)
        raise TransferError(
            f"{self.url} gave no answer in {self.retry.attempts} attempts; the last ended with: {trouble}. "
            "Type the same command again later"
        )

    def _no_proof(self, error: Exception) -> TransferError:
        return TransferError(f"{self.url} cannot prove that it is the portal: {words_of(error)}")

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=self.timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=self.timeout_s, context=context)

    def _headers(self, body: Multipart, key: str) -> dict[str, str]:
        return {
            "Content-Type": f"multipart/form-data; boundary={body.boundary}",
            "Content-Length": str(body.length),
            "Idempotency-Key": key,
        }

    def understand(self, status: int, answer: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """The answer as a record, or what it means as an error."""
        reason = reason_of(answer)
        if status in (200, 201, 202):
            record = read_answer(answer)
            if isinstance(record, dict):
                return record
            raise TransferError(f"{self.url} answered, but not as a portal does; is this its address?")
        if 300 <= status < 400:
            place = printable(headers.get("location", "another address"))
            raise TransferError(f"{self.url} has moved to {place}; name that address without {PLACE}")
        if status in (401, 403):
            raise TransferError(
                f"{self.url} does not accept the token{reason}; make a new one there, and name the file that "
                "holds it with --token-file, or put it into CSC_TOKEN"
            )
        if status in (404, 405):
            raise TransferError(f"{self.url} knows no {PLACE}{reason}; is this the address of a portal?")
        if status == 413:
            raise SubmissionError(f"{self.url} takes no file as large as this{reason}")
        raise SubmissionError(f"{self.url} does not take the submission (status {status}){reason}")


def read_token(file: Path | str) -> str:
    """The token in a file, without blanks around it.

    Raises:
        FileMissing: there is no such file.
        SettingsError: it holds no token.
    """
    try:
        return require_token(Path(file).read_text(encoding="utf-8").strip(), str(file))
    except (FileNotFoundError, IsADirectoryError):
        raise FileMissing(f"no token at {file}; write the one that the portal gave you into it") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file} holds no token, which is one word of plain letters") from None


def require_token(text: str, where: str) -> str:
    """`text`, if it is one word of plain letters; else `SettingsError`."""
    if not (text and text.isascii() and text.isprintable() and " " not in text):
        raise SettingsError(f"{where} holds no token, which is one word of plain letters")
    return text


def _pour(connection: http.client.HTTPConnection, pieces: Iterable[bytes]) -> None:
    """Send the body until the portal answers, or takes no more; then its answer is there to be read."""
    try:
        for piece in pieces:
            if _has_answered(connection):
                return
            connection.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        return


def _has_answered(connection: http.client.HTTPConnection) -> bool:
    """Whether something has come back; over TLS that may be anything, so one does not look."""
    plain = connection.sock is not None and not isinstance(connection.sock, ssl.SSLSocket)
    return plain and bool(select.select([connection.sock], [], [], 0)[0])


def words_of(error: Exception) -> str:
    """What went wrong on the way, to be shown."""
    if isinstance(error, TimeoutError):
        return "nothing came for too long"
    return printable(str(error)) or type(error).__name__


def read_answer(answer: bytes) -> Any:
    """An answer as JSON values; None when it is none."""
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None


def reason_of(answer: bytes) -> str:
    """What the portal says, as `: words`; nothing when it says nothing that can be shown."""
    record = read_answer(answer)
    if not isinstance(record, dict):
        return ""
    lines = [record[key] for key in ("detail", "error", "message") if isinstance(record.get(key), str)][:1]
    problems = record.get("problems")
    for problem in problems if isinstance(problems, list) else ():
        if isinstance(problem, dict):
            words = (str(problem.get(key, "")) for key in ("code", "place", "found", "remedy"))
            lines.append("  " + " ".join(word for word in words if word))
    shown = [printable(line) for line in lines[:21]] + (["  ..."] if len(lines) > 21 else [])
    return ": " + "\n".join(shown) if shown else ""
