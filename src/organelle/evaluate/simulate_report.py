"""What goes wrong in a simulated submission, and what came of it, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.classes import Kind
from organelle.errors import SettingsError
from organelle.evaluate.foretold import ExpectedOutlines
from organelle.metrics import Counts, InstanceCounts, Scores, SemanticCounts, pool

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

ALTERING = ("merged", "split", "shifted", "eroded", "missing")
"""Errors of which an object has at most one; those that suit the fewest objects come first."""

OF_MASKS = ("shifted", "eroded", "missing")
"""Those of them that pieces of a semantic mask can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedErrors:
    """What goes wrong in a simulated submission; shares are of the objects of a row.

    Objects of a semantic class are the 26-connected pieces of its mask; they can be missing, shifted and
    eroded. Each object gets at most one error. The defaults are a prediction of fair quality.

    Attributes:
        missing: The object is not there.
        split: A plane through its middle, one voxel thick, is cut out, and the far side has another id.
        merged: A bridge, one voxel thick, joins it with its nearest neighbour under one id; both count.
        shifted: It lies `shift_voxels` away along one axis; what leaves the crop is lost.
        shift_voxels: How far.
        eroded: It lacks its outermost voxels.
        invented: Small balls in the background that touch nothing, as share of the number of objects.
        noise: Each voxel is flipped with this chance; semantic classes only.

    Raises:
        SettingsError: a share outside of 0 to 1, shares of altered objects that add up to more than 1, or
            a shift of less than one voxel.
    """

    missing: float = 0.1
    split: float = 0.1
    merged: float = 0.1
    shifted: float = 0.2
    shift_voxels: int = 2
    eroded: float = 0.1
    invented: float = 0.05
    noise: float = 0.001

    def __post_init__(self) -> None:
        shares = self.shares
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise SettingsError(f"{name} is {share}, but a share lies between 0 and 1")
        total = sum(shares[name] for name in ALTERING)
        if total > 1 + 1e-9:
            terms = " + ".join(f"{name} {shares[name]:g}" for name in ALTERING if shares[name])
            raise SettingsError(f"{terms} is {total:g}, but an object gets one of these errors at most")
        if self.shift_voxels < 1:
            raise SettingsError(f"shift_voxels is {self.shift_voxels}, but a shift has 1 voxel or more")

    @classmethod
    def only(cls, **chosen: Any) -> SimulatedErrors:
        """These errors and no others; without any, the submission is perfect."""
        none = {f.name: 0.0 for f in fields(cls) if f.name != "shift_voxels"}
        return cls(**{**none, **chosen})

    @property
    def shares(self) -> dict[str, float]:
        """Every share by the error's name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "shift_voxels"}


@dataclass(frozen=True, slots=True)
class ExpectedCounts:
    """What metric 2026-06 will count: objects of an instance class, voxels of a semantic one."""

    tp: int
    fp: int
    fn: int
    status: str = "scored"


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How many objects of a row should get an error, and how many did; of noise, the voxels that did."""

    asked: int
    made: int


@dataclass(frozen=True, slots=True)
class SimulatedRow:
    """One class of one crop; `expected` is None where there is no truth and zeros were written."""

    crop_id: int
    class_name: str
    kind: Kind
    objects: int = 0
    errors: Mapping[str, ErrorCount] | None = None
    expected: ExpectedCounts | None = None
    outlines: ExpectedOutlines | None = None

    @property
    def counts(self) -> Counts | None:
        """The expected counts as the metric makes them; None without truth."""
        if self.expected is None:
            return None
        tp, fp, fn, status = astuple(self.expected)
        if self.outlines is None:
            return SemanticCounts(tp, fp, fn)
        if status != "scored":
            return InstanceCounts(0, 0, 0, 0.0, 0, status)
        seen = self.outlines
        return InstanceCounts(tp, fp, fn, seen.hausdorff_norm_sum, seen.n_hausdorff, status)

    @property
    def place(self) -> str:
        """Where the row stands in the submission."""
        return f"crop{self.crop_id}/{self.class_name}"


@dataclass(frozen=True, slots=True)
class SimulateReport:
    """A finished submission; `left_out` are the rows of the truth that the test table lacks."""

    path: Path
    seed: int
    errors: SimulatedErrors
    rows: tuple[SimulatedRow, ...]
    left_out: tuple[str, ...] = ()

    @property
    def scores(self) -> Scores:
        """What metric 2026-06 will say of the whole submission."""
        return pool([(row.class_name, row.counts) for row in self.rows if row.counts is not None])

    @property
    def summary(self) -> str:
        """One sentence."""
        drawn = sum(row.expected is not None for row in self.rows)
        return (
            f"{self.path}: {drawn} rows made from truth, {len(self.rows) - drawn} without truth are zeros; "
            f"the overall score will be {self.scores.overall:.4f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {
            "path": str(self.path),
            "rows": [asdict(row) | {"kind": row.kind.value} for row in self.rows],
            "overall_score": self.scores.overall,
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.table import Table
        from rich.text import Text

        table = Table("crop", "class", "errors made (of those asked for)", title="expected of metric 2026-06")
        for heading in ("objects", "tp", "fp", "fn"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(str(row.crop_id), row.class_name, *_cells(row))
        yield table
        for place in self.left_out:
            yield Text(f"left out: {place} has truth, but the table of test crops lacks it")
        yield Text(self.summary)


def _cells(row: SimulatedRow) -> tuple[str, ...]:
    """What a row's line says after crop and class."""
    if row.expected is None:
        return "no truth: zeros", "", "", "", ""
    made = [f"{kind} {_of(count)}" for kind, count in (row.errors or {}).items() if count.asked]
    if row.expected.status != "scored":
        made.append(row.expected.status)
    counts = (row.expected.tp, row.expected.fp, row.expected.fn)
    return ", ".join(made), f"{row.objects:,}", *(f"{count:,}" for count in counts)


def _of(count: ErrorCount) -> str:
    return f"{count.made:,}" if count.made == count.asked else f"{count.made:,} ({count.asked:,})"
