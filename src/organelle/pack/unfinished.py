"""The folder of a submission that is being packed: what is finished stays, whatever ends the work.

::

    .submission.zip.packing/lock               held by whoever packs
    .submission.zip.packing/body               the members of the finished rows, in the order of the table
    .submission.zip.packing/rows.jsonl         a line for each of them: its key, where it ends, its checksum
    .submission.zip.packing/crop7.mito.zip     a finished row whose turn has not come
    .submission.zip.packing/crop7.mito.json    what it holds; the row counts once this is there

Every row is on the disk once, in the body or beside it, so that no more room is needed than for the zip and
one row.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self

from organelle.errors import FileMissing, FormatError, OutputExists
from organelle.files import read_json, whole
from organelle.pack.records import PackedRow
from organelle.pack.row import RowTask, crc_of
from organelle.pack.zip_body import append_body, copy, cut_body, write_directory


class Unfinished:
    """The unfinished submission `out`; use it in a `with` statement.

    Raises:
        OutputExists: another process is packing the same file.
    """

    def __init__(self, out: Path, tasks: Sequence[RowTask]) -> None:
        self.out, self.tasks = out, tasks
        self.folder = out.parent / f".{out.name}.packing"
        self.rows: list[PackedRow] = []
        self._waiting: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        self._body: BinaryIO = _opened(self.folder / "body")
        self._journal = self.folder / "rows.jsonl"
        for part in self.folder.glob(
            "*.part"
        ):  # of writers that were killed: folders that `whole` left, and files
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
        self._take_up()
        for task in self.tasks[len(self.rows) :]:
            self._find(task)
        self.found = len(self.rows) + len(self._waiting)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what is finished; the folder goes when there is nothing, or the zip has moved out."""
        self._body.close()
        if kind is None or not (self.rows or self._waiting):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    @property
    def left(self) -> list[RowTask]:
        """The rows that are neither in the body nor beside it."""
        return [task for task in self.tasks[len(self.rows) :] if task.name not in self._waiting]

    def add(self, finished: RowTask | None = None) -> None:
        """Take notice of a finished row, and move all whose turn has come into the body."""
        if finished is not None:
            self._find(finished)
        for task in self.tasks[len(self.rows) :]:
            if task.name not in self._waiting:
                break
            self._move(task, self._waiting.pop(task.name))

    def close_zip(self) -> Path:
        """Write the directory behind the body, which makes it the zip."""
        write_directory(self._body)
        self._body.flush()
        return self.folder / "body"

    def _locked(self) -> IO[str]:
        lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise OutputExists(f"another process is packing {self.out}; wait for it, or stop it") from error
        return lock

    def _move(self, task: RowTask, record: dict[str, Any]) -> None:
        crc = append_body(self._path(task, "zip"), self._body)
        self._body.flush()  # not to the disk: what a power cut takes is found missing by its checksum
        line = {"row": task.name, "stop": self._body.tell(), "crc": crc, **_known(record)}
        with self._journal.open("a") as journal:
            journal.write(json.dumps(line) + "\n")
        self.rows.append(PackedRow.from_dict(record["packed"]))
        self._forget(task)

    def _take_up(self) -> None:
        """Find what an earlier process finished; rows that lie behind an outdated one are cut out first."""
        lines = self._sound_lines()
        good = 0
        for line, task in zip(lines, self.tasks, strict=False):
            if (line["row"], line["key"]) != (task.name, task.key):
                break
            good += 1
        tasks = {(task.name, task.key): task for task in self.tasks[good:]}
        stops = [0, *(line["stop"] for line in lines)]
        for at in range(len(lines) - 1, good - 1, -1):
            if wanted := tasks.get((lines[at]["row"], lines[at]["key"])):
                self._cut_out(wanted, lines[at], stops[at], stops[at + 1])
            self._body.truncate(stops[at])
        self._body.truncate(stops[good])
        with whole(self._journal, overwrite=True) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in lines[:good]))
        self.rows = [PackedRow.from_dict(line["packed"]) for line in lines[:good]]
        for task in self.tasks[:good]:
            self._forget(task)

    def _sound_lines(self) -> list[dict[str, Any]]:
        """The journal as far as it is whole and the body holds what it says."""
        lines, start = [], 0
        text = self._journal.read_text() if self._journal.is_file() else ""
        for row in text.splitlines():
            try:
                line = json.loads(row)
                length, crc = line["stop"] - start, line["crc"]
                PackedRow.from_dict(line["packed"])
            except (ValueError, KeyError, TypeError):
                break
            self._body.seek(start)
            if copy(self._body, None, length) != crc or self._body.tell() != line["stop"]:
                break
            lines.append(line)
            start = line["stop"]
        return lines

    def _cut_out(self, task: RowTask, line: dict[str, Any], start: int, stop: int) -> None:
        path = self._path(task, "zip")
        cut_body(self._body, start, stop, path)
        with whole(path.with_suffix(".json"), overwrite=True) as part:
            part.write_text(json.dumps({**_known(line), "crc": crc_of(path)}))

    def _find(self, task: RowTask) -> None:
        """Take notice of a row that waits, if it is there, whole, and the one that is wanted."""
        try:
            record: dict[str, Any] = read_json(self._path(task, "json"))
            if record["key"] == task.key and record["crc"] == crc_of(self._path(task, "zip")):
                self._waiting[task.name] = record
        except (FileMissing, FileNotFoundError, FormatError, KeyError, TypeError):
            self._forget(task)

    def _forget(self, task: RowTask) -> None:
        for ending in ("json", "zip"):
            with suppress(FileNotFoundError):
                self._path(task, ending).unlink()

    def _path(self, task: RowTask, ending: str) -> Path:
        return self.folder / f"{task.file_name}.{ending}"


def _opened(path: Path) -> BinaryIO:
    """For reading and writing anywhere; made if it is not there."""
    path.touch()
    return path.open("r+b")


def _known(record: dict[str, Any]) -> dict[str, Any]:
    return {"key": record["key"], "packed": record["packed"]}
