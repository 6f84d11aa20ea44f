"""Labels taken apart as the scorer does it: what touches, what is tiny, what hangs by a corner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from organelle.errors import require_module

Array = np.ndarray[Any, np.dtype[Any]]

SPECK_VOXELS = 8
"""A component of fewer voxels is a speck: less than a cube of two voxels a side."""

SLAB_VOXELS = 1 << 24
"""Voxels that are looked up at once, which takes 8 bytes for each."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What becomes of instance labels when they are relabelled.

    Attributes:
        objects: 26-connected components of one value; each counts as an object.
        ids_in_pieces: distinct values with more than one component.
        specks: components of fewer than `SPECK_VOXELS` voxels.
        lone_voxels: those of them with one voxel.
        corner_joins: 6-connected pieces minus objects: what only an edge or a corner joins.
        merges: the same without pieces that are specks: places where two solid bodies become one object.
    """

    objects: int = 0
    ids_in_pieces: int = 0
    specks: int = 0
    lone_voxels: int = 0
    corner_joins: int = 0
    merges: int = 0


def take_apart(labels: Array) -> Pieces:
    """Count the pieces of `labels`, z y x; 0 is background, every NaN voxel a component of its own.

    Takes a pass for the components of each of the two connectivities, and two more.
    """
    from organelle.metrics import connected_components, overlap_table

    if not labels.any():
        return Pieces()
    components, objects = connected_components(labels)
    bodies, n_bodies = _bodies(components)
    shared = overlap_table(components, bodies, n_bodies)  # every body lies in one component
    sizes, solid = shared.truth_sizes, shared.truth[shared.voxels >= SPECK_VOXELS]
    return Pieces(
        objects=objects,
        ids_in_pieces=_repeated(_values(components, objects, labels)),
        specks=int(np.count_nonzero(sizes[1:] < SPECK_VOXELS)),
        lone_voxels=int(np.count_nonzero(sizes[1:] == 1)),
        corner_joins=n_bodies - objects,
        merges=len(solid) - len(np.unique(solid)),
    )


def distinct_ids(labels: Array) -> Array:
    """The values other than 0 and NaN, ascending."""
    if labels.dtype.kind == "f":
        values = np.unique(labels)
        return np.asarray(values[(values != 0) & ~np.isnan(values)])
    unique = require_module("fastremap", "score").unique
    values = np.asarray(unique(labels.view(np.uint8) if labels.dtype == bool else labels))
    return np.asarray(values[values != 0])


def fills_its_dtype(dtype: np.dtype[Any], largest: Any) -> bool:
    """Whether `largest` is the largest number that integers of 8 or 16 bits hold."""
    return dtype.kind in "iu" and dtype.itemsize < 4 and bool(largest == np.iinfo(dtype).max)


def _bodies(components: Array) -> tuple[Array, int]:
    """The components, taken apart where only edges or corners join them."""
    cc3d = require_module("cc3d", "score")
    bodies, count = cc3d.connected_components(components, connectivity=6, return_N=True)
    return bodies, int(count)


def _values(components: Array, count: int, labels: Array) -> Array:
    """[number - 1] the value that the voxels of each component have in `labels`."""
    values = np.zeros(count + 1, labels.dtype)
    for part in _slabs(components.shape):
        values[components[part]] = labels[part]
    return values[1:]


def _repeated(values: Array) -> int:
    """How many distinct values stand there more than once; NaN never does."""
    _, times = np.unique(values, return_counts=True, equal_nan=False)
    return int(np.count_nonzero(times > 1))


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices along z of about `SLAB_VOXELS` voxels."""
    height = max(1, SLAB_VOXELS // max(1, shape[1] * shape[2]))
    for z in range(0, shape[0], height):
        yield slice(z, z + height)
