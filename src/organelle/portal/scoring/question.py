"""What is asked now: the metric, the truth, and how it is scored; looked at often, hashed seldom.

A big truth takes minutes to hash. Its files are therefore only counted, and their sizes and times compared;
the hash is taken when something of that changed, and kept beside what it was taken of.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from organelle.errors import OrganelleError
from organelle.portal.scoring.clock import database_time
from organelle.portal.scoring.models import Question, crops_as_text
from organelle.portal.scoring.private import figures_to_change, keep_figures, require_private

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.evaluate import PlannedRow, Truth

LOOK_SECONDS = 5.0
"""How often the files of the truth are counted; so long they must have stayed as they are to be hashed."""

KEPT_HASHES = "truth.json"


class NoQuestion(Exception):
    """Nothing can be asked now; its words say why, for organisers. Submissions wait, and lose nothing."""


@dataclass(frozen=True)
class Exam:
    """All that a submission is scored with.

    Attributes:
        question: as the database knows it.
        plan: every row of the truth.
        truth: the store.
        catalog: the table of test crops.
        stamp: what the file system said of truth and tables when they were hashed.
    """

    question: Question
    plan: tuple[PlannedRow, ...]
    truth: Truth
    catalog: Catalog
    stamp: str

    @property
    def key(self) -> dict[str, str]:
        """The fields by which jobs and results name the question."""
        return self.question.key

    def still_stands(self) -> bool:
        """Whether truth and tables are what they were, as far as the file system says."""
        return stamp_of(self.truth.path, settings.PORTAL.catalog) == self.stamp


class Questions:
    """Answers what is asked now, for one worker."""

    def __init__(self) -> None:
        self._read: Exam | None = None
        self._seen = ""
        self._looked = float("-inf")
        self._trouble = ""

    def current(self, *, look: bool = False) -> Exam:
        """What is asked now; the files are looked at every `LOOK_SECONDS`, or at once with `look`.

        Raises:
            NoQuestion: no truth, a truth that is gone, cannot be used or is being written.
        """
        if look or time.monotonic() - self._looked >= LOOK_SECONDS or not self._is_asked():
            self._trouble = ""
            try:
                self._look()
            except NoQuestion as error:
                self._trouble = str(error)
            except (OrganelleError, OSError) as error:
                self._trouble = f"the truth cannot be used: {error}"
            self._looked = time.monotonic()
        if self._trouble or self._read is None:
            raise NoQuestion(self._trouble)
        return self._read

    def doubt(self) -> None:
        """Look at the files when somebody asks next."""
        self._looked = float("-inf")

    def _look(self) -> None:
        """Read anew what has changed."""
        truth, catalog = settings.PORTAL.truth, settings.PORTAL.catalog
        before, self._seen = self._seen, "gone"
        self._seen = stamp = stamp_of(truth, catalog)
        if self._read is None or self._read.stamp != stamp:
            if before and before != stamp:
                raise NoQuestion("the truth is being changed; waiting until it stays as it is")
            private = settings.PORTAL.private_crops
            self._read = announce(truth, catalog, settings.PORTAL.metric, stamp, private)
        elif not self._is_asked():
            raise NoQuestion(
                f"another worker asks {Question.current()}, and this one {self._read.question}: they have "
                "other truth, tables, private crops or versions of libraries; make them equal, then start "
                "this one again"
            )

    def _is_asked(self) -> bool:
        """Whether the question that was read here is the one that the database knows."""
        newest = Question.current()
        return self._read is None or newest is None or _asks(newest, self._read.question)


def announce(truth: str, catalog: str, metric: str, stamp: str, private_crops: Collection[int] = ()) -> Exam:
    """Read and hash truth and tables, and tell the database that this is asked from now on.

    Results that are there are parted anew where other crops are private by now; nothing is scored for that.

    Raises:
        NoQuestion: the truth changed meanwhile.
        ScoringError: crops that cannot be private.
        OrganelleError: truth or tables that cannot be used.
    """
    from organelle.catalog import load_catalog
    from organelle.evaluate import open_truth, plan_evaluation
    from organelle.evaluate.kept import plan_hash
    from organelle.evaluate.scoring import library_versions, require_scorable

    store, tables = open_truth(truth), load_catalog(catalog or None)
    plan = plan_evaluation(store, tables)
    require_scorable(plan, store, tables)
    require_private(private_crops, plan, tables)
    digest = _hash_of(store.path, stamp)
    if stamp_of(store.path, catalog) != stamp:
        raise NoQuestion("the truth was changed while it was read; it is read again")
    versions = library_versions()
    scored = hashlib.sha256(f"{plan_hash(plan, tables)} {json.dumps(versions, sort_keys=True)}".encode())
    key = {"metric": metric, "truth": digest, "configuration": scored.hexdigest()}
    asked = Question(**key, versions=versions, rows=len(plan), private_crops=crops_as_text(private_crops))
    return Exam(_announced(asked), plan, store, tables, stamp)


def _announced(asked: Question) -> Question:
    """The question as the database knows it; boards see it together with the figures that fit it."""
    new_figures = figures_to_change(asked.private_crops)
    with transaction.atomic():
        keep_figures(new_figures)
        newest = Question.current()
        if newest is not None and _asks(newest, asked):
            return newest
        known = {name: getattr(asked, name) for name in ("versions", "rows", "private_crops")}
        known |= {"turn": newest.turn + 1 if newest else 1, "since": database_time()}
        question, _ = Question.objects.update_or_create(**asked.key, defaults=known)
        return question


def _asks(one: Question, other: Question) -> bool:
    """Whether both ask the same, of the same private crops."""
    return (one.key, one.private_crops) == (other.key, other.private_crops)


def stamp_of(truth: Path | str, catalog: str) -> str:
    """A hash of names, sizes and times of all files of the truth and of the tables; nothing is read.

    Raises:
        NoQuestion: no truth is named, or nothing is there.
    """
    if not str(truth):
        raise NoQuestion('there is no truth: set "truth" in portal.toml to its folder')
    if not Path(truth).is_dir():
        raise NoQuestion(f"the truth is gone: no folder {truth}; submissions wait until it is back")
    digest = hashlib.sha256()
    for path in (*_files(truth), *sorted(map(str, Path(catalog).glob("*.csv") if catalog else ()))):
        found = os.stat(path)  # noqa: PTH116  (many of them)
        facts = path, found.st_size, found.st_mtime_ns, found.st_ino
        digest.update(repr(facts).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(root: Path | str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(files))  # noqa: PTH118  (many of them)


def _hash_of(truth: Path, stamp: str) -> str:
    """The hash of the truth's bytes, as `evaluate` notes it; taken from the last worker if it left one."""
    from organelle.errors import FileMissing, FormatError
    from organelle.files import read_json, sha256, write_json

    kept = settings.FOLDER.work / KEPT_HASHES if settings.FOLDER else None
    if kept is not None:
        try:
            record = read_json(kept)
            if record["stamp"] == stamp:
                return str(record["sha256"])
        except (FileMissing, FormatError, LookupError, TypeError):
            pass  # then it is taken anew
    digest = sha256(truth)
    if kept is not None:
        write_json(kept, {"stamp": stamp, "sha256": digest}, overwrite=True)
    return digest
