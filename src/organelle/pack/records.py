"""What was packed, row by row."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class PackReport:
    """A finished submission."""

    path: Path
    rows: tuple[PackedRow, ...]

    @property
    def zeros(self) -> tuple[PackedRow, ...]:
        """The rows that nobody predicted."""
        return tuple(row for row in self.rows if row.source is None)

    @property
    def summary(self) -> str:
        """One sentence."""
        size = sum(row.stored_bytes for row in self.rows) / 1e6
        filled = len(self.rows) - len(self.zeros)
        return f"{self.path}: {filled} of {len(self.rows)} rows filled, the others zeros; {size:.1f} MB"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"path": str(self.path), "rows": [row.to_dict() for row in self.rows]}

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(title=self.summary, title_justify="left")
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
