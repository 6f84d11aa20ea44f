"""A recipe on arrays in memory: the same steps as over blocks, with one block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm, Voxels
from organelle.process.follow import follow
from organelle.process.layers import Layer
from organelle.process.recipes import Recipe
from organelle.process.scratch import Cut
from organelle.process.site import Site


def apply_recipe(
    probabilities: Mapping[str, NDArray[np.floating[Any]]],
    class_name: str,
    recipe: Recipe,
    voxel_size_nm: Nm,
    *,
    objects: Mapping[str, NDArray[np.uint32]] | None = None,
    first_voxel: Voxels = (0, 0, 0),
    limit: int | None = None,
) -> NDArray[np.uint32]:
    """What `process` would store for a class: ids 1..N in the order of their first voxel, or 0 and 1.

    Args:
        probabilities: from 0 to 1, z y x, of the class and of those that its recipe reads.
        class_name: which.
        recipe: how.
        voxel_size_nm: z, y, x.
        objects: finished objects of the classes that its recipe uses.
        first_voxel: of the arrays on the dataset's lattice, where tiles begin.
        limit: pieces that may be found where they are specks; None: any number.

    Raises:
        KeyError: a class that the recipe reads or uses is not there.
        RecipeError: the parts do not fit together, or there are more pieces than the limit.
    """
    z, y, x = probabilities[class_name].shape
    made = objects or {}
    site = Site(
        class_name,
        Cut((z, y, x), (max(1, z), max(1, y), max(1, x))),
        voxel_size_nm,
        probability=lambda name: Layer.of(probabilities[name]),
        objects=lambda name: Layer.of(made[name]),
        first_voxel=first_voxel,
        limit=limit,
    )
    layer = follow(recipe, site).layer
    return np.array(layer.read(layer.box), np.uint32)
