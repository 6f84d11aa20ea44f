"""The rims of objects."""

from __future__ import annotations

import numpy as np

from organelle.errors import SettingsError
from organelle.sampling.targets.reach import (
    ROUNDING,
    distance_to,
    distance_to_change,
    distance_to_outside,
)
from organelle.sampling.targets.records import TargetInput, TargetValues


def boundary(truth: TargetInput, width_nm: float = 20.0) -> TargetValues:
    """1 in voxels of an object within `width_nm` of a voxel that is not part of it, centre to centre.

    That may be another object or background; background itself is 0. Where something unknown or outside of
    the patch lies within `width_nm`, it is known only if what is found is nearer.

    Args:
        truth: of one class; without ids its boundary is that of the class.
        width_nm: at least one voxel, else there would be no boundary.

    Raises:
        SettingsError: `width_nm` is less than the smallest edge of a voxel that counts.
    """
    size = [v for v, n in zip(truth.voxel_size_nm, truth.known.shape, strict=True) if n > 1]
    if width_nm < min(size, default=0):
        raise SettingsError(
            f"a boundary of {width_nm:g} nm is thinner than a voxel ({min(size):g} nm), so no voxel would be "
            f"part of it; set width_nm to {min(size):g} or more"
        )
    objects, reach = truth.objects(), width_nm * (1 + 10 * ROUNDING)
    far = np.float32(width_nm * (1 + ROUNDING))
    hidden = distance_to(~truth.known, truth.voxel_size_nm, reach)
    change = distance_to_change(objects, truth.voxel_size_nm, reach)  # hidden voxels count as a change here
    rim = (objects > 0) & (change <= far)
    sure = (objects == 0) | (rim & (change < hidden * (1 - ROUNDING)))
    beyond = distance_to_outside(objects.shape, truth.voxel_size_nm) <= far
    return TargetValues(rim[None].astype(np.float32), (truth.known & (sure | ~(rim | beyond)))[None])
