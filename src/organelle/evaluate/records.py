"""What an evaluation found: one `Row` per (crop, class) of the truth, and the `Result` that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from organelle.classes import Kind, all_classes
from organelle.geometry import Nm
from organelle.metrics import Counts, InstanceCounts, PanopticCounts, Scores, pool
from organelle.submission import Problem

SKIPPED = "skipped_too_many_instances"
UNREADABLE = "unreadable"
STOPPED = "stopped"
TRUTH_ERROR = "truth_error"
MISSING = "missing"
STATUSES = ("scored", MISSING, SKIPPED, "matching_failed", UNREADABLE, STOPPED, TRUTH_ERROR)
"""Everything that a row's status can be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One class of one crop, compared with the truth.

    Attributes:
        status: That of the counts, or `unreadable` (what was handed in is damaged: it counts as missing),
            `stopped` (it would have taken more memory or time than a row may: it counts as missing), or
            `truth_error` (the truth cannot be scored: the row counts nowhere, and `counts` is None).
        by_version: The counts of every version of the metric, also of the one in `counts`.
        num_voxels: Of the crop; 0 when the truth could not be read.
        remarks: What the participant should know about this row, as sentences.
    """

    crop_id: int
    class_name: str
    kind: Kind
    counts: Counts | None
    status: str
    num_voxels: int
    voxel_size_nm: Nm | None
    is_missing: bool = False
    remarks: tuple[str, ...] = ()
    by_version: Mapping[str, Counts] = field(default_factory=dict, hash=False)

    @property
    def place(self) -> str:
        """`crop951/mito`."""
        return f"crop{self.crop_id}/{self.class_name}"


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that took part, known by its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a result was made from and with: metric version, inputs, library versions. No clocks."""

    metric: str
    submission: Source
    truth: Source
    versions: Mapping[str, str] = field(default_factory=dict)
    rows: str = ""
    """Hash of what was scored, and how: crops, classes, which of them as objects, grids."""


@dataclass(frozen=True, slots=True)
class Result:
    """All rows of one evaluation; `total_evals` is the number of rows in the table of test crops."""

    rows: tuple[Row, ...]
    total_evals: int
    provenance: Provenance
    problems: tuple[Problem, ...] = ()
    """What the validator found wrong with the submission before a voxel was read."""

    @property
    def scores(self) -> Scores:
        """Scores per class, in the order of the table of classes, and their means."""
        return _pool((row, row.counts) for row in self.rows)

    @property
    def other_scores(self) -> dict[str, Scores]:
        """Scores by the versions of the metric that the result was not asked for, from the same passes."""
        versions = dict.fromkeys(version for row in self.rows for version in row.by_version)
        return {
            version: _pool((row, row.by_version.get(version)) for row in self.rows)
            for version in versions
            if version != self.provenance.metric
        }

    @property
    def strict_scores(self) -> Scores:
        """The same, but in a crop that the metric skips every object counts as missed.

        The metric drops a crop that is flooded with specks, so a class that is skipped everywhere scores 1.
        Whoever compares two predictions wants to see 0 instead.
        """
        return _pool(
            (row, _all_missed(row.counts) if row.status == SKIPPED else row.counts) for row in self.rows
        )

    @property
    def submitted_classes(self) -> frozenset[str]:
        """Classes that were handed in for at least one crop of the truth."""
        return frozenset(row.class_name for row in self.rows if row.counts is not None and not row.is_missing)

    @property
    def num_evals_done(self) -> int:
        """Rows that were scored or counted as missing."""
        return sum(row.counts is not None for row in self.rows)

    @property
    def crop_ids(self) -> tuple[int, ...]:
        """The crops of the truth, in the order of the rows."""
        return tuple(dict.fromkeys(row.crop_id for row in self.rows))


def _all_missed(counts: Counts | None) -> Counts | None:
    """The counts of a skipped row as those of a class that was not handed in."""
    if isinstance(counts, InstanceCounts):
        return replace(counts, fn=counts.n_truth, n_hausdorff=counts.n_truth)
    if isinstance(counts, PanopticCounts):
        return replace(counts, fn=counts.n_truth)
    return counts


def _pool(counted: Iterable[tuple[Row, Counts | None]]) -> Scores:
    """Pool the rows that count, classes in the order of the table and unknown ones after them."""
    order = {c.name: c.id for c in all_classes()}
    counts = [(row.class_name, found) for row, found in counted if found is not None]
    return pool(sorted(counts, key=lambda pair: (order.get(pair[0], len(order) + 1), pair[0])))
