"""Whether what is being scored still is what was hashed: sizes, times and numbers of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from organelle.errors import ScoringError, SubmissionError
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.truth import MASK, Truth
from organelle.submission import Submission


class Stamps:
    """Of every row's files in submission and truth, taken before anything is read."""

    def __init__(self, plan: Iterable[PlannedRow], truth: Truth, submission: Submission) -> None:
        self._truth, self._submission = truth, submission
        self._before = {row.place: self._now(row) for row in plan}

    def require_unchanged(self, planned: PlannedRow) -> None:
        """Raise an error if a file of the row was changed, exchanged, taken away or added meanwhile.

        Raises:
            SubmissionError: in the submission.
            ScoringError: in the truth.
        """
        submission, truth = self._now(planned)
        before = self._before[planned.place]
        if submission != before[0]:
            raise SubmissionError(f"{self._submission.path} was changed while it was scored; score it again")
        if truth != before[1]:
            raise ScoringError(f"{self._truth.path} was changed while it was scored with; score again")

    def _now(self, planned: PlannedRow) -> tuple[str, str]:
        handed_in = self._submission.path
        if not handed_in.is_file():
            handed_in = handed_in / self._submission.folder(planned.crop_id) / planned.class_name
        labels = self._truth.path / f"crop{planned.crop_id}" / planned.class_name
        return _stamp(handed_in), _stamp(labels, labels.with_name(f"{planned.class_name}{MASK}"))


def _stamp(*places: Path) -> str:
    """A hash of what the file system says of these files, and of all files in these folders."""
    digest = hashlib.sha256()
    for place in places:
        for path in (str(place), *_below(place)):
            digest.update(os.fsencode(path) + _facts(path))
    return digest.hexdigest()


def _below(place: Path) -> Iterable[str]:
    for folder, folders, files in os.walk(place):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(files))  # noqa: PTH118  (many of them)


def _facts(path: str) -> bytes:
    try:
        seen = os.stat(path)  # noqa: PTH116  (many of them)
    except OSError as error:
        return repr(error.errno).encode()
    return repr((seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)).encode()
