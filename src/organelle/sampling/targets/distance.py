"""Signed distance to the surface of a class."""

from __future__ import annotations

import numpy as np

from organelle.sampling.targets.reach import ROUNDING, distance_to, distance_to_unknown
from organelle.sampling.targets.records import TargetInput, TargetValues


def signed_distance(truth: TargetInput, scale_nm: float = 50.0, limit_nm: float = 100.0) -> TargetValues:
    """tanh(d / scale), with d the Euclidean distance in nm to the nearest voxel of the other state.

    d is positive inside and negative outside, from voxel centre to voxel centre (so it jumps from minus one
    voxel to plus one at the surface, and above 0 lies the class exactly), and at most `limit_nm`. It is known
    where nothing unknown, and nothing outside of the patch, is nearer than it; without a limit a patch
    that lies within one large object would know nothing.

    Args:
        truth: of one class; ids play no part.
        scale_nm: see the formula; larger is smoother.
        limit_nm: beyond it all distances are alike. A limit of twice the scale gives targets up to 0.96.
    """
    size, present = truth.voxel_size_nm, truth.present & truth.known
    inside = distance_to(truth.known & ~truth.present, size, limit_nm)
    distance = np.where(present, inside, distance_to(present, size, limit_nm))
    unknown = distance_to_unknown(truth.known, size, limit_nm)
    known = truth.known & (unknown * np.float32(1 + ROUNDING) >= distance)
    values = np.tanh(distance / np.float32(scale_nm))
    return TargetValues(np.where(present, values, -values)[None], known[None])
