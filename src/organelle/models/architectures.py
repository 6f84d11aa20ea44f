"""Kinds of network: what each may be told, what sizes it needs, how it is built. Loads no torch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from organelle.errors import SettingsError
from organelle.models.importing import import_named
from organelle.settings import Settings

if TYPE_CHECKING:
    import torch


class Architecture(Settings, ABC):
    """A kind of network together with its options."""

    @abstractmethod
    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """The numbers that the patch sizes must be multiples of, per axis that the network sees."""

    @abstractmethod
    def build(self, dimensions: int, out_channels: int) -> torch.nn.Module:
        """The network with fresh weights: one input channel, `out_channels` logits, same shape."""


class UNetOptions(Architecture):
    """MONAI's BasicUNet: four steps down, the first level at full resolution."""

    features: tuple[int, int, int, int, int, int] = (16, 16, 32, 64, 128, 16)
    """Features of the five levels, then those before the output; the default suits two CPU cores."""
    norm: Literal["group", "instance", "batch"] = "group"
    """Group norm keeps the grey level of a patch, which instance norm wipes out, and suits small batches."""
    groups: int = Field(default=8, ge=1)
    """Groups of the group norm; every entry of `features` must be a multiple."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of features dropped in training."""
    upsample: Literal["deconv", "nontrainable", "pixelshuffle"] = "deconv"
    """How to come back up; `nontrainable` (linear) takes as long and stretches features at the rim."""

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        _check_groups(self.norm, self.groups, self.features)
        return self

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """16 on every axis."""
        return (16,) * dimensions

    def build(self, dimensions: int, out_channels: int) -> torch.nn.Module:
        """The network with fresh weights."""
        from monai.networks.nets import BasicUNet
        from monai.networks.nets.basic_unet import UpCat

        network: torch.nn.Module = BasicUNet(
            spatial_dims=dimensions,
            in_channels=1,
            out_channels=out_channels,
            features=self.features,
            norm=_norm(self.norm, self.groups),
            dropout=self.dropout,
            upsample=self.upsample,
        )
        for part in network.modules():
            if isinstance(part, UpCat):  # sizes are multiples of 16: padding would only copy, in float32
                part.is_pad = False
        return network


class DynUNetOptions(Architecture):
    """MONAI's DynUNet: strides of its own per level and axis, for voxels that are not cubes."""

    features: tuple[int, ...] = Field(default=(16, 32, 64, 128), min_length=2)
    """Features per level, from full resolution down."""
    strides: tuple[tuple[int, ...], ...] = ()
    """Step down into each level after the first, one number per axis; empty: 2 everywhere. For thick
    sections `[[1, 2, 2], [1, 2, 2], [2, 2, 2]]`: kernels stay flat until the voxels are about cubes."""
    norm: Literal["group", "instance", "batch"] = "group"
    """As in `UNetOptions`."""
    groups: int = Field(default=8, ge=1)
    """As in `UNetOptions`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of features dropped in training."""
    residual: bool = False
    """Blocks with a shortcut around them."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_groups(self.norm, self.groups, self.features)
        if self.strides and len(self.strides) != len(self.features) - 1:
            raise ValueError(f"{len(self.features)} levels need {len(self.features) - 1} strides")
        if any(step < 1 for stride in self.strides for step in stride):
            raise ValueError("strides must be 1 or more on every axis")
        return self

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """The product of the strides, per axis."""
        return tuple(math.prod(steps) for steps in zip(*self._strides(dimensions), strict=True))

    def build(self, dimensions: int, out_channels: int) -> torch.nn.Module:
        """The network with fresh weights."""
        from monai.networks.nets import DynUNet

        strides = self._strides(dimensions)
        network: torch.nn.Module = DynUNet(
            spatial_dims=dimensions,
            in_channels=1,
            out_channels=out_channels,
            kernel_size=self._kernels(dimensions),
            strides=[(1,) * dimensions, *strides],
            upsample_kernel_size=strides,
            filters=self.features,
            dropout=self.dropout or None,
            norm_name=_norm(self.norm, self.groups),
            res_block=self.residual,
        )
        return network

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


class OwnNetwork(Architecture):
    """A network by import path, called as `Name(in_channels, out_channels, **options)`."""

    path: str
    options: dict[str, Any]

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """Nothing is demanded."""
        return (1,) * dimensions

    def build(self, dimensions: int, out_channels: int) -> torch.nn.Module:  # noqa: ARG002
        """Import and call it; `SettingsError` when that is not possible or makes no `torch.nn.Module`."""
        import torch

        network = import_named(self.path)(1, out_channels, **self.options)
        if not isinstance(network, torch.nn.Module):
            raise SettingsError(
                f"{self.path} made a {type(network).__name__}; a network is a torch.nn.Module "
                "that maps [batch, 1, (z,) y, x] to [batch, class, (z,) y, x]"
            )
        return network


def _norm(kind: str, groups: int) -> tuple[str, dict[str, Any]]:
    """The norm in MONAI's words, always with weights of its own."""
    return kind, {"num_groups": groups} if kind == "group" else {"affine": True}


def _check_groups(norm: str, groups: int, features: tuple[int, ...]) -> None:
    if min(features) < 1:
        raise ValueError(f"features must be positive, not {list(features)}")
    if norm == "group" and any(n % groups for n in features):
        raise ValueError(f"every entry of features {list(features)} must be a multiple of groups = {groups}")
