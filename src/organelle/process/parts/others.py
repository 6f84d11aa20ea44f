"""What the other classes say: union, subtraction, restriction, competition, consistency."""

from __future__ import annotations

from functools import reduce
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from organelle.classes import class_named
from organelle.errors import SettingsError
from organelle.geometry import Box
from organelle.process.grow import reach, within
from organelle.process.layers import Array, Layer
from organelle.process.parts.base import ClassName, ClassNames, Part
from organelle.process.site import Site


class Union(Part):
    """The larger of the class's probability and those of others: what it is made of, or looks like."""

    takes = ("probabilities",)
    part: Literal["union"] = "union"
    classes: ClassNames = Field(min_length=1)
    """The others."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The others."""
        return self.classes

    def apply(self, layer: Layer, site: Site) -> Layer:
        """The maximum, voxel by voxel."""
        return largest([layer, *(site.probability(name) for name in self.classes)])


class Subtract(Part):
    """Without the foreground of other classes, which cuts objects apart: `pm` for `cell`."""

    takes = ("mask", "labels")
    part: Literal["subtract"] = "subtract"
    classes: ClassNames = Field(min_length=1)
    """The others."""
    threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}}
    )
    """The probability from which on they cut; lower cuts thicker."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The others."""
        return self.classes

    def check(self, class_name: str) -> None:
        """A class minus itself is nothing."""
        if class_name in self.classes:
            raise SettingsError(f"nothing is left of {class_name} minus itself")

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Clear what reaches the threshold in one of the others."""
        for name in self.classes:
            layer = clear(layer, site.probability(name).at_least(self.threshold))
        return layer


class Restrict(Part):
    """Only where another class is, or only where it is not, give or take some nanometres."""

    takes = ("probabilities", "mask", "labels")
    part: Literal["restrict"] = "restrict"
    to: ClassName
    """The other class."""
    outside: bool = False
    """Keep what is outside of the other class instead of what is in it."""
    threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}}
    )
    """The probability from which on the other class is there; not used if `finished`."""
    grow_nm: float = Field(
        default=0, ge=0, le=1000, json_schema_extra={"tune": {"low": 0, "high": 100, "log": False}}
    )
    """Voxels within this distance of the other class count as being in it."""
    finished: bool = False
    """Take the other class as its own recipe leaves it; it is then processed first."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The other class, unless it is wanted finished."""
        return () if self.finished else (self.to,)

    @property
    def uses(self) -> tuple[str, ...]:
        """The other class, if it is wanted finished."""
        return (self.to,) if self.finished else ()

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Clear all others."""
        there = site.probability(self.to).at_least(self.threshold) if not self.finished else self._made(site)
        size, distance = site.voxel_size_nm, self.grow_nm
        if distance:
            there = there.around(reach(distance, size), lambda mask: within(mask, distance, size), bool)
        return clear(layer, there if self.outside else there.map(np.logical_not, bool))

    def _made(self, site: Site) -> Layer:
        return site.objects(self.to).map(lambda labels: labels > 0, bool)


class Compete(Part):
    """A voxel goes to the most probable of classes that exclude each other; of equals to the first.

    "First" is the order of the table of classes. Where another class wins the probability becomes 0.
    """

    takes = ("probabilities",)
    part: Literal["compete"] = "compete"
    against: ClassNames = Field(min_length=1)
    """The other classes."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The other classes."""
        return self.against

    def check(self, class_name: str) -> None:
        """Only classes of which no voxel can be both."""
        for name in self.against:
            if not class_named(class_name).excludes(class_named(name)):
                raise SettingsError(f"{class_name} and {name} can be in one voxel, and do not compete")

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Compare, voxel by voxel."""
        own = class_named(site.class_name).id
        rivals = [(class_named(name).id < own, site.probability(name)) for name in self.against]

        def inside(box: Box) -> Array:
            values = layer.inside(box)
            lost = np.zeros(values.shape, bool)
            for first, rival in rivals:
                lost |= rival.inside(box) >= values if first else rival.inside(box) > values
            return np.where(lost, 0, values)

        return Layer(layer.shape, layer.dtype, inside, layer.costly)


class Consistent(Part):
    """A class is where its members are, and only where its groups are.

    The probability is raised to that of each member and lowered to that of each group.
    """

    takes = ("probabilities",)
    part: Literal["consistent"] = "consistent"
    members: ClassNames = ()
    """Classes whose presence implies this one: `mito_lum` for `mito`."""
    groups: ClassNames = ()
    """Classes that are present wherever this one is: `mito` for `mito_lum`."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.members and not self.groups:
            raise ValueError("consistent needs members, groups or both")
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """Members and groups."""
        return (*self.members, *self.groups)

    def check(self, class_name: str) -> None:
        """What the table of classes says must allow it."""
        own = class_named(class_name)
        for lower, higher in [
            *((class_named(name), own) for name in self.members),
            *((own, class_named(name)) for name in self.groups),
        ]:
            if lower is higher or not lower.implies(higher):
                raise SettingsError(f"{lower.name} is no member of {higher.name}")

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Maximum, then minimum, voxel by voxel."""
        raised = largest([layer, *(site.probability(name) for name in self.members)])
        return _combined([raised, *(site.probability(name) for name in self.groups)], np.minimum)


def largest(layers: list[Layer]) -> Layer:
    """The largest of several probabilities."""
    return _combined(layers, np.maximum)


def clear(layer: Layer, where: Layer) -> Layer:
    """A layer that is 0 where a mask is true."""

    def inside(box: Box) -> Array:
        values, gone = layer.inside(box), where.inside(box)
        return np.greater(values, gone) if layer.is_mask else np.where(gone, layer.dtype.type(0), values)

    return Layer(layer.shape, layer.dtype, inside, layer.costly or where.costly)


def _combined(layers: list[Layer], into: np.ufunc) -> Layer:
    def inside(box: Box) -> Array:
        return reduce(lambda a, b: np.asarray(into(a, b)), (layer.inside(box) for layer in layers))

    return Layer(layers[0].shape, layers[0].dtype, inside, any(layer.costly for layer in layers))
