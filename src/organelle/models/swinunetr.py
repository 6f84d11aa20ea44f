"""MONAI's SwinUNETR. Loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from organelle.errors import require_module
from organelle.models.architectures import LibraryCall, NormedArchitecture

if TYPE_CHECKING:
    import torch


class SwinUNETROptions(NormedArchitecture):
    """MONAI's SwinUNETR (Hatamizadeh et al. 2022): attention within shifting windows on the way down.

    It wants a GPU, and many more patches than a U-Net before it is as good.
    """

    axes_alike: ClassVar[bool] = True

    features: int = Field(default=24, ge=12, multiple_of=12)
    """Features at full resolution, a multiple of 12; each level down has twice as many."""
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    """Attention layers per level; even, so that windows and shifted windows take turns."""
    heads: tuple[int, int, int, int] = (3, 6, 12, 24)
    """Heads of the attention per level; each must divide the level's features."""
    window: int = Field(default=7, ge=2)
    """Size of the windows, in voxels of their level."""
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of attention weights dropped in training."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_features()
        if any(depth < 2 or depth % 2 for depth in self.depths):
            raise ValueError(f"depths must be even and positive, not {list(self.depths)}")
        for level, heads in enumerate(self.heads):
            if heads < 1 or self.features * 2**level % heads:
                raise ValueError(
                    f"heads: {heads} do not divide the {self.features * 2**level} features of their level"
                )
        return self

    @property
    def level_features(self) -> tuple[int, ...]:
        """Those of the first level; all others are multiples."""
        return (self.features,)

    @property
    def coarsest_features(self) -> int:
        """Sixteen times those at full resolution."""
        return 16 * self.features

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """32 on every axis."""
        return (32,) * dimensions

    def library_call(self, dimensions: int, out_channels: int, in_channels: int = 1) -> LibraryCall:
        """MONAI's own SwinUNETR."""
        arguments: dict[str, Any] = {
            "spatial_dims": dimensions,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "depths": self.depths,
            "num_heads": self.heads,
            "window_size": self.window,
            "feature_size": self.features,
            "norm_name": self.monai_norm,
            "drop_rate": self.dropout,
            "attn_drop_rate": self.attention_dropout,
        }
        return LibraryCall("monai.networks.nets", "SwinUNETR", arguments)

    def build(self, dimensions: int, out_channels: int, in_channels: int = 1) -> torch.nn.Module:
        """The network with fresh weights; `MissingExtra` without einops, which MONAI needs for it."""
        require_module("einops", "train")
        return self.library_call(dimensions, out_channels, in_channels).make()
