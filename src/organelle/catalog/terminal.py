"""Tables for a terminal: as wide as it is, and nothing cut off.

A table of a few hundred rows is laid out within milliseconds, which is why there is no larger library here.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from organelle.errors import printable

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """How a column behaves.

    Attributes:
        head: Its title.
        right: Whether it holds numbers, which end at the same place.
        least: Letters that its cells may be wrapped to, between words; None: they never are.
        rank: Where there is too little width, columns of the highest rank are left out first, 0 never.
    """

    head: str
    right: bool = False
    least: int | None = None
    rank: int = 0


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of text under titles; `caption` is a sentence below."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def lines(self, width: int | None = None) -> Iterator[str]:
        """The table for a terminal of `width` letters; None: as wide as it gets, one line for each row.

        Columns that were left out are named below it. A table whose titles are all blank has no header.
        """
        cells = [[printable(cell) for cell in row] for row in self.rows]
        natural = [
            max(map(len, column)) for column in zip([c.head for c in self.columns], *cells, strict=True)
        ]
        kept = self._kept(natural, width)
        widths = _widths([self.columns[i] for i in kept], [natural[i] for i in kept], width)
        if any(column.head for column in self.columns):
            yield _line([self.columns[i].head for i in kept], self._aligned(kept), widths)
            yield "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
        for row in cells:
            yield from _wrapped([row[i] for i in kept], self._aligned(kept), widths)
        yield from textwrap.wrap(self.caption, width or 10_000)
        if len(kept) < len(natural):
            gone = ", ".join(c.head for i, c in enumerate(self.columns) if i not in kept)
            yield from textwrap.wrap(f"too narrow for: {gone}; --csv has all columns", width or 10_000)

    def _aligned(self, kept: Sequence[int]) -> list[bool]:
        return [self.columns[i].right for i in kept]

    def _kept(self, natural: Sequence[int], width: int | None) -> list[int]:
        """Positions of the columns for which there is room."""
        kept = list(range(len(self.columns)))
        while width is not None and len(kept) > 1:
            needed = sum(_narrowest(self.columns[i], natural[i]) for i in kept) + len(GAP) * (len(kept) - 1)
            last = max(kept, key=lambda i: self.columns[i].rank)
            if needed <= width or self.columns[last].rank == 0:
                break
            kept.remove(last)
        return kept


def terminal_width() -> int | None:
    """Letters in a line of the terminal, or what COLUMNS says; None where a file or program reads on."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return None


def _narrowest(column: Column, natural: int) -> int:
    return natural if column.least is None else min(natural, max(column.least, len(column.head)))


def _widths(columns: Sequence[Column], natural: Sequence[int], width: int | None) -> list[int]:
    """Each column as wide as its content; those that wrap share what is left, the least needy first."""
    if width is None:
        return list(natural)
    widths = [_narrowest(c, n) for c, n in zip(columns, natural, strict=True)]
    spare = max(0, width - sum(widths) - len(GAP) * (len(widths) - 1))
    needy = sorted((n - w, i) for i, (n, w) in enumerate(zip(natural, widths, strict=True)) if n > w)
    for rank, (need, i) in enumerate(needy):
        given = min(need, spare // (len(needy) - rank))
        widths[i] += given
        spare -= given
    return widths


def _wrapped(cells: Sequence[str], right: Sequence[bool], widths: Sequence[int]) -> Iterator[str]:
    parts = [
        textwrap.wrap(cell, width, break_on_hyphens=False) if len(cell) > width else [cell]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for i in range(max(map(len, parts))):
        yield _line([part[i] if i < len(part) else "" for part in parts], right, widths)


def _line(cells: Sequence[str], right: Sequence[bool], widths: Sequence[int]) -> str:
    placed = (
        cell.rjust(width) if flush else cell.ljust(width)
        for cell, flush, width in zip(cells, right, widths, strict=True)
    )
    return GAP.join(placed).rstrip()
