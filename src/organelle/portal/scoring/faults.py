"""What goes wrong that is ours: it is tried again, and never costs a team anything."""

from __future__ import annotations

import errno
import shutil
import tempfile

from django.conf import settings

from organelle.errors import OrganelleError

KILLED = "killed from outside"
"""In the words of `organelle.children` about a process that somebody else killed, again and again."""

LEAST_FREE = 64 << 20
"""Bytes that must be free for work to begin: rows, the database's log and scratch files."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class OurFault(OrganelleError):
    """The machine, not the submission: children that are killed, a stored file that is damaged or gone."""


class Full(OrganelleError):
    """No room on a disk; nothing is begun until there is."""


def require_room() -> None:
    """Raise `Full` if a disk that workers write to is full."""
    for place in (settings.FOLDER.root if settings.FOLDER else None, tempfile.gettempdir()):
        if place is not None and (free := shutil.disk_usage(place).free) < LEAST_FREE:
            raise Full(f"the disk of {place} is full ({free >> 20} MiB are free); make room")


def is_full_disk(error: BaseException) -> bool:
    """Whether an error of the system or of the database says that there is no room."""
    return getattr(error, "errno", None) in NO_ROOM or "disk is full" in str(error)
