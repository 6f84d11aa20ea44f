"""Files below one folder, on disk or inside a zip: listed and read by name, never extracted."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from organelle.errors import FileMissing, FormatError, SubmissionError, did_you_mean
from organelle.submission.foreign import name_foreign
from organelle.submission.limits import Limits
from organelle.submission.problems import Problem, ProblemError


class Tree(Protocol):
    """What the reader needs of a place where files lie. Names use `/`; a folder's name ends with it."""

    @property
    def path(self) -> Path:
        """The zip or folder."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What makes the tree as a whole untrustworthy; a scorer refuses it, a validator goes on."""

    def children(self, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the folders and of the files directly below `folder` (`""` is the top), each sorted."""

    def read(self, name: str, most: int) -> bytes | bytearray | None:
        """All bytes of a file, None when it is not there.

        Raises:
            FormatError: damaged, or longer than `most` bytes; says only what, the caller says where.
        """

    def close(self) -> None:
        """Let go of the file."""


class FolderTree:
    """A folder on disk. Links are followed: it belongs to whoever names it on the command line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: tuple[Problem, ...] = ()

    def children(self, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See `Tree`; an absent folder has no children."""
        try:
            with os.scandir(self.path / folder) as found:
                entries = sorted((e.name, _is_folder(e)) for e in found)
        except (FileNotFoundError, NotADirectoryError):
            return (), ()
        return tuple(n for n, is_dir in entries if is_dir), tuple(n for n, is_dir in entries if not is_dir)

    def read(self, name: str, most: int) -> bytes | None:
        """See `Tree`; a pipe or device, which could block for ever or never end, is not opened."""
        place = self.path / name
        try:
            kind = place.stat().st_mode
            if stat.S_ISDIR(kind):
                return None
            if not stat.S_ISREG(kind):
                raise FormatError("a pipe, device or socket where a file belongs")
            with place.open("rb") as stream:
                data = stream.read(most + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise FormatError(f"a file that cannot be read ({error.strerror})") from error
        if len(data) > most:
            raise FormatError(f"more than the {most} bytes that it may have")
        return data

    def close(self) -> None:
        """Nothing is held open."""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def open_tree(path: Path | str, limits: Limits) -> Tree:
    """The tree in the zip or folder at `path`; the caller closes it.

    Raises:
        FileMissing: nothing is there.
        ProblemError: a file that is not a zip, or only the beginning of one; says what it is.
        SubmissionError: a zip that is damaged or exceeds `limits`.
    """
    from organelle.submission.archive import ZipTree

    place = Path(path)
    if place.is_dir():
        return FolderTree(place)
    if not place.is_file():
        siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        raise FileMissing(f"no zip or folder at {place}{did_you_mean(place.name, siblings)}")
    try:
        return ZipTree(place, limits)
    except SubmissionError as error:
        if (foreign := name_foreign(place)) is None:
            raise
        raise ProblemError(foreign) from error
