"""How each class becomes objects or a mask: the section `[process]` of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, field_validator

from organelle.blocks import Connectivity
from organelle.classes import all_classes, class_named
from organelle.errors import OrganelleError, SettingsError
from organelle.geometry import Voxels
from organelle.settings import Settings


class Recipe(Settings):
    """From the probabilities of one class to its objects (instance classes) or its mask (semantic ones).

    The steps, in this order: foreground by `threshold`; without the foreground of the classes `minus`;
    connected pieces become objects; those under `min_volume_nm3` are
    dropped; holes are filled; objects grow back over the foreground by up to `grow_nm`.
    """

    threshold: float = Field(default=0.5, gt=0, le=1)
    """A voxel belongs to the class from this probability on; where a sigmoid changes its mind."""
    minus: tuple[str, ...] = ()
    """Classes whose foreground cuts objects apart, e.g. `pm` for `cell`; they must be predicted too."""
    minus_threshold: float = Field(default=0.5, gt=0, le=1)
    """The probability from which on a class of `minus` cuts; lower cuts thicker."""
    connectivity: Connectivity = 26
    """Neighbours that make one piece: 26 across faces, edges and corners, as the metric counts; 6 across
    faces only, so that a cut one voxel thin does not leak at its corners."""
    min_volume_nm3: float = Field(default=0, ge=0)
    """Smaller objects are dropped (measured after the cut, before growing back); a semantic class loses its
    small pieces. 0 keeps everything: what is a speck depends on the class."""
    fill_holes: bool = False
    """Fill cavities that are closed within the crop and border on one object only."""
    grow_nm: float = Field(default=0, ge=0, le=2000)
    """How far objects grow back over the class's foreground, over what `minus` cut and what was dropped;
    each voxel goes to the nearest object. Half the thickness of the cut is enough; 0: not at all."""

    @field_validator("minus")
    @classmethod
    def _known_classes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for name in names:
                class_named(name)
        except OrganelleError as error:
            raise ValueError(str(error)) from None
        return names

    @property
    def needs_objects(self) -> bool:
        """Whether more than a comparison per voxel has to be done for a mask."""
        return self.min_volume_nm3 > 0 or self.fill_holes or self.grow_nm > 0


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

    @field_validator("block_shape")
    @classmethod
    def _not_empty(cls, shape: Voxels) -> Voxels:
        if min(shape) < 1:
            raise ValueError("a block has three sizes >= 1, in the order z, y, x")
        return shape

    def recipe(self, class_name: str) -> Recipe:
        """The complete recipe of a class.

        What `[process.CLASS]` says counts first, then what `[process]` says, then what is built in.

        Raises:
            ClassNotFound: not a class.
            SettingsError: a class that is to be subtracted from itself.
        """
        general = {key: getattr(self, key) for key in self.model_fields_set & Recipe.model_fields.keys()}
        special: Recipe = getattr(self, class_named(class_name).name)
        own = {key: getattr(special, key) for key in special.model_fields_set}
        recipe = Recipe(**{**BUILT_IN.get(class_name, {}), **general, **own})
        if class_name in recipe.minus:
            raise SettingsError(f"[process.{class_name}] minus: nothing is left of {class_name} minus itself")
        return recipe


BUILT_IN: dict[str, dict[str, Any]] = {
    # Sizes: about a tenth of a small specimen of the class, since a crop's face may cut off the rest.
    "nuc": {"min_volume_nm3": 1e8},  # several micrometres across; this is a cube of 464 nm
    "ves": {"min_volume_nm3": 5e3},  # spheres of 40 nm and more: 34,000 nm3
    "endo": {"min_volume_nm3": 1e5},  # spheres of 120 nm and more: 900,000 nm3
    "lyso": {"min_volume_nm3": 5e5},  # 200 nm and more: 4,200,000 nm3
    "ld": {"min_volume_nm3": 5e5},  # droplets of 200 nm and more
    "perox": {"min_volume_nm3": 5e5},  # 200 nm and more
    "mito": {"min_volume_nm3": 2e6},  # tubes 200 nm thick, 500 nm and longer: 16,000,000 nm3
    "np": {"min_volume_nm3": 4e4},  # discs 100 nm wide and 50 nm high: 390,000 nm3
    "mt": {"min_volume_nm3": 2.5e4},  # tubes 25 nm thick: 50 nm of their length
    # Thin neurites count: a cube of 46 nm. Membranes are thin too, whence 6 neighbours.
    "cell": {"min_volume_nm3": 1e5, "connectivity": 6},
}
"""What is known about the size of the ten instance classes."""
