"""Instance classes: objects found, objects invented, and how well their outlines agree."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from organelle.errors import ScoringError, did_you_mean
from organelle.geometry import Nm
from organelle.metrics.components import connected_components
from organelle.metrics.matching import Match, match_objects, most_components
from organelle.metrics.overlap import Overlap, overlap_table
from organelle.metrics.sides import Sides
from organelle.metrics.surface import squared_distances

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class InstanceCounts:
    """Objects of one (crop, class) row, and the sum and number of its Hausdorff terms.

    `n_truth` and `n_components` say how many objects were compared, also when the row was skipped, and
    `most_components` how many the metric would have matched with this truth.
    """

    tp: int
    fp: int
    fn: int
    hausdorff_norm_sum: float
    n_hausdorff: int
    status: str = "scored"
    n_truth: int = 0
    n_components: int = 0
    most_components: int = 0


@dataclass(frozen=True, slots=True)
class PanopticCounts:
    """Objects of one (crop, class) row for panoptic quality, and the sum of the IoU of the matches."""

    tp: int
    fp: int
    fn: int
    iou_sum: float
    status: str = "scored"
    n_truth: int = 0
    n_components: int = 0


ObjectCounts = InstanceCounts | PanopticCounts


def require_version(version: str) -> str:
    """`version`, if this metric version exists here; `ScoringError` otherwise."""
    if version not in METRIC_VERSIONS:
        near = did_you_mean(version, METRIC_VERSIONS)
        raise ScoringError(
            f"metric version {version!r} is not known{near}; there is: {', '.join(METRIC_VERSIONS)}"
        )
    return version


def score_instances(
    prediction: Array, truth: Array, voxel_size_nm: Nm, *, version: str = "2026-06"
) -> InstanceCounts:
    """Score the objects of one crop with one version that judges outlines; see `compare_instances`.

    Raises:
        ScoringError: also for `pq`, which does not.
    """
    counts = compare_instances(prediction, truth, voxel_size_nm, versions=(version,))[version]
    if not isinstance(counts, InstanceCounts):
        raise ScoringError(f"version {version!r} has no Hausdorff terms; use compare_instances")
    return counts


def compare_instances(
    prediction: Array, truth: Array, voxel_size_nm: Nm, *, versions: Collection[str] | None = None
) -> dict[str, ObjectCounts]:
    """Score the objects of one crop with several versions of the metric, from the same passes.

    The prediction is taken apart into connected components; the truth keeps its ids.

    - `2026-06`: components are matched one to one with truth objects by IoU (any overlap will do), and
      every object yields a term that falls from 1 with the Hausdorff distance between it and its match. An
      object that is missed or invented yields the term of the largest possible distance, half the shortest
      side of the crop. A component without a partner keeps its number, and so counts as part of the truth
      object whose id happens to be the same.
    - `2026-07`: such a component is background; an object without a partner yields 0; and the term of a
      match is `rescaled_term`.
    - `pq`: a component and a truth object match when their IoU exceeds 1/2, which no second pair of either
      can (Kirillov et al. 2019). No crop is skipped.

    Args:
        prediction: z, y, x; 0 is background, any other value (negative and NaN too) is an object.
        truth: z, y, x ids of an integer type or bool, 0 background, smaller than the number of voxels.
        voxel_size_nm: z, y, x.
        versions: some of `METRIC_VERSIONS`; default: all.

    Returns:
        Version -> counts with status `scored`, or zeros with `skipped_too_many_instances` (more than
        `flood_limit` components per truth id, or more than 5,000,000 overlapping pairs) or
        `matching_failed`.

    Raises:
        ScoringError: truth that is not made of ids, arrays of different shapes, or an unknown version.
    """
    wanted = [require_version(version) for version in (METRIC_VERSIONS if versions is None else versions)]
    if prediction.shape != truth.shape:
        raise ScoringError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    ids = truth_ids(truth)
    components, n_components = connected_components(prediction)
    row = _Row(ids, components, overlap_table(ids, components, n_components), voxel_size_nm)
    return {version: _COUNTS[version](row) for version in wanted}


def missing_instances(truth: Array, *, version: str = "2026-06") -> ObjectCounts:
    """A class that was not handed in: every truth object is missed and has a Hausdorff term of 0.

    Args:
        truth: ids, as for `compare_instances`.
        version: one of `METRIC_VERSIONS`.
    """
    ids = truth_ids(truth)
    seen = np.zeros(int(ids.max(initial=0)) + 1, bool)
    seen[ids] = True
    n = int(np.count_nonzero(seen[1:]))
    if require_version(version) == "pq":
        return PanopticCounts(0, 0, n, 0.0, "missing", n_truth=n)
    return InstanceCounts(0, 0, n, 0.0, n, "missing", n_truth=n)


def truth_ids(truth: Array) -> Array:
    """Truth as contiguous unsigned ids, of 64 bits only where 32 are too few: each dtype has its own loops.

    Raises:
        ScoringError: floats, negative ids, or ids that reach the number of voxels.
    """
    if truth.dtype.kind not in "biu":
        raise ScoringError(
            f"the truth is {truth.dtype}, but ids are whole numbers; store an unsigned integer"
        )
    least, most = int(truth.min(initial=0)), int(truth.max(initial=0))
    if least < 0:
        raise ScoringError(f"the truth holds the negative id {least}; ids start at 1, background is 0")
    if most >= max(truth.size, 1):
        raise ScoringError(
            f"the largest truth id, {most}, reaches the number of voxels, {truth.size}; "
            "number the objects from 1 without gaps"
        )
    if truth.dtype.kind == "b":
        return np.ascontiguousarray(truth).view(np.uint8)
    if truth.dtype.itemsize == 8 and most < 1 << 32:
        return truth.astype(np.uint32, order="C")
    unsigned = np.dtype(f"u{truth.dtype.itemsize}")
    return np.ascontiguousarray(truth, dtype=truth.dtype.newbyteorder("=")).view(unsigned)


def hausdorff_term(distance_nm: Array, voxel_size_nm: Nm) -> Array:
    """What a distance is worth: `1.01 ** (-d / norm(voxel size))`, with d as float32; 1 at distance 0."""
    rounded = np.asarray(distance_nm, np.float32).astype(np.float64)
    return np.asarray(1.01 ** (-rounded / np.linalg.norm(voxel_size_nm)))


def rescaled_term(distance_nm: Array, voxel_size_nm: Nm, cap_nm: float) -> Array:
    """The term of a match in version `2026-07`: 1 at distance 0, 0.1 at `cap_nm`, in every crop.

    With s(d) = `hausdorff_term`: 0.1 + 0.9 (s(d) - s(cap)) / (1 - s(cap)). The exact formula was not
    readable when this was written; this is the natural reading of its description, linear in the term.
    """
    worst = hausdorff_term(np.asarray(cap_nm), voxel_size_nm)
    return np.asarray(0.1 + 0.9 * (hausdorff_term(distance_nm, voxel_size_nm) - worst) / (1 - worst))


@dataclass(frozen=True, eq=False)
class _Row:
    """Everything that the versions share; what costs time is computed when the first of them asks."""

    truth: Array
    components: Array
    overlap: Overlap
    voxel_size_nm: Nm

    @cached_property
    def match(self) -> Match:
        return match_objects(self.overlap)

    @property
    def cap(self) -> float:
        """The largest distance there is, in nm."""
        return float(np.min(np.multiply(self.truth.shape, self.voxel_size_nm))) / 2

    @cached_property
    def distances(self) -> Array:
        """[2, id] Hausdorff distances in nm; `cap` for an id that has no voxel on one of the sides.

        First with components without a partner counted by their numbers, then with them as background;
        the second only of ids that have a partner.
        """
        own, leftover = np.zeros((2, self.overlap.largest_truth_id + 1), np.int64)
        own[self.match.truth] = self.match.component
        numbers = np.arange(min(self.overlap.n_components + 1, len(leftover)))
        leftover[: len(numbers)] = numbers
        leftover[self.match.component[self.match.component < len(leftover)]] = 0
        sides = Sides(self.truth, self.components, self.overlap, own, leftover)
        distances = np.full((2, len(own)), self.cap)
        squares = squared_distances(sides, self.voxel_size_nm, self.cap)
        distances[:, sides.ids] = np.sqrt(squares).clip(max=self.cap)
        return distances


def _first_version(row: _Row) -> InstanceCounts:
    """`2026-06`."""
    if row.match.status != "scored":
        return _skipped(row)
    invented = np.full(row.overlap.n_components - len(row.match.component), row.cap)
    every = np.concatenate([row.distances[0, row.overlap.truth_ids], invented])
    return _scored(row, float(hausdorff_term(every, row.voxel_size_nm).sum()))


def _second_version(row: _Row) -> InstanceCounts:
    """`2026-07`."""
    if row.match.status != "scored":
        return _skipped(row)
    matched = row.distances[1, np.sort(row.match.truth)]
    return _scored(row, float(rescaled_term(matched, row.voxel_size_nm, row.cap).sum()))


def _panoptic(row: _Row) -> PanopticCounts:
    """`pq`."""
    overlap = row.overlap
    iou = overlap.iou
    tp = int(np.count_nonzero(iou > 0.5))
    n_truth, n_components = len(overlap.truth_ids), overlap.n_components
    shared = float(iou[iou > 0.5].sum())
    return PanopticCounts(
        tp, n_components - tp, n_truth - tp, shared, n_truth=n_truth, n_components=n_components
    )


def _scored(row: _Row, terms: float) -> InstanceCounts:
    """Counts of a row that was matched; every object on either side without a partner is one more term."""
    n_truth, n_components, tp = len(row.overlap.truth_ids), row.overlap.n_components, len(row.match.truth)
    return InstanceCounts(
        tp,
        fp=n_components - tp,
        fn=n_truth - tp,
        hausdorff_norm_sum=terms,
        n_hausdorff=n_truth + n_components - tp,
        n_truth=n_truth,
        n_components=n_components,
        most_components=most_components(row.overlap.largest_truth_id),
    )


def _skipped(row: _Row) -> InstanceCounts:
    """Counts of a row that was not matched."""
    return InstanceCounts(
        0,
        0,
        0,
        0.0,
        0,
        row.match.status,
        len(row.overlap.truth_ids),
        row.overlap.n_components,
        most_components(row.overlap.largest_truth_id),
    )


_COUNTS: dict[str, Callable[[_Row], ObjectCounts]] = {
    "2026-06": _first_version,
    "2026-07": _second_version,
    "pq": _panoptic,
}

METRIC_VERSIONS = tuple(_COUNTS)
"""Every version that can be computed, in the order of their making."""
