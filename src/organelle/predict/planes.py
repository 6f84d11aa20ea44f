"""A 2D network on volumes of cubes: the same weights look along every axis, and their mean counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from organelle.blocks import Blending, PatchGrid
from organelle.errors import SettingsError
from organelle.geometry import Box, Voxels
from organelle.models import ModelSettings
from organelle.predict.region import Forward, ReadPatches, predict_slabs
from organelle.settings import parse_settings

Planes = Literal["patch", "any"]
"""Across which axes a 2D network is shown planes: that of its patch, or every axis of the same voxel size."""

EQUAL = 1e-4
"""Relative difference below which two voxel sizes are the same; that of sampling."""


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at the volume: the model's patch with two axes exchanged.

    Attributes:
        patch_shape: of the patch as it lies in the volume (z, y, x).
        stride: of the patch grid, in the same order.
        axes: axis i of the network's patch runs along axis `axes[i]` of the volume. Its own inverse.
    """

    patch_shape: Voxels
    stride: Voxels
    axes: Voxels = (0, 1, 2)

    @property
    def grid(self) -> PatchGrid:
        """Where the patches lie."""
        return PatchGrid(self.patch_shape, self.stride)

    def turned(self, forward: Forward) -> Forward:
        """`forward` on patches as they lie in the volume."""
        if self.axes == (0, 1, 2):
            return forward
        back = (0, *(axis + 1 for axis in self.axes))

        def seen(em: NDArray[np.float32]) -> NDArray[np.float32]:
            return forward(np.ascontiguousarray(em.transpose(back))).transpose(back)

        return seen


def views_of(spec: ModelSettings, planes: Planes, window: Voxels | None = None) -> tuple[View, ...]:
    """The ways in which a network looks at a volume: one, or for `any` one per axis it may be flat along.

    A 3D network has one, and so has a 2D network on sections of another thickness than its pixels.

    Args:
        spec: the network's patch and voxel size.
        planes: across which axes planes are shown.
        window: a patch to predict with in place of that of `spec`.

    Raises:
        SettingsError: a window that the network cannot look through.
    """
    seen = spec if window is None else widened(spec, window)
    own = View(seen.patch_shape, seen.stride)
    flat, sizes = spec.flat_axis, spec.voxel_size_nm
    if planes == "patch" or flat is None:
        return (own,)
    like = (a for a in range(3) if a != flat and math.isclose(sizes[a], sizes[flat], rel_tol=EQUAL))
    return own, *(_exchanged(own, flat, axis) for axis in like)


def predict_views(
    forward: Forward,
    em: ReadPatches,
    region: Box,
    views: Sequence[View],
    block_shape: Voxels,
    *,
    channels: int,
    blending: Blending = Blending.GAUSSIAN,
    threads: int | None = None,
) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """The mean of what the network says in all `views`, piece by piece, as `predict_slabs` gives it.

    Args:
        forward: the network, on patches that lie as it was trained.
        em: the normalised EM.
        region: what is wanted.
        views: of `views_of`.
        block_shape: as for `predict_slabs`; it changes no value.
        channels: number of values that `forward` gives per voxel.
        blending: how overlaps are weighted.
        threads: patches that `forward` is asked for at once; default: the calling thread asks.
    """
    streams = [
        predict_slabs(
            view.turned(forward),
            em,
            region,
            view.grid,
            block_shape,
            channels,
            blending=blending,
            threads=threads,
        )
        for view in views
    ]
    yield from _mean(streams) if len(streams) > 1 else streams[0]


def _mean(
    streams: Sequence[Iterator[tuple[Box, NDArray[np.float32]]]],
) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """The mean of streams that run over the same columns along z in pieces of different thickness."""
    heads = [head for stream in streams if (head := next(stream, None))]
    while heads:
        first = heads[0][0]
        stop = min(box.stop[0] for box, _ in heads)
        common = Box.between(first.start, (stop, *first.stop[1:]))
        depth = common.shape[0]
        total = sum(values[:, :depth] for _, values in heads[1:]) + heads[0][1][:, :depth]
        yield common, np.asarray(total / np.float32(len(heads)), np.float32)
        rests = [
            (Box.between((stop, *box.start[1:]), box.stop), values[:, depth:])
            if box.stop[0] > stop
            else next(stream, None)
            for (box, values), stream in zip(heads, streams, strict=True)
        ]
        heads = [rest for rest in rests if rest is not None]


def widened(spec: ModelSettings, window: Voxels) -> ModelSettings:
    """`spec` with another patch, checked as if it had been trained on that.

    Raises:
        SettingsError: the network cannot look through `window`.
    """
    settings = {name: getattr(spec, name) for name in ModelSettings.model_fields}
    settings = {**settings, "patch_shape": window}
    del settings["stride"]
    seen = parse_settings(ModelSettings, settings, "[predict] window")
    if seen.flat_axis != spec.flat_axis:
        raise SettingsError(
            f"[predict] window = {list(window)} is flat along another axis than the patches "
            f"{list(spec.patch_shape)} of the network"
        )
    return seen


def _exchanged(view: View, one: int, other: int) -> View:
    """`view` with two axes exchanged."""
    axes = [0, 1, 2]
    axes[one], axes[other] = other, one
    z, y, x = axes
    shape, stride = view.patch_shape, view.stride
    return View((shape[z], shape[y], shape[x]), (stride[z], stride[y], stride[x]), (z, y, x))
