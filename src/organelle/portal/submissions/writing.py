"""Writing into uploads, so that cuts and crashes lose nothing: bytes are fsynced, then the offset moves.

The file of an upload may be longer than its offset says, when a process died between the two: such a tail is
cut off by whoever writes next. Only one writes at a time, by a lock on the file that dies with its process.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.utils import timezone

from organelle.portal.submissions.intake import (
    hand_in,
    known_submission,
    require_may_hand_in,
    team_of,
)
from organelle.portal.submissions.models import Upload
from organelle.portal.submissions.refusal import Refused
from organelle.portal.submissions.store import FULL, NoRoom, folder, place_of
from organelle.portal.submissions.uploads import is_kept, path_of

PIECE_BYTES = 1 << 20
"""Held in memory at a time."""

COMMIT_BYTES = 32 << 20
"""A stream without a checksum is committed each time so much has come."""


class Digest(Protocol):
    """A running hash."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The hash of all so far."""


@dataclass(frozen=True)
class Checksum:
    """What the sender says a piece should hash to."""

    algorithm: str
    expected: bytes

    def begin(self) -> Digest:
        """A running hash of this kind."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


class Busy(Exception):
    """Somebody else writes into this upload at the moment."""


class WrongOffset(Exception):
    """The piece does not begin where the upload stands."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the upload stands at {offset}")
        self.offset = offset


class WrongChecksum(Exception):
    """The piece is not what its sender sent; it was thrown away."""


def append(
    upload: Upload,
    offset: int,
    length: int,
    read: Callable[[int], bytes],
    checksum: Checksum | None = None,
) -> Upload:
    """Take `length` bytes that begin at `offset`, as far as they come; returns the upload as it then stands.

    What has come when the sender falls silent is kept, unless there is a checksum, which only the whole piece
    can meet. When all of the file is there, it is handed in.

    Args:
        upload: of the person who sends.
        offset: where the piece begins.
        length: how long the sender says it is; 0 at the end hands in what is there.
        read: gives at most so many bytes; none when the sender is gone.
        checksum: of the piece.

    Raises:
        Busy: another piece is coming in at this moment.
        WrongOffset: the upload stands elsewhere.
        WrongChecksum: the piece was thrown away.
        NoRoom: the disk is full; the upload stands where it stood.
        Refused: more bytes than announced, other bytes than announced, or not taken: see `hand_in`.
        Upload.DoesNotExist: it was removed meanwhile.
    """
    with _writing(upload) as (now, descriptor):
        if offset != now.offset:
            raise WrongOffset(now.offset)
        if offset + length > now.length:
            raise Refused(
                f"the upload has {now.length} bytes, and these would make {offset + length}", "length"
            )
        if not now.submission_id:
            _take(now, descriptor, length, read, checksum)
            if now.offset == now.length:
                _finish(now)
    return now


def discard(upload: Upload) -> None:
    """Remove an upload and its bytes; what became a submission stays one.

    Raises:
        Busy: a piece is coming in at this moment.
    """
    path = path_of(upload)
    with _writing(upload) as (now, _):
        now.delete()
        path.unlink(missing_ok=True)


@contextmanager
def _writing(upload: Upload) -> Iterator[tuple[Upload, int]]:
    """The upload as it stands now, and its file, which nobody else writes meanwhile."""
    path = path_of(upload)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy("another piece of this upload is coming in") from None
        try:
            now = Upload.objects.select_related("user").get(pk=upload.pk)
        except Upload.DoesNotExist:
            path.unlink(missing_ok=True)
            raise
        _settle(now, descriptor)
        yield now, descriptor
    finally:
        os.close(descriptor)


def _settle(upload: Upload, descriptor: int) -> None:
    """Bring file and database together: a tail that was not committed goes, an offset without bytes, too."""
    size = os.fstat(descriptor).st_size
    if upload.submission_id or (upload.whole and is_kept(upload)):
        upload.offset = upload.length
        if size == 0:
            path_of(upload).unlink(missing_ok=True)
    elif size > upload.offset:
        os.ftruncate(descriptor, upload.offset)
    elif size < upload.offset:
        upload.whole = False
        upload.save(update_fields=["whole"])
        _commit(upload, size)


def _take(
    upload: Upload,
    descriptor: int,
    length: int,
    read: Callable[[int], bytes],
    checksum: Checksum | None,
) -> None:
    """Write as far as bytes come, and commit them."""
    found = checksum.begin() if checksum else None
    came = 0
    os.lseek(descriptor, upload.offset, os.SEEK_SET)
    start = upload.offset
    try:
        while came < length and (piece := _read(read, min(PIECE_BYTES, length - came))):
            _write(descriptor, piece)
            came += len(piece)
            if found:
                found.update(piece)
            elif start + came - upload.offset >= COMMIT_BYTES:
                _sync_and_commit(upload, descriptor, start + came)
        if checksum and found and found.digest() != checksum.expected:
            raise WrongChecksum(f"{came} of {length} bytes came, and their {checksum.algorithm} is another")
        if start + came > upload.offset:
            _sync_and_commit(upload, descriptor, start + came)
    except BaseException as error:
        with suppress(OSError):
            os.ftruncate(descriptor, upload.offset)
        if isinstance(error, OSError) and error.errno in FULL:
            raise NoRoom(error.errno, "the disk is full") from None
        raise


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    """Bytes of the sender; none when the connection is broken or silent."""
    try:
        return read(size)
    except OSError:
        return b""


def _write(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_and_commit(upload: Upload, descriptor: int, offset: int) -> None:
    os.fsync(descriptor)
    _commit(upload, offset)


def _commit(upload: Upload, offset: int) -> None:
    values = {"offset": offset, "touched": timezone.now()}
    if not Upload.objects.filter(pk=upload.pk, offset=upload.offset).update(**values):
        raise Upload.DoesNotExist("the upload was removed while bytes came in")
    upload.offset, upload.touched = offset, values["touched"]


def _finish(upload: Upload) -> None:
    """Compare the hash and hand in. After a crash this goes on wherever it stood."""
    path = path_of(upload)
    if not upload.whole:
        _require_same(upload, _hash(path))
    elif not path.exists():
        path = place_of(folder(), upload.sha256)
    team = _team_that_may(upload)
    upload.submission = hand_in(
        path,
        user=upload.user,
        team=team,
        sha256=upload.sha256,
        size_bytes=upload.length,
        name=upload.name,
        fields=upload.fields,
    )
    upload.save(update_fields=["submission"])
    path_of(upload).unlink(missing_ok=True)


def _team_that_may(upload: Upload) -> Any:
    """The team of the sender, which may have changed since the upload began; else `Refused`."""
    team = team_of(upload.user)
    return team if known_submission(team, upload.sha256) else require_may_hand_in(upload.user, team)


def _require_same(upload: Upload, found: str) -> None:
    """Note that the file is whole; throw it away if it is another one than was announced."""
    if upload.sha256 and upload.sha256 != found:
        announced, path = upload.sha256, path_of(upload)
        upload.delete()
        path.unlink(missing_ok=True)
        raise Refused(
            f"the bytes that came have the SHA-256 {found}, announced was {announced}; the upload was thrown "
            "away: send the file again, and do not write into it meanwhile",
            "hash",
        )
    upload.sha256, upload.whole = found, True
    upload.save(update_fields=["sha256", "whole"])


def _hash(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()
