"""Where the bytes of submissions lie: in the portal's folder, named for their hash, and in its bucket."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path

from django.conf import settings

from organelle.errors import SettingsError, TransferError
from organelle.portal.folder import PortalFolder
from organelle.portal.submissions import bucket
from organelle.portal.submissions.models import Submission

log = logging.getLogger(__name__)

RESERVE_BYTES = 64 << 20
"""Left free for the database, whatever is handed in."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a system says when there is no room left."""


class NoRoom(OSError):
    """The disk is full, or the bucket does not answer; nothing that had arrived is lost."""


def folder() -> PortalFolder:
    """The portal's folder.

    Raises:
        SettingsError: this portal has none, so that nothing can be kept.
    """
    found: PortalFolder | None = settings.FOLDER
    if found is None:
        raise SettingsError("a portal without a folder keeps no files; name one in CSC_PORTAL_FOLDER")
    return found


def place_of(folder: PortalFolder, sha256: str) -> Path:
    """Where a file with this hash lies, whether or not it is there."""
    return folder.submission_file(sha256)


def stored_path(submission: Submission) -> Path:
    """The zip of a submission, fetched from the bucket if it is not here.

    Raises:
        TransferError: the bucket does not give it.
    """
    path = place_of(folder(), submission.sha256)
    if bucket.is_used() and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        bucket.fetch(path)
    return path


def require_room(size_bytes: int) -> None:
    """Raise `NoRoom` if a file of this size would fill the disk."""
    free = shutil.disk_usage(folder().uploads).free
    if free - RESERVE_BYTES < size_bytes:
        raise NoRoom(errno.ENOSPC, f"{max(0, free - RESERVE_BYTES)} bytes are free, {size_bytes} are wanted")


def keep(path: Path, sha256: str) -> Path:
    """Move the file at `path`, whose hash this is, to where it stays; in the bucket, too, if there is one.

    Raises:
        NoRoom: the bucket does not take it. The file is here, and handing in again goes on from there.
    """
    final = _move(path, sha256)
    if bucket.is_used():
        try:
            bucket.put(final)
        except TransferError as error:
            log.error("%s", error)
            raise NoRoom(errno.EIO, "the bucket does not take it") from error
    return final


def _move(path: Path, sha256: str) -> Path:
    """Move it within the portal's folder; fsynced when this returns.

    The same bytes may be there already; then only the date of the file is made new, so that nobody takes it
    for a leftover.
    """
    final = place_of(folder(), sha256)
    if path == final:
        return final
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if final.exists():
        os.utime(final)
        path.unlink()
        return final
    os.utime(path)
    try:
        path.replace(final)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(path, final)
    sync_folder(final.parent)
    sync_folder(final.parent.parent)
    return final


def sync_folder(path: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(path: Path, final: Path) -> None:
    """To another disk."""
    from organelle.files import whole

    with whole(final, overwrite=True) as part:
        shutil.copyfile(path, part)
    path.unlink()
