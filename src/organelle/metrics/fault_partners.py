"""Who stands for whom in each version of the metric, and what every match lacks to a perfect one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from organelle.errors import ScoringError, require_module
from organelle.geometry import Nm
from organelle.metrics.instances import hausdorff_term, rescaled_term
from organelle.metrics.matching import MOST_PAIRS, Match, crop_is_flooded, match_objects
from organelle.metrics.overlap import Overlap
from organelle.metrics.surface import hausdorff_distances

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Partners:
    """Pairs of truth objects and components, such that no two that overlap are both alone.

    Attributes:
        of_truth: [id] its component; 0 for none.
        of_component: [number] its truth id; 0 for none.
        counted: [id] whether the metric counts the pair as found.
        distance_nm: [id] between the outlines of a pair.
        lacks: [id] what a counted pair lacks to the term, or the IoU, of 1.
        lonely: the term of an object on either side without a partner.
        has_terms: whether a component without a partner adds to the number of terms.
        disturbs: [number] what the terms of other objects gain without this component.
    """

    of_truth: Array
    of_component: Array
    counted: Array
    distance_nm: Array
    lacks: Array
    lonely: float
    has_terms: bool
    disturbs: Array


def partners(
    truth: Array, components: Array, overlap: Overlap, voxel_size_nm: Nm, *, version: str
) -> Partners:
    """Match `components` with `truth`, both of unsigned types; the flood limit does not apply."""
    return _VERSIONS[version](_Crop(truth, components, overlap, voxel_size_nm))


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    truth: Array
    components: Array
    overlap: Overlap
    voxel_size_nm: Nm

    @property
    def cap_nm(self) -> float:
        return float(np.min(np.multiply(self.truth.shape, self.voxel_size_nm))) / 2

    def distances(self, new: Array, ids: Array) -> Array:
        """[id] between truth and the components that got its number, for some of the ids."""
        distances = np.full(self.overlap.largest_truth_id + 1, self.cap_nm)
        wanted = np.unique(ids)
        if len(wanted):
            renamed = self._renumbered(new)
            distances[wanted] = hausdorff_distances(
                self.truth, renamed, wanted, self.voxel_size_nm, self.cap_nm
            )
        return distances

    def _renumbered(self, new: Array) -> Array:
        require_module("numba", "score")
        from organelle.metrics.fault_kernels import renumber

        renamed = np.empty(self.components.shape, np.uint32)
        renumber(self.components.ravel(), new.astype(np.uint32), renamed.ravel())
        return renamed


def _first_version(crop: _Crop) -> Partners:
    """`2026-06`: a component that is left keeps its number, and disturbs the object with that id."""
    pairs = _matched(crop)
    clean = pairs.distance_nm
    left = np.flatnonzero(pairs.of_component == 0)
    left = left[(left > 0) & (left < len(clean))]
    left = left[crop.overlap.truth_sizes[left] > 0]
    numbers = pairs.of_component.copy()
    numbers[left] = left
    terms, disturbed = (
        hausdorff_term(distances, crop.voxel_size_nm) for distances in (clean, crop.distances(numbers, left))
    )
    disturbs = np.zeros(len(numbers))
    disturbs[left] = terms[left] - disturbed[left]
    lonely = float(hausdorff_term(np.asarray(crop.cap_nm), crop.voxel_size_nm))
    return replace(pairs, lacks=1 - terms, lonely=lonely, disturbs=disturbs)


def _second_version(crop: _Crop) -> Partners:
    """`2026-07`."""
    pairs = _matched(crop)
    return replace(pairs, lacks=1 - rescaled_term(pairs.distance_nm, crop.voxel_size_nm, crop.cap_nm))


def _panoptic(crop: _Crop) -> Partners:
    """`pq`: the best pairs first; an IoU of at most 1/2 does not count, but it is clear who is meant."""
    require_module("numba", "score")
    from organelle.metrics.fault_kernels import pair_the_rest

    overlap, iou = crop.overlap, crop.overlap.iou
    order = np.argsort(-iou, kind="stable")
    of_truth, of_component = _alone(overlap)
    pair_the_rest(overlap.truth[order], overlap.component[order], of_truth, of_component)
    shared = np.zeros(len(of_truth))
    own = of_truth[overlap.truth] == overlap.component
    shared[overlap.truth[own]] = iou[own]
    pairs = _partners(crop, of_truth, of_component)
    return replace(pairs, counted=shared > 0.5, lacks=1 - shared, has_terms=False)


_VERSIONS: dict[str, Callable[[_Crop], Partners]] = {
    "2026-06": _first_version,
    "2026-07": _second_version,
    "pq": _panoptic,
}


def _matched(crop: _Crop) -> Partners:
    of_truth, of_component = _alone(crop.overlap)
    match = _match(crop.overlap)
    of_truth[match.truth], of_component[match.component] = match.component, match.truth
    return _partners(crop, of_truth, of_component)


def _match(overlap: Overlap) -> Match:
    """The metric's match; truth ids that do not occur lift the flood limit and change nothing else."""
    if crop_is_flooded(overlap.n_components, overlap.largest_truth_id):
        missing = -(-overlap.n_components // 10) - overlap.largest_truth_id
        overlap = replace(overlap, truth_sizes=np.pad(overlap.truth_sizes, (0, max(missing, 0))))
    match = match_objects(overlap)
    if match.status != "scored":
        raise ScoringError(
            f"the objects cannot be matched ({match.status}): {len(overlap.voxels):,} pairs overlap, "
            f"at most {MOST_PAIRS:,} are matched"
        )
    return match


def _alone(overlap: Overlap) -> tuple[Array, Array]:
    return np.zeros(len(overlap.truth_sizes), np.int64), np.zeros(overlap.n_components + 1, np.int64)


def _partners(crop: _Crop, of_truth: Array, of_component: Array) -> Partners:
    distances = crop.distances(of_component, np.flatnonzero(of_truth))
    nothing = np.zeros(len(of_truth))
    return Partners(
        of_truth, of_component, of_truth > 0, distances, nothing, 0.0, True, np.zeros(len(of_component))
    )
