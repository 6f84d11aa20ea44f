"""The outlines' part of a score, computed in another way than the scorer does: object by object, with trees.

Only objects that were altered are measured; for those that were not, the distance is 0 by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from organelle.errors import require_module
from organelle.geometry import Nm
from organelle.metrics import connected_components, hausdorff_term, match_objects, overlap_table, truth_ids

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class ExpectedOutlines:
    """Sum and number of the Hausdorff terms that metric 2026-06 will find in a row."""

    hausdorff_norm_sum: float = 0.0
    n_hausdorff: int = 0


def foretell_outlines(truth: Array, labels: Array, voxel_size_nm: Nm) -> ExpectedOutlines:
    """What the outlines of a simulated prediction will be worth.

    Args:
        truth: z, y, x, ids; 0 where the crop is not scored.
        labels: The prediction, of the same shape.
        voxel_size_nm: z, y, x.

    Returns:
        Zeros for a row that the metric skips.
    """
    ids = truth_ids(truth)
    components, count = connected_components(labels)
    overlap = overlap_table(ids, components, count)
    match = match_objects(overlap)
    if match.status != "scored":
        return ExpectedOutlines()
    size = np.asarray(voxel_size_nm)
    cap = float(np.min(size * truth.shape)) / 2
    partners = dict(zip(match.truth.tolist(), match.component.tolist(), strict=True))
    leftovers = set(range(1, count + 1)) - set(partners.values())
    same = overlap.truth_sizes[overlap.truth] == overlap.voxels
    same &= overlap.component_sizes[overlap.component] == overlap.voxels
    whole = dict(zip(overlap.truth[same].tolist(), overlap.component[same].tolist(), strict=True))
    boxes = _Boxes(ids), _Boxes(components)
    distances = [cap] * len(leftovers)
    for number in overlap.truth_ids.tolist():
        own = {partners[number]} if number in partners else set()
        own |= {number} & leftovers  # the quirk of 2026-06: leftovers keep their number
        if not own:
            distances.append(cap)
        elif own == {whole.get(number)}:
            distances.append(0.0)
        else:
            there = np.concatenate([boxes[1].voxels(c) for c in sorted(own)])
            distances.append(min(cap, _apart(boxes[0].voxels(number) * size, there * size)))
    return ExpectedOutlines(float(hausdorff_term(np.array(distances), voxel_size_nm).sum()), len(distances))


class _Boxes:
    """Where the voxels of each label are."""

    def __init__(self, labels: Array) -> None:
        self._labels = labels
        cc3d = require_module("cc3d", "score")
        self._slices = cc3d.statistics(labels)["bounding_boxes"] if labels.size else []

    def voxels(self, number: int) -> Array:
        """Places (n, 3) in voxels."""
        place = self._slices[number]
        inside: Array = np.argwhere(self._labels[place] == number)
        return np.asarray(inside + [axis.start for axis in place])


def _apart(one: Array, other: Array) -> float:
    """The Hausdorff distance of two sets of points (n, 3): the larger of the two directed maxima."""
    from scipy.spatial import KDTree

    return max(float(np.max(KDTree(b).query(a)[0])) for a, b in ((one, other), (other, one)))
