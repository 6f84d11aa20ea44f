"""MONAI's DynUNet, with strides of its own per level and axis. Loads no torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from organelle.models.architectures import LibraryCall, NormedArchitecture

if TYPE_CHECKING:
    import torch


class DynUNetOptions(NormedArchitecture):
    """MONAI's DynUNet: strides of its own per level and axis, for voxels that are not cubes."""

    features: tuple[int, ...] = Field(default=(16, 32, 64, 128), min_length=3)
    """Features per level, from full resolution down."""
    strides: tuple[tuple[int, ...], ...] = ()
    """Step down into each level after the first, one number per axis; empty: 2 everywhere. For thick
    sections `[[1, 2, 2], [1, 2, 2], [2, 2, 2]]`: kernels stay flat until the voxels are about cubes."""
    residual: bool = False
    """Blocks with a shortcut around them."""
    deep_supervision: int = Field(default=0, ge=0)
    """Coarser levels that learn to predict, too, beside full resolution; at most two fewer than the levels.
    What they say serves training alone (Isensee et al. 2021)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_features()
        levels = len(self.features)
        if self.strides and len(self.strides) != levels - 1:
            raise ValueError(f"{levels} levels need {levels - 1} strides")
        if any(step < 1 for stride in self.strides for step in stride):
            raise ValueError("strides must be 1 or more on every axis")
        if self.deep_supervision > levels - 2:
            raise ValueError(f"{levels} levels leave room for deep_supervision of at most {levels - 2}")
        return self

    @property
    def level_features(self) -> tuple[int, ...]:
        """As given."""
        return self.features

    @property
    def coarsest_features(self) -> int:
        """The last."""
        return self.features[-1]

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """The product of the strides, per axis."""
        return tuple(math.prod(steps) for steps in zip(*self._strides(dimensions), strict=True))

    def library_call(self, dimensions: int, out_channels: int, in_channels: int = 1) -> LibraryCall:
        """MONAI's own DynUNet; it takes no weights of the layers that serve deep supervision."""
        strides = self._strides(dimensions)
        arguments = {
            "spatial_dims": dimensions,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "kernel_size": self._kernels(dimensions),
            "strides": [(1,) * dimensions, *strides],
            "upsample_kernel_size": strides,
            "filters": self.features,
            "dropout": self.dropout or None,
            "norm_name": self.monai_norm,
            "res_block": self.residual,
        }
        return LibraryCall("monai.networks.nets", "DynUNet", arguments)

    def build(self, dimensions: int, out_channels: int, in_channels: int = 1) -> torch.nn.Module:
        """The network with fresh weights."""
        plain = self.library_call(dimensions, out_channels, in_channels)
        if not self.deep_supervision:
            return plain.make()
        from organelle.models.supervised_dynunet import SupervisedDynUNet

        return SupervisedDynUNet(
            **plain.arguments, deep_supervision=True, deep_supr_num=self.deep_supervision
        )

    def _strides(self, dimensions: int) -> list[tuple[int, ...]]:
        strides = list(self.strides) or [(2,) * dimensions] * (len(self.features) - 1)
        if any(len(stride) != dimensions for stride in strides):
            raise ValueError(f"strides need {dimensions} numbers each, one per axis that the network sees")
        return strides

    def _kernels(self, dimensions: int) -> list[tuple[int, ...]]:
        """3 on every axis, but 1 where other axes still have to be halved before this one is."""
        strides = self._strides(dimensions)
        mixed = [len(set(stride)) > 1 for stride in strides] + [False]
        following = [*strides, (2,) * dimensions]
        return [
            tuple(1 if uneven and step == 1 else 3 for step in stride)
            for uneven, stride in zip(mixed, following, strict=True)
        ]
