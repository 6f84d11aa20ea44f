"""Where the counts of a row were lost: every point belongs to one fault, which has a place.

::

    faults = object_faults(prediction, truth, (8, 8, 8))
    counts = score_instances(prediction, truth, (8, 8, 8))
    put_right(counts, faults[0].change)          # the row without that one
    put_right(counts, total_change(faults))      # every object found once, with its outline
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np

from organelle.errors import ScoringError, require_module
from organelle.geometry import Box, Nm, Voxels
from organelle.metrics.components import connected_components
from organelle.metrics.fault_partners import Partners, partners
from organelle.metrics.fault_sorting import (
    FN,
    FP,
    SUM,
    TERMS,
    TP,
    SortedFaults,
    gather_small,
    sort_faults,
    sort_pieces,
)
from organelle.metrics.instances import InstanceCounts, PanopticCounts, require_version, truth_ids
from organelle.metrics.overlap import overlap_table
from organelle.metrics.semantic import SemanticCounts

Array = np.ndarray[Any, np.dtype[Any]]

FaultKind = Literal["missed", "invented", "merged", "split", "displaced"]
FAULT_KINDS: tuple[FaultKind, ...] = ("missed", "invented", "merged", "split", "displaced")

AnyCounts = TypeVar("AnyCounts", bound=SemanticCounts | InstanceCounts | PanopticCounts)

MOST_SINGLE = 200
"""So many faults of a kind stand on their own; the smaller ones are gathered in one."""

MOST_MEASURED = 40
"""Of so many displaced objects the place where outlines are farthest apart is looked for, worst first."""

MEASURED_VOXELS = 400_000
"""Larger boxes are measured on every second, third ... voxel."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is added to the counts of a row; `sum` goes to its Hausdorff terms, or in `pq` to its IoU."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    sum: float = 0.0
    n_hausdorff: int = 0

    def __add__(self, other: Change) -> Change:
        return Change(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __neg__(self) -> Change:
        return Change(*(-getattr(self, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a row.

    Attributes:
        kind: `missed` and `invented` stand alone. `merged`: one component for several truth objects;
            `split`: several components for one truth object; `displaced`: a match whose outlines differ.
        truth: ids of the truth objects that take part; empty for semantic classes.
        components: numbers of the components that take part, as `connected_components` of the prediction
            counts them; for semantic classes the number of the piece (see `voxel_faults`).
        box: around all of them.
        voxel: z, y, x, in the midst of what is wrong and itself wrong.
        voxels: how many voxels are wrong.
        change: of the row's counts if this alone were right.
        distance_nm: how far the outlines are apart; `displaced` only.
        gathered: how many faults this is; above 1 for the small ones that have no entry of their own,
            `truth` and `components` are then empty.
        truth_pieces: in how many pieces the truth object of a `split` lies; with more than one, even the
            truth itself would pay for it.
    """

    kind: FaultKind
    truth: tuple[int, ...]
    components: tuple[int, ...]
    box: Box
    voxel: Voxels
    voxels: int
    change: Change
    distance_nm: float | None = None
    gathered: int = 1
    truth_pieces: int = 1

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Fault:
        """The inverse of `dataclasses.asdict`, also after a way through JSON."""
        values = dict(record) | {
            "truth": tuple(record["truth"]),
            "components": tuple(record["components"]),
            "box": Box(tuple(record["box"]["start"]), tuple(record["box"]["shape"])),
            "voxel": tuple(record["voxel"]),
            "change": Change(**record["change"]),
        }
        return cls(**values)


def total_change(faults: Iterable[Fault]) -> Change:
    """Everything put right together."""
    return sum((fault.change for fault in faults), Change())


def put_right(counts: AnyCounts, change: Change) -> AnyCounts:
    """The counts with a change."""
    new: dict[str, Any] = {
        "tp": counts.tp + change.tp,
        "fp": counts.fp + change.fp,
        "fn": counts.fn + change.fn,
    }
    if isinstance(counts, InstanceCounts):
        new["hausdorff_norm_sum"] = counts.hausdorff_norm_sum + change.sum
        new["n_hausdorff"] = counts.n_hausdorff + change.n_hausdorff
    elif isinstance(counts, PanopticCounts):
        new["iou_sum"] = counts.iou_sum + change.sum
    return replace(counts, **new)


def object_faults(
    prediction: Array, truth: Array, voxel_size_nm: Nm, *, version: str = "2026-06"
) -> tuple[Fault, ...]:
    """What is wrong with the objects of a crop, matched as the metric does, but without its flood limit.

    - A truth object without a partner is `merged` if one component covers more than half of it, else
      `missed`. All objects that one component swallowed are one fault.
    - A component without a partner is `split` if more than half of it lies in one truth object, else
      `invented`. All extra pieces of one object are one fault.
    - What a match lacks to a perfect outline belongs to the merge or else the split that its objects take
      part in; otherwise it is `displaced`.

    All faults put right together leave every truth object found once: tp and the terms equal the number of
    objects, fp = fn = 0. (A truth object in two pieces costs even the truth itself an fp, see `split`.)
    A change is what the counts say as they are; that components are numbered anew without the fault,
    which can move a term in version 2026-06, is not followed.

    Args:
        prediction: z, y, x, as `compare_instances` takes it.
        truth: ids of the same shape.
        voxel_size_nm: z, y, x.
        version: of the metric, one of `METRIC_VERSIONS`.

    Returns:
        By kind in the order of `FAULT_KINDS`, then by id. Empty when nothing is wrong. Memory: 12 bytes a
        voxel beside the arrays.

    Raises:
        ScoringError: as `compare_instances`, or nothing can be matched (more than 5,000,000 pairs).
    """
    require_version(version)
    if prediction.shape != truth.shape:
        raise ScoringError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    ids = truth_ids(truth)
    components, n_components = connected_components(prediction)
    overlap = overlap_table(ids, components, n_components)
    pairs = partners(ids, components, overlap, voxel_size_nm, version=version)
    faults = gather_small(sort_faults(overlap, pairs), MOST_SINGLE)
    return _placed(faults, ids, components, pairs, voxel_size_nm)


def voxel_faults(prediction: Array, truth: Array, voxel_size_nm: Nm) -> tuple[Fault, ...]:
    """What is wrong with a semantic class: 26-connected pieces of missed and of invented voxels.

    Args:
        prediction: z, y, x; present where > 0.
        truth: the same.
        voxel_size_nm: z, y, x.

    Returns:
        Missed pieces, then invented ones, each by its number in `wrong_pieces`.
    """
    pieces, n = wrong_pieces(prediction, truth)
    table = overlap_table((truth > 0).view(np.uint8), pieces, n)
    missed = np.zeros(n + 1, bool)
    missed[table.component] = True
    faults = gather_small(sort_pieces(missed[1:], table.component_sizes[1:]), MOST_SINGLE)
    return _placed(faults, np.zeros(truth.shape, np.uint8), pieces, None, voxel_size_nm)


def wrong_pieces(prediction: Array, truth: Array) -> tuple[Array, int]:
    """Number the 26-connected pieces of missed and of invented voxels, which stay apart."""
    found, there = prediction > 0, truth > 0
    codes = (there & ~found).view(np.uint8) + 2 * (found & ~there).view(np.uint8)
    return connected_components(codes)


def _placed(
    faults: SortedFaults, truth: Array, components: Array, pairs: Partners | None, voxel_size_nm: Nm
) -> tuple[Fault, ...]:
    """Find boxes, volumes and places, and make records; without `pairs` every component is alone."""
    require_module("numba", "score")
    from organelle.metrics.fault_kernels import gather_faults, voxels_nearest

    if not len(faults.kinds):
        return ()
    new = np.zeros(len(faults.of_component), np.int64) if pairs is None else pairs.of_component
    anchors = np.concatenate([np.zeros((1, 2), np.int64), faults.anchors])
    volumes = truth, components, new, faults.of_truth, faults.of_component, anchors
    voxels, corners, middles = gather_faults(*volumes)
    places = voxels_nearest(*volumes, middles, np.asarray(voxel_size_nm, np.float64))
    truth_of, components_of = (_lists(rows, len(voxels)) for rows in (faults.truth, faults.components))
    records = [
        Fault(
            FAULT_KINDS[faults.kinds[i - 1]],
            truth_of[i],
            components_of[i],
            Box.between(corners[i, :3].tolist(), (corners[i, 3:] + 1).tolist()),
            _voxel(places[i]),
            int(voxels[i]),
            _change(faults.changes[i - 1]),
            gathered=int(faults.gathered[i - 1]),
        )
        for i in np.argsort(faults.kinds, kind="stable") + 1
    ]
    if pairs is not None:
        records = _with_distances(records, truth, components, pairs.distance_nm, voxel_size_nm)
        records = _with_truth_pieces(records, truth)
    return tuple(records)


def _with_distances(
    faults: list[Fault], truth: Array, components: Array, distances: Array, voxel_size_nm: Nm
) -> list[Fault]:
    """Displaced objects with their distances, and the costliest of them where it is largest."""
    single = [i for i, fault in enumerate(faults) if fault.kind == "displaced" and fault.gathered == 1]
    for i in single:
        faults[i] = replace(faults[i], distance_nm=float(distances[faults[i].truth[0]]))
    for i in sorted(single, key=lambda i: -faults[i].change.sum)[:MOST_MEASURED]:
        place = _farthest(faults[i], truth, components, voxel_size_nm)
        faults[i] = replace(faults[i], voxel=place or faults[i].voxel)
    return faults


def _with_truth_pieces(faults: list[Fault], truth: Array) -> list[Fault]:
    """Split objects with the number of pieces in which the truth itself has them."""
    if not any(fault.kind == "split" for fault in faults):
        return faults
    pieces, n = connected_components(truth)
    owner = np.zeros(n + 1, np.int64)
    for numbers, ids in zip(pieces, truth, strict=True):
        owner[numbers] = ids
    count = np.bincount(owner[1:])
    return [
        replace(fault, truth_pieces=int(count[fault.truth[0]]))
        if fault.kind == "split" and fault.truth
        else fault
        for fault in faults
    ]


def _farthest(fault: Fault, truth: Array, components: Array, voxel_size_nm: Nm) -> Voxels | None:
    """The voxel of one outline that is farthest from the other; None if no voxel looked at is wrong."""
    edt = require_module("edt", "score").edt
    step = math.ceil((fault.box.size / MEASURED_VOXELS) ** (1 / 3))
    place = tuple(slice(s.start, s.stop, step) for s in fault.box.slices())
    sides = truth[place] == fault.truth[0], components[place] == fault.components[0]
    if not all(side.any() for side in sides):
        return None
    size = tuple(step * v for v in voxel_size_nm)
    away = [
        np.where(own, edt(np.ascontiguousarray(~other), anisotropy=size), 0)
        for own, other in (sides, sides[::-1])
    ]
    farthest = np.maximum(*away)
    if not farthest.any():
        return None
    index = np.unravel_index(int(farthest.argmax()), farthest.shape)
    return _voxel([a + step * int(i) for a, i in zip(fault.box.start, index, strict=True)])


def _lists(members: Array, n: int) -> list[tuple[int, ...]]:
    """[fault] the objects that take part in it, from sorted rows of (fault, object)."""
    ends = np.searchsorted(members[:, 0], np.arange(n + 1))
    return [tuple(members[a:b, 1].tolist()) for a, b in pairwise(ends)]


def _voxel(numbers: Sequence[int] | Array) -> Voxels:
    z, y, x = (int(n) for n in numbers)
    return z, y, x


def _change(row: Array) -> Change:
    return Change(int(row[TP]), int(row[FP]), int(row[FN]), float(row[SUM]), int(row[TERMS]))
