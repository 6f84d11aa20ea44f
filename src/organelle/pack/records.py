"""What was packed, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class PackedRow:
    """One crop and class as it stands in the file.

    `source` is the processed volume, or None where zeros were written. `ids` counts distinct ids, None for
    semantic classes: relabelling may make more objects of them, which `submission.see_row` tells. `voxels`
    are those above 0, `stored_bytes` the compressed size.
    """

    crop: int
    class_name: str
    source: Path | None
    dtype: str
    ids: int | None
    voxels: int
    stored_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"source": None if self.source is None else str(self.source)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> PackedRow:
        """The row that `to_dict` wrote down; `KeyError` or `TypeError` when it did not."""
        source = record["source"]
        return cls(**{**record, "source": None if source is None else Path(source)})


@dataclass(frozen=True, slots=True)
class PackReport:
    """A finished submission.

    Attributes:
        path: the zip.
        rows: what it holds.
        lineage: the file beside it that says where every row comes from.
        runs: for each work folder the names of the rows taken from it, in the table's order.
        taken_up: how many rows an earlier call had finished, which did not end.
        unknown: how many filled rows do not say all of where they come from.
    """

    path: Path
    rows: tuple[PackedRow, ...]
    lineage: Path
    runs: Mapping[Path, tuple[str, ...]]
    taken_up: int = 0
    unknown: int = 0

    @property
    def zeros(self) -> tuple[PackedRow, ...]:
        """The rows that nobody predicted."""
        return tuple(row for row in self.rows if row.source is None)

    @property
    def summary(self) -> str:
        """One sentence."""
        size = as_bytes(sum(row.stored_bytes for row in self.rows))
        filled = len(self.rows) - len(self.zeros)
        others = ", the others zeros" if self.zeros else ""
        return f"{self.path}: {filled} of {len(self.rows)} rows filled{others}; {size}"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know beside the table."""
        found = []
        if self.taken_up:
            found.append(f"{self.taken_up} rows were finished before and taken up as they were")
        if self.unknown:
            found.append(
                f"{self.unknown} rows do not say all of where they come from: see unknown in {self.lineage}"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "path": str(self.path),
            "lineage": str(self.lineage),
            "runs": {str(work): list(names) for work, names in self.runs.items()},
            "rows": [row.to_dict() for row in self.rows],
        }

    def __rich__(self) -> Group:
        from rich.console import Group

        return Group(self.overview, self._rows_table())

    @property
    def overview(self) -> Group:
        """The summary, and how many rows, of which classes, come from which work folder."""
        from rich.console import Group
        from rich.text import Text

        return Group(Text(self.summary), self._runs_table(), *map(Text, self.remarks))

    def _runs_table(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD)
        table.add_column("rows", justify="right")
        table.add_column("from", overflow="fold")
        table.add_column("classes", overflow="fold")
        for work, names in self.runs.items():
            classes = dict.fromkeys(name.partition("/")[2] for name in names)
            table.add_row(str(len(names)), str(work), ", ".join(classes))
        if self.zeros:
            classes = dict.fromkeys(row.class_name for row in self.zeros)
            table.add_row(str(len(self.zeros)), "zeros", ", ".join(classes))
        return table

    def _rows_table(self) -> Table:
        from rich.table import Table

        table = Table()
        for heading in ("crop", "class", "source"):
            table.add_column(heading)
        for heading in ("ids", "voxels", "dtype"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            ids = "" if row.ids is None else f"{row.ids:,}"
            source = "zeros" if row.source is None else str(Path(*row.source.parts[-3:]))
            table.add_row(str(row.crop), row.class_name, source, ids, f"{row.voxels:,}", row.dtype)
        table.caption = f"What the scorer will see of it: csc validate {self.path} --scored"
        return table


def as_bytes(count: int) -> str:
    """A number of bytes as people say it: `12 kB`, `3.4 MB`."""
    if count < 1e5:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.2f} GB"
