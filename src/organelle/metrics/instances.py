"""Instance classes: objects found, objects invented, and how well their outlines agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from organelle.errors import ScoringError, did_you_mean
from organelle.geometry import Nm
from organelle.metrics.components import connected_components
from organelle.metrics.matching import Match, match_objects, most_components
from organelle.metrics.overlap import Overlap, overlap_table
from organelle.metrics.surface import hausdorff_distances

Array = np.ndarray[Any, np.dtype[Any]]

METRIC_VERSIONS = ("2026-06",)
"""Every version that can be computed, oldest first."""


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
    """Score the objects of one crop.

    The prediction is taken apart into connected components; the truth keeps its ids. Components are matched
    one to one with truth objects by IoU (any overlap will do), and every object yields a term that falls
    from 1 with the Hausdorff distance between it and its match. An object that is missed or invented yields
    the term of the largest possible distance, half the shortest side of the crop.

    Args:
        prediction: z, y, x; 0 is background, any other value (negative and NaN too) is an object.
        truth: z, y, x ids of an integer type or bool, 0 background, smaller than the number of voxels.
        voxel_size_nm: z, y, x.
        version: one of `METRIC_VERSIONS`.

    Returns:
        Counts with status `scored`, or zeros with `skipped_too_many_instances` (more than `flood_limit`
        components per truth id, or more than 5,000,000 overlapping pairs) or `matching_failed`.

    Raises:
        ScoringError: truth that is not made of ids, arrays of different shapes, or an unknown version.
    """
    require_version(version)
    if prediction.shape != truth.shape:
        raise ScoringError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    ids = truth_ids(truth)
    components, n_components = connected_components(prediction)
    overlap = overlap_table(ids, components, n_components)
    match = match_objects(overlap)
    n_truth, most = len(overlap.truth_ids), most_components(overlap.largest_truth_id)
    if match.status != "scored":
        return InstanceCounts(0, 0, 0, 0.0, 0, match.status, n_truth, n_components, most)
    terms, tp = _terms(ids, components, overlap, match, voxel_size_nm), len(match.truth)
    return InstanceCounts(
        tp,
        fp=n_components - tp,
        fn=n_truth - tp,
        hausdorff_norm_sum=float(terms.sum()),
        n_hausdorff=len(terms),
        n_truth=n_truth,
        n_components=n_components,
        most_components=most,
    )


def missing_instances(truth: Array) -> InstanceCounts:
    """A class that was not handed in: every truth object is missed and has a Hausdorff term of 0."""
    ids = truth_ids(truth)
    seen = np.zeros(int(ids.max(initial=0)) + 1, bool)
    seen[ids] = True
    n = int(np.count_nonzero(seen[1:]))
    return InstanceCounts(0, 0, n, 0.0, n, "missing", n_truth=n)


def truth_ids(truth: Array) -> Array:
    """Truth as contiguous unsigned ids.

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
    return np.ascontiguousarray(truth, dtype=np.uint64 if most >= 2**32 else np.uint32)


def hausdorff_term(distance_nm: Array, voxel_size_nm: Nm) -> Array:
    """What a distance is worth: `1.01 ** (-d / norm(voxel size))`, with d as float32; 1 at distance 0."""
    rounded = np.asarray(distance_nm, np.float32).astype(np.float64)
    return np.asarray(1.01 ** (-rounded / np.linalg.norm(voxel_size_nm)))


def _terms(truth: Array, components: Array, overlap: Overlap, match: Match, voxel_size_nm: Nm) -> Array:
    """One Hausdorff term per truth object, then one per component without a partner."""
    cap = float(np.min(np.multiply(truth.shape, voxel_size_nm))) / 2
    matched = _renumber(overlap, match)[components]
    distances = hausdorff_distances(truth, matched, overlap.truth_ids, voxel_size_nm, cap)
    invented = np.full(overlap.n_components - len(match.component), cap)
    return hausdorff_term(np.concatenate([distances, invented]), voxel_size_nm)


def _renumber(overlap: Overlap, match: Match) -> Array:
    """The id that each component gets (index 0 is background).

    Quirk of 2026-06: a component without a partner keeps its number, and so counts as part of the truth
    object whose id happens to be the same. Numbers that are no truth id are dropped: nothing reads them.
    """
    new = np.arange(overlap.n_components + 1, dtype=np.uint32)
    kept = min(len(new), len(overlap.truth_sizes))
    new[kept:] = 0
    new[match.component] = match.truth
    return new
