"""Rows of a listing as text for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence

from organelle.catalog.listing import Row


def as_json(rows: Sequence[Row]) -> str:
    """A JSON list with one object per row and line; `[]` when there is none."""
    lines = ",\n ".join(json.dumps(row, allow_nan=False, ensure_ascii=False) for row in rows)
    return f"[{lines}]\n"


def as_csv(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """A CSV table with a header; lists within a cell are separated by blanks, None is a blank cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row[column]) for column in columns] for row in rows])
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
