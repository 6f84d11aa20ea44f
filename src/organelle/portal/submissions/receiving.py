"""A form with a file, taken straight to disk in one go: for browsers without scripts and simple programs."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError

from organelle.portal.submissions.fields import LINEAGE_BYTES
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.store import FULL, NoRoom, folder, require_room
from organelle.portal.submissions.uploads import require_length

FILE, LINEAGE = "submission", "lineage"
REST_BYTES = LINEAGE_BYTES + (1 << 20)
"""What may come beside the file."""


class Received(FileUploadHandler):
    """Takes the file `submission` to disk while it comes, counting and hashing, and `lineage` into memory.

    Attributes:
        path: where the file lies; it goes when nobody has moved it.
        sha256: of the file; empty as long as none came.
        size_bytes: of the file.
        name: as its owner calls it.
        lineage: the bytes of the lineage; None when there is none.
    """

    chunk_size = 1 << 20

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.path: Path = folder().uploads / f"{uuid.uuid4()}.form"
        self.sha256, self.size_bytes, self.name = "", 0, ""
        self.lineage: bytes | None = None
        self._hash = hashlib.sha256()
        self._descriptor = -1

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Open the file; other files than those two are passed over, and a second one, too."""
        super().new_file(*args, **kwargs)
        if self.field_name == FILE and self._descriptor < 0 and not self.sha256:
            self.name = self.file_name
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
        elif self.field_name == LINEAGE and self.lineage is None:
            self.lineage = b""
        else:
            raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002
        """Take a piece."""
        if self.field_name == LINEAGE:
            self.lineage = (self.lineage or b"") + raw_data
            if len(self.lineage) > LINEAGE_BYTES:
                raise Refused(f"the lineage is longer than {LINEAGE_BYTES} bytes", "length")
            return
        self.size_bytes += len(raw_data)
        require_length(self.size_bytes)
        self._hash.update(raw_data)
        view = memoryview(raw_data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def file_complete(self, file_size: int) -> None:  # noqa: ARG002
        """Make the bytes last."""
        if self.field_name == FILE:
            os.fsync(self._descriptor)
            self.sha256 = self._hash.hexdigest()

    def clear(self) -> None:
        """Close the file, and remove it if it is still there."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)


def require_acceptable_length(request: HttpRequest) -> None:
    """Raise `Refused` or `NoRoom` before anything is read, if the body is too long for sure."""
    text = request.META.get("CONTENT_LENGTH") or "0"
    length = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
    most: int = settings.PORTAL.limits.submission_bytes
    if length - REST_BYTES > most:
        raise Refused(f"the request has {length} bytes; files of at most {most} are taken", "length")
    require_room(length)


@contextmanager
def receiving(request: HttpRequest) -> Iterator[Received]:
    """What a form brings; `request.POST` has its texts then. Whatever is not moved away is gone afterwards.

    Raises:
        Refused: no such form, a file that is too long, none at all.
        NoRoom: the disk is full.
    """
    require_acceptable_length(request)
    received = Received(request)
    request.upload_handlers = [received]
    try:
        _read(request)
        if not received.sha256:
            raise Refused("there is no file in the field submission", "field")
        require_length(received.size_bytes)
        yield received
    finally:
        with suppress(OSError):
            received.clear()


def _read(request: HttpRequest) -> None:
    try:
        request.POST  # noqa: B018 - reads the whole body
    except Refused:
        raise
    except (MultiPartParserError, SuspiciousOperation, BadRequest, ValueError) as error:
        raise Refused(f"this is no form that can be read: {error}", "field") from None
    except OSError as error:
        if error.errno in FULL:
            raise NoRoom(error.errno, "the disk is full") from None
        raise Refused("the connection broke before all had come; send it again", "field") from None
