"""MONAI's U-Nets of one stride: the basic one, and the one of residual units. Loads no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from organelle.models.architectures import LibraryCall, NormedArchitecture

if TYPE_CHECKING:
    import torch


class UNetOptions(NormedArchitecture):
    """MONAI's BasicUNet: four steps down, the first level at full resolution."""

    axes_alike: ClassVar[bool] = True

    features: tuple[int, int, int, int, int, int] = (16, 16, 32, 64, 128, 16)
    """Features of the five levels, then those before the output; the default suits two CPU cores."""
    upsample: Literal["deconv", "nontrainable", "pixelshuffle"] = "deconv"
    """How to come back up; `nontrainable` (linear) takes as long and stretches features at the rim."""

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        self.check_features()
        return self

    @property
    def level_features(self) -> tuple[int, ...]:
        """As given."""
        return self.features

    @property
    def coarsest_features(self) -> int:
        """The second last: the last stands before the output."""
        return self.features[-2]

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """16 on every axis."""
        return (16,) * dimensions

    def library_call(self, dimensions: int, out_channels: int, in_channels: int = 1) -> LibraryCall:
        """MONAI's own BasicUNet."""
        arguments = {
            "spatial_dims": dimensions,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "features": self.features,
            "norm": self.monai_norm,
            "dropout": self.dropout,
            "upsample": self.upsample,
        }
        return LibraryCall("monai.networks.nets", "BasicUNet", arguments)

    def build(self, dimensions: int, out_channels: int, in_channels: int = 1) -> torch.nn.Module:
        """The network with fresh weights."""
        network = self.library_call(dimensions, out_channels, in_channels).make()
        from monai.networks.nets.basic_unet import UpCat

        for part in network.modules():
            if isinstance(part, UpCat):  # sizes are multiples of 16: padding would only copy, in float32
                part.is_pad = False
        return network


class ResUNetOptions(NormedArchitecture):
    """MONAI's UNet: strided convolutions down, units with a shortcut, and a linear layer for the classes.

    Its first level is at half resolution: quicker and with a wider view than `unet`, less exact at outlines.
    """

    axes_alike: ClassVar[bool] = True

    features: tuple[int, ...] = Field(default=(16, 32, 64, 128), min_length=2)
    """Features per level, from half resolution down; the last two share a resolution."""
    units: int = Field(default=2, ge=1)
    """Convolutions within each unit."""

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        self.check_features()
        return self

    @property
    def level_features(self) -> tuple[int, ...]:
        """As given."""
        return self.features

    @property
    def coarsest_features(self) -> int:
        """The fewer of the two levels at the coarsest resolution."""
        return min(self.features[-2:])

    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """2 for each level but the last, on every axis."""
        return (2 ** (len(self.features) - 1),) * dimensions

    def build(self, dimensions: int, out_channels: int, in_channels: int = 1) -> torch.nn.Module:
        """The network with fresh weights; its last layer is ours, for MONAI's would normalise the classes."""
        import torch
        from monai.networks.blocks import ADN, Convolution
        from monai.networks.nets import UNet

        first = self.features[0]
        body = UNet(
            spatial_dims=dimensions,
            in_channels=in_channels,
            out_channels=first,
            channels=self.features,
            strides=(2,) * (len(self.features) - 1),
            num_res_units=self.units,
            norm=self.monai_norm,
            dropout=self.dropout,
        )
        between = ADN("NA", in_channels=first, act="PRELU", norm=self.monai_norm, norm_dim=dimensions)
        classes = Convolution(dimensions, first, out_channels, kernel_size=1, conv_only=True)
        return torch.nn.Sequential(body, between, classes)
