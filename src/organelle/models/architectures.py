"""What every kind of network has: its options, the patches that it takes, how it is built. Loads no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from organelle.settings import Settings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LibraryCall:
    """How a library makes a network: `from module import name; name(**arguments)`."""

    module: str
    name: str
    arguments: Mapping[str, Any]

    def make(self) -> torch.nn.Module:
        """The network with fresh weights, drawn from torch's global generator."""
        network: torch.nn.Module = getattr(import_module(self.module), self.name)(**self.arguments)
        return network


class Architecture(Settings, ABC):
    """A kind of network together with its options.

    What it builds maps float32 [batch, channel, (z,) y, x] to logits [batch, class, (z,) y, x] of the same
    size. A network with deep supervision does so in evaluation mode; in training mode it gives a tuple,
    finest first: those logits, then logits [batch, class, ...] at coarser and coarser resolutions, each of
    a size that divides the one before. `organelle.models.supervised_outputs` reads both forms.
    """

    axes_alike: ClassVar[bool] = False
    """Whether it does the same along every axis, in 2D as in 3D."""

    @abstractmethod
    def divisor(self, dimensions: int) -> tuple[int, ...]:
        """The numbers that the patch sizes must be multiples of, per axis that the network sees."""

    @abstractmethod
    def build(self, dimensions: int, out_channels: int, in_channels: int = 1) -> torch.nn.Module:
        """The network with fresh weights: `out_channels` logits of `in_channels` images, same size."""

    def library_call(
        self,
        dimensions: int,  # noqa: ARG002
        out_channels: int,  # noqa: ARG002
        in_channels: int = 1,  # noqa: ARG002
    ) -> LibraryCall | None:
        """How a library alone makes a network that takes the weights and gives the same logits, if it can."""
        return None

    def refusal(self, shape: tuple[int, ...]) -> str | None:
        """Why patches of this size (without the flat axis) cannot be used; None when they can."""
        divisor = self.divisor(len(shape))
        if not any(n % d for n, d in zip(shape, divisor, strict=True)):
            return None
        near = [max(d, round(n / d) * d) for n, d in zip(shape, divisor, strict=True)]
        return (
            f"halves its input repeatedly and needs sizes divisible by {list(divisor)}, "
            f"not {list(shape)}; nearest: {near}"
        )


class NormedArchitecture(Architecture):
    """A network of convolutions, each followed by a norm."""

    norm: Literal["group", "instance", "batch"] = "group"
    """Group norm keeps the grey level of a patch, which instance norm wipes out, and suits small batches."""
    groups: int = Field(default=8, ge=1)
    """Groups of the group norm; every number of features must be a multiple."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of features dropped in training."""

    @property
    @abstractmethod
    def level_features(self) -> tuple[int, ...]:
        """All numbers of features that are normalised."""

    @property
    @abstractmethod
    def coarsest_features(self) -> int:
        """Features at the coarsest level."""

    @property
    def monai_norm(self) -> tuple[str, dict[str, Any]]:
        """The norm in MONAI's words, always with weights of its own."""
        return self.norm, {"num_groups": self.groups} if self.norm == "group" else {"affine": True}

    def refusal(self, shape: tuple[int, ...]) -> str | None:
        """Sizes that do not divide, and patches so small that a norm would see one value only."""
        voxels = prod(n // d for n, d in zip(shape, self.divisor(len(shape)), strict=True))
        together = self.coarsest_features // self.groups if self.norm == "group" else 1
        if (reason := super().refusal(shape)) or voxels * together > 1:
            return reason
        return (
            f"would normalise single values at its coarsest level in patches of {list(shape)}; "
            "double the patch along one axis, or take another norm or fewer groups"
        )

    def check_features(self) -> None:
        """Raise `ValueError` unless all numbers of features are positive and fit the groups."""
        features = self.level_features
        if min(features) < 1:
            raise ValueError(f"features must be positive, not {list(features)}")
        if self.norm == "group" and any(n % self.groups for n in features):
            raise ValueError(
                f"every entry of features {list(features)} must be a multiple of groups = {self.groups}"
            )
