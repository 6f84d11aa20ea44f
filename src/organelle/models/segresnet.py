"""MONAI's SegResNet. Loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from organelle.models.architectures import LibraryCall, NormedArchitecture

if TYPE_CHECKING:
    import torch


class SegResNetOptions(NormedArchitecture):
    """MONAI's SegResNet (Myronenko 2018): residual blocks, more of them on the way down than up."""

    axes_alike: ClassVar[bool] = True

    features: int = Field(default=16, ge=1)
    """Features at full resolution; each level down has twice as many."""
    blocks_down: tuple[int, ...] = Field(default=(1, 2, 2, 4), min_length=2)
    """Residual blocks per level on the way down; as many entries as levels."""
    blocks_up: tuple[int, ...] = (1, 1, 1)
    """Residual blocks per level on the way up; one entry fewer."""
    upsample: Literal["deconv", "nontrainable", "pixelshuffle"] = "nontrainable"
    """How to come back up; `nontrainable` is linear."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_features()
        if min(self.blocks_down) < 1 or min(self.blocks_up, default=0) < 1:
            raise ValueError("every level needs at least one block")
        if len(self.blocks_up) != len(self.blocks_down) - 1:
            raise ValueError(
                f"{len(self.blocks_down)} levels down need {len(self.blocks_down) - 1} entries in blocks_up"
            )
        return self

    @property
    def level_features(self) -> tuple[int, ...]:
        """Those of the first level; all others are multiples."""
        return (self.features,)

    @property
    def coarsest_features(self) -> int:
        """Doubled at each level after the first."""
        return int(self.features * 2 ** len(self.blocks_up))

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """2 for each level after the first, on every axis."""
        return (2 ** len(self.blocks_up),) * dimensions

    def library_call(self, dimensions: int, out_channels: int, in_channels: int = 1) -> LibraryCall:
        """MONAI's own SegResNet."""
        arguments: dict[str, Any] = {
            "spatial_dims": dimensions,
            "init_filters": self.features,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "dropout_prob": self.dropout or None,
            "norm": self.monai_norm,
            "blocks_down": self.blocks_down,
            "blocks_up": self.blocks_up,
            "upsample_mode": self.upsample,
        }
        return LibraryCall("monai.networks.nets", "SegResNet", arguments)

    def build(self, dimensions: int, out_channels: int, in_channels: int = 1) -> torch.nn.Module:
        """The network with fresh weights."""
        return self.library_call(dimensions, out_channels, in_channels).make()
