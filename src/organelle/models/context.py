"""What a network is shown of the surroundings: the same centre, at larger voxels."""

from __future__ import annotations

from organelle.geometry import Nm, Voxels


def context_steps(voxel_size_nm: Nm, times: int) -> Voxels:
    """Voxels of the model in one voxel of the context, per axis (z, y, x).

    The finest axis is taken `times` as coarse, and the others so that voxels come as near to cubes as whole
    numbers allow: of (40, 8, 8) nm, 4 times makes (40, 32, 32), and 8 times (80, 64, 64).
    """
    wanted = times * min(voxel_size_nm)
    z, y, x = (max(1, round(wanted / v)) for v in voxel_size_nm)
    return z, y, x


def context_size_nm(voxel_size_nm: Nm, times: int) -> Nm:
    """Voxel size of the context."""
    z, y, x = (v * n for v, n in zip(voxel_size_nm, context_steps(voxel_size_nm, times), strict=True))
    return z, y, x


def check_context(context: tuple[int, ...], voxel_size_nm: Nm, patch: Voxels, stride: Voxels) -> None:
    """Raise `ValueError` unless every patch of the grid has whole voxels of each context around its centre.

    That needs patches of a multiple of twice the step and strides of a multiple of the step, on each axis
    that the network sees; the flat axis of a 2D patch takes the plane of the context that it lies in.
    """
    if any(times < 2 for times in context) or list(context) != sorted(set(context)):
        raise ValueError(f"context {list(context)}: whole numbers from 2 on, each once, rising")
    for times in context:
        for axis, step in enumerate(context_steps(voxel_size_nm, times)):
            if patch[axis] > 1 and (patch[axis] % (2 * step) or stride[axis] % step):
                raise ValueError(
                    f"context of {times} times needs patch_shape in multiples of {2 * step} and stride in "
                    f"multiples of {step} on axis {'zyx'[axis]}, not {patch[axis]} and {stride[axis]}"
                )
