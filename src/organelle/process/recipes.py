"""How each class becomes objects or a mask: the section `[process]` of an experiment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, create_model, field_validator, model_validator

from organelle.blocks import Connectivity
from organelle.classes import Kind, all_classes, class_named, kind_of, sort_classes
from organelle.errors import OrganelleError, SettingsError
from organelle.geometry import Voxels
from organelle.process.defaults import BUILT_IN, BUILT_IN_PARTS
from organelle.process.parts import (
    Components,
    Content,
    FillHoles,
    Grow,
    MinVolume,
    OwnPart,
    Part,
    Subtract,
    Threshold,
    make_part,
)
from organelle.process.parts.base import ClassNames
from organelle.settings import Settings


def _part(table: Any) -> Part:
    try:
        return make_part(table)
    except OrganelleError as error:
        raise ValueError(str(error)) from None


class Recipe(Settings):
    """From the probabilities of one class to its objects (instance classes) or its mask (semantic ones).

    Either `parts` says the steps one by one, or the other keys do, in this order: foreground by `threshold`;
    without the foreground of the classes `minus`; connected pieces become objects; those under
    `min_volume_nm3` are dropped; holes are filled; objects grow back over the foreground by up to `grow_nm`.
    """

    threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}}
    )
    """A voxel belongs to the class from this probability on; where a sigmoid changes its mind."""
    minus: ClassNames = ()
    """Classes whose foreground cuts objects apart, e.g. `pm` for `cell`; they must be predicted too."""
    minus_threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}}
    )
    """The probability from which on a class of `minus` cuts; lower cuts thicker."""
    connectivity: Connectivity = 26
    """Neighbours that make one piece: 26 across faces, edges and corners, as the metric counts; 6 across
    faces only, so that a cut one voxel thin does not leak at its corners."""
    min_volume_nm3: float = Field(
        default=0, ge=0, json_schema_extra={"tune": {"low": 1e3, "high": 1e8, "log": True}}
    )
    """Smaller objects are dropped (measured after the cut, before growing back); a semantic class loses its
    small pieces. 0 keeps everything: what is a speck depends on the class."""
    fill_holes: bool = Field(default=False, json_schema_extra={"tune": {"choices": [False, True]}})
    """Fill cavities that are closed within the crop and border on one object only."""
    grow_nm: float = Field(
        default=0, ge=0, le=2000, json_schema_extra={"tune": {"low": 0, "high": 200, "log": False}}
    )
    """How far objects grow back over the class's foreground, over what `minus` cut and what was dropped;
    each voxel goes to the nearest object. Half the thickness of the cut is enough; 0: not at all."""
    parts: tuple[Annotated[SerializeAsAny[Part], BeforeValidator(_part)], ...] = ()
    """The steps one by one, instead of all other keys: `[[process.mito.parts]]` tables with `part = "NAME"`
    and its parameters, or `part = "package.module:Name"` for one of your own."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        steps = self.model_fields_set & FLAT
        if self.parts and steps:
            raise ValueError(
                f"parts stand instead of {', '.join(sorted(steps))}; say these as parts, or leave parts out"
            )
        _check_chain(self.parts)
        return self

    def steps(self, class_name: str) -> tuple[Part, ...]:
        """The parts that are applied for a class, one after the other, to its probabilities."""
        return self.parts or tuple(self._flat(kind_of(class_name)))

    def _flat(self, kind: Kind) -> Iterator[Part]:
        yield Threshold(threshold=self.threshold)
        if self.minus:
            yield Subtract(classes=self.minus, threshold=self.minus_threshold)
        if kind is Kind.INSTANCE:
            yield Components(connectivity=self.connectivity)
        if self.min_volume_nm3:
            yield MinVolume(volume_nm3=self.min_volume_nm3, connectivity=self.connectivity)
        if self.fill_holes:
            yield FillHoles()
        if self.grow_nm:
            yield Grow(distance_nm=self.grow_nm, threshold=self.threshold)

    def reads(self, class_name: str) -> tuple[str, ...]:
        """The classes whose probabilities are needed, the class itself first."""
        return tuple(dict.fromkeys([class_name, *(n for part in self.steps(class_name) for n in part.reads)]))

    def needs(self, class_name: str) -> set[str]:
        """The classes that must be predicted: those that are read, and those whose objects are used."""
        return {*self.reads(class_name), *self.uses(class_name)}

    def uses(self, class_name: str) -> tuple[str, ...]:
        """The classes whose finished objects are needed."""
        return tuple(dict.fromkeys(n for part in self.steps(class_name) for n in part.uses))


FLAT = frozenset(Recipe.model_fields) - {"parts"}
"""The keys that `parts` stand for."""


def _check_chain(parts: Sequence[Part]) -> None:
    """Raise `ValueError` if a part does not take what the one before it gives."""
    content: Content | None = "probabilities"
    for number, part in enumerate(parts):
        if content and content not in part.takes:
            raise ValueError(
                f"{part.part} (number {number + 1} of the parts) takes {' or '.join(part.takes)}, and gets "
                f"{content}; {NEEDED[part.takes[-1]]}"
            )
        content = None if isinstance(part, OwnPart) else part.gives or content
    if parts and content == "probabilities":
        raise ValueError(f"the last part, {parts[-1].part}, gives probabilities; {NEEDED['mask']}")


NEEDED: dict[Content, str] = {
    "probabilities": "it comes before threshold or hysteresis",
    "mask": "threshold or hysteresis make a mask of probabilities",
    "labels": "threshold and components make labels of probabilities",
}


if TYPE_CHECKING:
    _RecipePerClass = Recipe
else:
    _RecipePerClass = create_model(
        "_RecipePerClass", __base__=Recipe, **{c.name: (Recipe, Recipe()) for c in all_classes()}
    )


class ProcessSettings(_RecipePerClass):
    """`[process]` holds what is true for every class, `[process.mito]` what is special about mito."""

    block_shape: Voxels = (128, 256, 256)
    """How the work is cut (z, y, x): memory is about 40 bytes per voxel of a block. Changes no result."""

    alone_voxels: int = Field(default=2**29, ge=0)
    """A class of a crop or region of up to so many voxels is made by one worker; all workers make a larger
    one together, block by block. Changes no result."""

    most_pieces: int = Field(default=2_000_000, ge=1000)
    """A recipe is stopped when more connected pieces than this are found where they are specks (more than one
    for 1000 voxels); each takes about 100 bytes of memory."""

    @field_validator("block_shape")
    @classmethod
    def _not_empty(cls, shape: Voxels) -> Voxels:
        if min(shape) < 1:
            raise ValueError("a block has three sizes >= 1, in the order z, y, x")
        return shape

    def recipe(self, class_name: str, predicted: Collection[str] = ()) -> Recipe:
        """The complete recipe of a class.

        What `[process.CLASS]` says counts first, then what `[process]` says, then what is built in. Parts
        stand for a whole recipe: they are never mixed with keys that are said elsewhere.

        Args:
            class_name: which.
            predicted: the classes whose probabilities are there: of several built-in recipes the first is
                taken that needs no other. Without them it is the one that needs none.

        Raises:
            ClassNotFound: not a class.
            SettingsError: a class that is to be subtracted from itself, and the like.
        """
        recipe = self._chosen(class_named(class_name).name, predicted)
        try:
            for part in recipe.steps(class_name):
                part.check(class_name)
        except SettingsError as error:
            raise SettingsError(f"[process.{class_name}] {error}") from None
        return recipe

    def recipe_within(self, class_name: str, predicted: Collection[str]) -> Recipe:
        """The recipe of a class, or the nearest to it that needs none but the classes predicted.

        Of `minus` the others are left out; instead of parts that need others, or finished objects, there
        is what is built in.
        """
        recipe = self.recipe(class_name, predicted)
        if not recipe.needs(class_name) - set(predicted) and not recipe.uses(class_name):
            return recipe
        if recipe.parts:
            return Recipe(**BUILT_IN.get(class_name, {}))
        return recipe.model_copy(update={"minus": tuple(n for n in recipe.minus if n in predicted)})

    def simpler_than(self, class_name: str, recipe: Recipe) -> tuple[str, ...]:
        """The classes that a better built-in recipe needs; none if the recipe is the best, or your own."""
        built_in = [Recipe.model_validate({"parts": parts}) for parts in BUILT_IN_PARTS.get(class_name, ())]
        if recipe not in built_in[1:] or getattr(self, class_name).parts or self.parts:
            return ()
        return sort_classes(built_in[0].needs(class_name) - recipe.needs(class_name))

    def _chosen(self, class_name: str, predicted: Collection[str]) -> Recipe:
        special: Recipe = getattr(self, class_name)
        general = {key: getattr(self, key) for key in self.model_fields_set & Recipe.model_fields.keys()}
        own = {key: getattr(special, key) for key in special.model_fields_set}
        if special.parts:
            return special
        if self.parts and not own:
            return Recipe(parts=self.parts)
        general.pop("parts", None)
        if not general and not own:
            for parts in BUILT_IN_PARTS.get(class_name, ()):
                recipe = Recipe.model_validate({"parts": parts})
                if recipe.needs(class_name) <= {class_name, *predicted}:
                    return recipe
        return Recipe(**{**BUILT_IN.get(class_name, {}), **general, **own})
