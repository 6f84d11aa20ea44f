"""What a network is made for: classes, voxel size, patch grid, normalisation. Loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from organelle.classes import class_named
from organelle.errors import OrganelleError
from organelle.geometry import Nm, Voxels
from organelle.models.context import check_context
from organelle.models.normalisation import Normalisation
from organelle.models.outputs import AnyTarget, Channel, channels_of
from organelle.models.registry import architecture, dimensions_of
from organelle.settings import Settings


class ModelSettings(Settings):
    """The section `[model]` of an experiment."""

    network: str
    """A built-in network (`unet`, `resunet`, `dynunet`, `segresnet` or `swinunetr`, followed by `_3d` or
    `_2d`), or `package.module:Name`, which is called as `Name(in_channels, out_channels, **options)`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that network; `csc models NAME` shows those of a built-in one."""
    classes: tuple[str, ...] = Field(min_length=1)
    """What the network tells apart: one output channel per class, in this order."""
    voxel_size_nm: Nm
    """Voxel size (z, y, x) of input and output; EM and labels are resampled to it where they differ."""
    patch_shape: Voxels
    """What the network sees at once; one axis of size 1 makes it a 2D network on planes across that axis."""
    stride: Voxels = Field(default_factory=lambda given: _three_quarters(given["patch_shape"]))
    """Step of the patch grid in prediction; three quarters of the patch let the rims overlap."""

    context: tuple[int, ...] = ()
    """What the network is shown beside the patch: `[4]` adds an image of the same size about the same centre
    at voxels four times as large, for organelles that a patch is too small for; `[4, 16]` adds two."""

    targets: tuple[AnyTarget, ...] = ()
    """What else the network tells of a class than its mask: `[[model.targets]]` with `kind`, `class` and the
    keys of that kind."""
    start_from: Path | None = None
    """Checkpoint whose weights training starts from, relative to the experiment's file: of the same network,
    for the same or other classes. Classes that it knows keep their last layer; all others start afresh."""

    @field_validator("classes")
    @classmethod
    def _known_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for name in classes:
                class_named(name)
        except OrganelleError as error:
            raise ValueError(str(error)) from None
        if twice := sorted({name for name in classes if classes.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} listed more than once")
        return classes

    @field_validator("voxel_size_nm")
    @classmethod
    def _positive_sizes(cls, size: Nm) -> Nm:
        if not all(0 < v < float("inf") for v in size):
            raise ValueError("a voxel has three positive finite sizes in nm, in the order z, y, x")
        return size

    @field_validator("patch_shape")
    @classmethod
    def _flat_once(cls, shape: Voxels) -> Voxels:
        if min(shape) < 1 or shape.count(1) > 1:
            raise ValueError("a patch has three sizes >= 1 (z, y, x), at most one of them 1 (2D)")
        return shape

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_stride(self.patch_shape, self.stride)
        check_context(self.context, self.voxel_size_nm, self.patch_shape, self.stride)
        try:
            names = [channel.name for channel in self.channels]
            wanted = dimensions_of(self.network)
            network = architecture(self.network, self.options)
        except OrganelleError as error:
            raise ValueError(str(error)) from None
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)}: more than one channel of this name")
        if foreign := [t.class_name for t in self.targets if t.class_name not in self.classes]:
            raise ValueError(f"targets of {', '.join(foreign)} need the class among `classes`, too")
        if wanted not in (None, self.dimensions):
            raise ValueError(
                f"{self.network} is a {wanted}D network, but patch_shape {list(self.patch_shape)} "
                f"is {self.dimensions}D (2D has one axis of size 1)"
            )
        if reason := network.refusal(self.spatial_shape):
            raise ValueError(f"{self.network} {reason}")
        return self

    @property
    def in_channels(self) -> int:
        """What the network is shown: EM at its voxel size, then one channel per entry of `context`."""
        return 1 + len(self.context)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What the network gives, in order: the masks of `classes`, then those of `targets`."""
        return channels_of(self.classes, self.targets)

    @property
    def flat_axis(self) -> int | None:
        """The axis of size 1 of a 2D patch, which the network does not see; None in 3D."""
        return self.patch_shape.index(1) if 1 in self.patch_shape else None

    @property
    def dimensions(self) -> int:
        """2 or 3: how many axes the network sees."""
        return 3 if self.flat_axis is None else 2

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """The patch as the network sees it: without the flat axis."""
        return tuple(n for axis, n in enumerate(self.patch_shape) if axis != self.flat_axis)

    def with_normalisation(self, normalisation: Normalisation) -> ModelSpec:
        """The complete spec, once the training crops' grey values are known; where it started is left out."""
        return ModelSpec.model_validate(
            {**self.model_dump(exclude={"start_from"}), "normalisation": normalisation}
        )


class ModelSpec(ModelSettings):
    """All that is needed to use a network's weights; every checkpoint carries one."""

    normalisation: Normalisation
    """How grey values become input, fixed at the start of training."""


def _three_quarters(shape: Voxels) -> Voxels:
    z, y, x = (max(1, n * 3 // 4) for n in shape)
    return z, y, x


def _check_stride(patch: Voxels, stride: Voxels) -> None:
    if any(not 1 <= s <= n for s, n in zip(stride, patch, strict=True)):
        raise ValueError(
            f"stride {list(stride)} must be between 1 and patch_shape {list(patch)} on every axis: "
            "a longer step would leave gaps"
        )
