"""Networks, patches and batches that a group of classes could be learned with, and which of them is best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from organelle.geometry import Nm, Voxels
from organelle.models import ModelSettings
from organelle.plan.figures import in_plane
from organelle.plan.groups import Group
from organelle.plan.survey import Form

SIDES_3D = (32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192)
SIDES_2D = (64, 96, 128, 160, 192, 256, 320, 384, 448, 512)
ENOUGH_STEPS = 2000
"""Steps below which a larger patch, a larger batch or a wider network is not worth its time."""
BATCHES = {3: (1, 2, 4, 8), 2: (4, 8, 16, 32)}
WIDTHS = (16, 32)


@dataclass(frozen=True)
class Choice:
    """What a network sees and is made of.

    Attributes:
        network: as in `[model]`.
        width: features of its first level.
        voxel_size_nm: of the group.
        patch_shape: voxels z, y, x.
        batch: patches per step.
        averaged: planes across every axis are learned, predicted and averaged.
    """

    network: str
    width: int
    voxel_size_nm: Nm
    patch_shape: Voxels
    batch: int
    averaged: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Of the network, as in `[model]`."""
        w = self.width
        if self.network.startswith("unet"):
            return {"features": [w, w, 2 * w, 4 * w, 8 * w, w]}
        coarse = _coarse_axis(self.voxel_size_nm)
        first = [1 if axis == coarse else 2 for axis in range(3)]
        return {"features": [w, 2 * w, 4 * w, 8 * w], "strides": [first, [2, 2, 2], [2, 2, 2]]}

    def model(self, classes: tuple[str, ...]) -> ModelSettings:
        """The section `[model]`."""
        return ModelSettings(
            network=self.network,
            options=self.options,
            classes=classes,
            voxel_size_nm=self.voxel_size_nm,
            patch_shape=self.patch_shape,
        )

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return 2 if 1 in self.patch_shape else 3

    @property
    def side(self) -> int:
        """The longest side of the patch."""
        return max(self.patch_shape)


@dataclass(frozen=True)
class Cost:
    """What a choice takes: seconds per step, and the largest memory of the process or of the GPU."""

    step_seconds: float
    memory_bytes: float


def best_choice(
    group: Group, cost: Callable[[Choice], Cost], memory_bytes: float, seconds: float
) -> Choice | None:
    """The choice for a group; None when even the smallest does not fit into memory.

    In this order: in 3D (planes for sections), or in planes if the smallest patch in 3D leaves fewer than
    `ENOUGH_STEPS` in `seconds`; the largest patch that is of use and leaves `ENOUGH_STEPS`; then the batch is
    doubled as long as twice, then the network as long as four times as many steps are left.

    Args:
        group: classes and voxel size.
        cost: of a choice.
        memory_bytes: how much there is.
        seconds: for all steps.
    """

    def leaves(choice: Choice, times: int) -> bool:
        found = cost(choice)
        return found.memory_bytes <= memory_bytes and seconds >= times * ENOUGH_STEPS * found.step_seconds

    ladders = [list(ladder) for ladder in _ladders(group)]
    ladder = next((ladder for ladder in ladders if leaves(ladder[0], 1)), ladders[-1])
    chosen = next((choice for choice in reversed(ladder) if leaves(choice, 1)), ladder[0])
    if cost(chosen).memory_bytes > memory_bytes:
        return None
    for batch in BATCHES[chosen.dimensions]:
        more = replace(chosen, batch=batch)
        chosen = more if batch > chosen.batch and leaves(more, 2) else chosen
    for width in WIDTHS:
        wider = replace(chosen, width=width)
        chosen = wider if width > chosen.width and leaves(wider, 4) else chosen
    return chosen


def useful_side(group: Group, network: str) -> int:
    """Voxels beyond which a longer patch shows nothing of use.

    That is how far the network looks, or twice the thickest class if that is more; and no more than the
    median crop has across, for there is nothing known outside.
    """
    size = in_plane(group.voxel_size_nm)
    view = max(_view(network), 2 * group.thickest_nm / size)
    return round(min(view, group.crop_side_nm / size))


def _ladders(group: Group) -> Iterator[Iterator[Choice]]:
    """From small to large patches: the preferred kind of network first."""
    size, coarse = group.voxel_size_nm, _coarse_axis(group.voxel_size_nm)
    if group.form is Form.CUBES:
        yield (
            Choice("unet_3d", WIDTHS[0], size, (side, side, side), BATCHES[3][0])
            for side in _useful(SIDES_3D, group, "unet_3d")
        )
    elif group.form is Form.SLABS:
        yield (
            Choice("dynunet_3d", WIDTHS[0], size, _slab(side, size), BATCHES[3][0])
            for side in _useful(SIDES_3D, group, "dynunet_3d")
        )
    yield (
        Choice("unet_2d", WIDTHS[0], size, _plane(side, coarse), BATCHES[2][0], group.form is Form.CUBES)
        for side in _useful(SIDES_2D, group, "unet_2d")
    )


def _useful(sides: tuple[int, ...], group: Group, network: str) -> list[int]:
    """Sides up to the first that is at least as long as is of use."""
    most = useful_side(group, network)
    return [side for before, side in zip((0, *sides), sides, strict=False) if before < most]


def _coarse_axis(size: Nm) -> int:
    return size.index(max(size))


def _plane(side: int, flat: int) -> Voxels:
    z, y, x = (1 if axis == flat else side for axis in range(3))
    return z, y, x


def _slab(side: int, size: Nm) -> Voxels:
    """About a cube in nm: a multiple of 8 along the sharp axes, of 4 along the coarse one."""
    coarse = _coarse_axis(size)
    short = max(8, 4 * round(side * min(size) / max(size) / 4))
    z, y, x = (short if axis == coarse else side for axis in range(3))
    return z, y, x


@cache
def _view(network: str) -> int:
    """Voxels along an axis that can change an answer."""
    from organelle.models import describe_network

    return max(n or 0 for n in describe_network(network).receptive_field)
