"""What the channels of a network mean, and the settings that choose them. Loads no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from organelle.classes import class_named
from organelle.errors import OrganelleError, SettingsError
from organelle.geometry import Voxels
from organelle.models.importing import import_named
from organelle.settings import Settings

Activation = Literal["sigmoid", "tanh", "none"]


@dataclass(frozen=True)
class Channel:
    """One output of a network.

    Attributes:
        name: `mito` for the mask of a class, `mito/distance` and the like for what is more than that.
        values: `probability`, where truth is 0 or 1, or `amount`, where it is a number.
        activation: what makes the network's output into that; the loss and prediction apply it.
        weight: how much the channel counts in the mean of losses.
        offset: step (z, y, x in voxels) from a voxel to its partner, where the channel tells the same of
            both, as an affinity does; None where it tells of the voxel alone and stays true when EM is turned
            or mirrored. Averages over turned patches go by it.
    """

    name: str
    values: Literal["probability", "amount"] = "probability"
    activation: Activation = "sigmoid"
    weight: float = 1.0
    offset: Voxels | None = None


class TargetSettings(Settings, ABC):
    """What all targets have in common."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    class_name: Annotated[str, Field(alias="class")]
    """The class that is to be learned in this form, written `class` in the file."""
    weight: float = Field(default=1.0, gt=0)
    """How much it counts in the mean of losses, a class's mask counting 1; its channels share it."""

    @field_validator("class_name")
    @classmethod
    def _known_class(cls, name: str) -> str:
        try:
            class_named(name)
        except OrganelleError as error:
            raise ValueError(str(error)) from None
        return name

    @property
    @abstractmethod
    def channels(self) -> tuple[Channel, ...]:
        """The outputs that it takes, in order."""


class MaskSettings(TargetSettings):
    """Whether a voxel belongs to the class."""

    kind: Literal["mask"] = "mask"
    """0 or 1."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One, called like the class."""
        return (Channel(self.class_name, weight=self.weight),)


class DistanceSettings(TargetSettings):
    """Signed distance to the surface, as tanh(distance / scale): positive inside."""

    kind: Literal["distance"] = "distance"
    """-1 to 1."""
    scale_nm: float = Field(default=50.0, gt=0)
    """Distance at which the target is 0.76."""
    limit_nm: float = Field(default_factory=lambda given: 2 * given["scale_nm"], gt=0)
    """Larger distances are taken to be this. The nearer it is, the more of a patch's rim is known."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One, `CLASS/distance`."""
        return (Channel(f"{self.class_name}/distance", "amount", "tanh", self.weight),)


class BoundarySettings(TargetSettings):
    """The rim of each object: its voxels that are near to another object or to background."""

    kind: Literal["boundary"] = "boundary"
    """0 or 1."""
    width_nm: float = Field(default=20.0, gt=0)
    """Voxels of an object whose distance to the nearest voxel that is not part of it is at most this."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One, `CLASS/boundary`."""
        return (Channel(f"{self.class_name}/boundary", weight=self.weight),)


class CentreSettings(TargetSettings):
    """How near a voxel is to the centre of its object: a Gaussian in each object, 0 outside of all."""

    kind: Literal["centre"] = "centre"
    """0 to 1."""
    sigma_nm: float = Field(default=100.0, gt=0)
    """Width of the Gaussian: at this distance from the centre it is 0.61."""

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One, `CLASS/centre`."""
        return (Channel(f"{self.class_name}/centre", "amount", "sigmoid", self.weight),)


class AffinitySettings(TargetSettings):
    """Whether two voxels belong to one object."""

    kind: Literal["affinities"] = "affinities"
    """0 or 1 for each offset."""
    offsets: tuple[Voxels, ...] = Field(default=((1, 0, 0), (0, 1, 0), (0, 0, 1)), min_length=1)
    """Steps z, y, x in voxels from a voxel to its partner."""

    @field_validator("offsets")
    @classmethod
    def _different_steps(cls, offsets: tuple[Voxels, ...]) -> tuple[Voxels, ...]:
        if (0, 0, 0) in offsets or len(set(offsets)) < len(offsets):
            raise ValueError("each offset leads to another voxel and is listed once")
        return offsets

    @property
    def channels(self) -> tuple[Channel, ...]:
        """One per offset, `CLASS/affinity_Z_Y_X`."""
        weight = self.weight / len(self.offsets)
        return tuple(
            Channel(f"{self.class_name}/affinity_{'_'.join(map(str, o))}", weight=weight, offset=o)
            for o in self.offsets
        )


class OwnTargetSettings(TargetSettings):
    """A target of your own."""

    kind: Literal["own"] = "own"
    """What its channels say."""
    target: str
    """Import path `package.module:Name`, called as `Name(class_name, **options)`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that target."""

    def build(self) -> Any:
        """Import and make it.

        Raises:
            NotFound: no such module or name; nearest names offered.
            SettingsError: it does not take the options, cannot be called, or has no channels.
        """
        kind = import_named(self.target)
        try:
            target = kind(self.class_name, **self.options)
        except TypeError as error:
            raise SettingsError(f"{self.target} cannot be made with {self.options}: {error}") from error
        if not (callable(target) and _names_channels(target, self.class_name)):
            raise SettingsError(
                f"{self.target} made a {type(target).__name__} that is no target; a target can be called "
                "with a TargetInput, and its `channels` are a tuple of organelle.models.outputs.Channel, "
                f"each called {self.class_name}/SOMETHING"
            )
        return target

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those that the target itself names."""
        channels: tuple[Channel, ...] = self.build().channels
        return channels


AnyTarget = Annotated[
    MaskSettings
    | DistanceSettings
    | BoundarySettings
    | CentreSettings
    | AffinitySettings
    | OwnTargetSettings,
    Field(discriminator="kind"),
]
"""An entry of `[[model.targets]]`, told apart by its `kind`."""


def channels_of(classes: Sequence[str], targets: Sequence[TargetSettings] = ()) -> tuple[Channel, ...]:
    """The channels of a network: the masks of `classes`, then those of `targets`, each in order."""
    return (*map(Channel, classes), *(channel for target in targets for channel in target.channels))


def _names_channels(target: Any, class_name: str) -> bool:
    """Whether an own target says what it makes, and takes no other's names."""
    channels = getattr(target, "channels", None)
    return (
        isinstance(channels, tuple)
        and len(channels) > 0
        and all(isinstance(c, Channel) and c.name.startswith(f"{class_name}/") for c in channels)
    )
