"""A recipe on arrays in memory: the same steps as over blocks, with one block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.classes import Kind, kind_of
from organelle.geometry import Box, Nm
from organelle.process.objects import Cut, LabelBlocks, fill_holes, find_objects, grow_back
from organelle.process.recipes import Recipe


def apply_recipe(
    probabilities: Mapping[str, NDArray[np.floating[Any]]],
    class_name: str,
    recipe: Recipe,
    voxel_size_nm: Nm,
) -> NDArray[np.uint32]:
    """What `process` would store for a class: ids 1..N in the order of their first voxel, or 0 and 1.

    Args:
        probabilities: from 0 to 1, z y x, of the class and of those that its recipe subtracts.
        class_name: which.
        recipe: how.
        voxel_size_nm: z, y, x.

    Raises:
        KeyError: a class that the recipe subtracts is not among `probabilities`.
    """
    own = probabilities[class_name] >= recipe.threshold
    kept = own.copy()
    for name in recipe.minus:
        kept &= probabilities[name] < recipe.minus_threshold
    is_instance = kind_of(class_name) is Kind.INSTANCE
    if not (is_instance or recipe.needs_objects):
        return kept.astype(np.uint32)
    z, y, x = own.shape
    cut = Cut((z, y, x), (z, y, x))
    volume = voxel_size_nm[0] * voxel_size_nm[1] * voxel_size_nm[2]
    found = find_objects(
        lambda box: kept[box.slices()], cut, recipe.min_volume_nm3 / volume, recipe.connectivity
    )
    labels = _whole(found.blocks, own)
    if not is_instance:
        labels = (labels > 0).astype(np.uint32)
    if recipe.fill_holes:
        before = labels
        labels = _whole(fill_holes(lambda box: _padded(before, box), cut), own)
    if recipe.grow_nm:
        filled = labels
        grown = grow_back(
            lambda box: filled[box.slices()],
            lambda box: own[box.slices()],
            cut,
            recipe.grow_nm,
            voxel_size_nm,
        )
        labels = _whole(grown, own)
    return labels


def _whole(blocks: LabelBlocks, like: NDArray[Any]) -> NDArray[np.uint32]:
    labels = np.zeros(like.shape, np.uint32)
    for box, part in blocks:
        labels[box.slices()] = part
    return labels


def _padded(labels: NDArray[np.uint32], box: Box) -> NDArray[np.uint32]:
    """The labels in a box that may reach outside, where they are 0."""
    z, y, x = labels.shape
    inside = box.intersect(Box((0, 0, 0), (z, y, x)))
    result = np.zeros(box.shape, np.uint32)
    if not inside.is_empty:
        result[inside.slices(box.start)] = labels[inside.slices()]
    return result
