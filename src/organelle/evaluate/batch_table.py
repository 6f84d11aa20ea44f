"""The table of a batch: which submissions there are, and under which ids; all its problems at once."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from organelle.errors import FileMissing, FormatError, did_you_mean, printable

COLUMNS = ("data_path", "evaluation_id")

LONGEST_ID = 200
"""Bytes: file systems take names of 255, and some are needed for `eval_`, `_extended.results` and a suffix
while the file is written."""

NOT_IN_NAMES = '/\\<>:"|?*'
"""Letters that some file system does not take in a name."""

Cells = Mapping[str | None, str | list[str] | None]


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One submission of a batch.

    Attributes:
        evaluation_id: unique in the table, and fit for a file name.
        data_path: the zip or folder, absolute.
        result_path: of the public result; the extended one stands beside it.
    """

    evaluation_id: str
    data_path: Path
    result_path: Path


def read_batch(csv_path: Path | str, *, output: Path | str | None = None) -> tuple[BatchLine, ...]:
    """Read a table with the columns `data_path` and `evaluation_id`; others are ignored.

    Args:
        csv_path: UTF-8, separated by commas, with a line of headings. Relative paths start at its folder.
        output: Folder of the results; default: each beside its submission.

    Returns:
        The lines in their order, at least one. One submission may stand in several lines.

    Raises:
        FileMissing: no table there.
        FormatError: it cannot be used; all its problems are named, each with its line: missing columns or
            cells, ids that are used twice or are no file names, submissions that are not there.
    """
    table = Path(csv_path).absolute()
    numbered = _read_cells(table)
    problems = [f"line {number}: {told}" for number, cells in numbered for told in _problems(cells, table)]
    problems += _twins(numbered)
    if problems:
        raise FormatError("\n  ".join([f"{csv_path} cannot be used; nothing was scored:", *problems]))
    return tuple(_line(cells, table, output) for _, cells in numbered)


def _read_cells(table: Path) -> list[tuple[int, Cells]]:
    """The numbers and cells of the lines that are not empty."""
    if not table.is_file():
        siblings = [p.name for p in table.parent.glob("*.csv")]
        raise FileMissing(f"no table at {table}{did_you_mean(table.name, siblings)}")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            found = [(reader.line_num, cells) for cells in reader]
            columns = [name.strip() for name in reader.fieldnames or ()]
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(f"{table} is no table of text separated by commas: {error}") from None
    _require_columns(table, columns)
    if not found:
        raise FormatError(f"{table} has no line below its headings")
    return [
        (number, {name and name.strip(): cell for name, cell in cells.items()}) for number, cells in found
    ]


def _require_columns(table: Path, columns: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if columns.count(name) != 1]
    if missing:
        there = printable(", ".join(columns), most=200)
        raise FormatError(
            f"{table} needs the columns {' and '.join(COLUMNS)}, separated by a comma, once each; "
            f"not so: {', '.join(missing)}; its headings are: {there or '(none)'}"
        )


def _cell(cells: Cells, column: str) -> str:
    return str(cells[column] or "").strip()


def _problems(cells: Cells, table: Path) -> Iterator[str]:
    """What is wrong with one line, apart from the others."""
    if None in cells:
        yield "more cells than headings; a path with a comma must stand in quotes"
    path, name = _cell(cells, "data_path"), _cell(cells, "evaluation_id")
    if not path:
        yield "data_path is empty"
    elif not _exists(table.parent / path):
        yield f"nothing at {printable(str(table.parent / path))}"
    if told := _problem_of_id(name):
        yield told


def _problem_of_id(name: str) -> str:
    if not name:
        return "evaluation_id is empty"
    shown = printable(repr(name), most=80)
    if len(name.encode(errors="replace")) > LONGEST_ID:
        return f"evaluation_id {shown} is longer than {LONGEST_ID} bytes"
    if name in (".", "..") or not name.isprintable() or any(letter in NOT_IN_NAMES for letter in name):
        return f"evaluation_id {shown} is no file name, which it must become: eval_ID.results"
    return ""


def _twins(numbered: Sequence[tuple[int, Cells]]) -> Iterator[str]:
    """Ids whose files would be the same, also where upper and lower case are not told apart."""
    ids = [(number, _cell(cells, "evaluation_id").casefold()) for number, cells in numbered]
    times = Counter(name for _, name in ids if name)
    for name, count in times.items():
        if count > 1:
            lines = ", ".join(str(number) for number, other in ids if other == name)
            yield f"lines {lines}: the same evaluation_id {printable(name, most=80)}"
        if f"{name}_extended" in times:
            yield f"evaluation_id {printable(name, most=80)}_extended is taken by another extended result"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _line(cells: Cells, table: Path, output: Path | str | None) -> BatchLine:
    name, path = _cell(cells, "evaluation_id"), table.parent / _cell(cells, "data_path")
    folder = path.parent if output is None else Path(output).absolute()
    return BatchLine(name, path, folder / f"eval_{name}.results")
