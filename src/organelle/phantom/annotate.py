"""What an annotator would have drawn: labels of one crop, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from organelle.classes import Kind, class_named, kind_of
from organelle.geometry import Box, Grid
from organelle.metrics import connected_components

UNKNOWN = 255

SMALLEST_PIECE_NM3 = 20_000.0
"""Pieces of objects below this volume, cut off by a crop's face or a smudge, are left unknown."""


@dataclass(frozen=True)
class Specimen:
    """The finished tissue of one crop, on the crop's grid.

    Attributes:
        grid: Where the arrays lie.
        leaf: Leaf class of every voxel.
        cell: Number of the cell of every voxel, 0 outside.
        object: Number of the mitochondrion, vesicle, pore, ... of every voxel, 0 elsewhere.
        unclear: Where nothing can be recognised.
    """

    grid: Grid
    leaf: npt.NDArray[np.uint8]
    cell: npt.NDArray[np.uint16]
    object: npt.NDArray[np.uint32]
    unclear: npt.NDArray[np.bool_]

    def cut(self, box: Box) -> Specimen:
        """The part in `box`, counted from this specimen's first voxel."""
        here = box.slices()
        arrays = (self.leaf[here], self.cell[here], self.object[here], self.unclear[here])
        return Specimen(self.grid.subgrid(box), *arrays)

    def labels(self, class_name: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Labels of one class and which voxels of them are known.

        Semantic classes are 0 and 1, instances 0 and 1 to N in the order of their first voxel, each one
        connected piece. What is not known is 0.
        """
        known = ~self.unclear
        present = _is_one_of(self.leaf, class_name) & known
        if kind_of(class_name) is not Kind.INSTANCE:
            return present.astype(np.uint8), known
        numbers = self.cell if class_name in ("cell", "nuc") else self.object
        pieces, _ = connected_components(np.where(present, numbers, 0))
        large = np.bincount(pieces.ravel()) * self.grid.voxel_volume_nm3 >= SMALLEST_PIECE_NM3
        large[0] = False
        labels = np.where(large, np.cumsum(large), 0)[pieces]
        known = known & ~(present & (labels == 0))
        return labels.astype(np.min_scalar_type(int(labels.max()))), known

    def annotation(self, class_name: str) -> npt.NDArray[Any]:
        """Labels as they are stored for training: unknown voxels are 255, and no object has that id."""
        labels, known = self.labels(class_name)
        if kind_of(class_name) is Kind.INSTANCE:
            labels = labels.astype(np.uint32)
            labels += labels >= UNKNOWN
            labels = labels.astype(np.min_scalar_type(max(int(labels.max()), UNKNOWN)))
        labels[~known] = UNKNOWN
        return labels

    def finest(self, class_names: tuple[str, ...]) -> npt.NDArray[np.uint8]:
        """Per voxel the id of the finest of these classes, 0 where none is annotated."""
        result = np.zeros(self.leaf.shape, np.uint8)
        for name in sorted(class_names, key=lambda name: -len(class_named(name).members)):
            result[_is_one_of(self.leaf, name)] = class_named(name).id
        result[self.unclear] = 0
        return result


def _is_one_of(leaf: npt.NDArray[np.uint8], class_name: str) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[list(class_named(class_name).ids)] = True
    return table[leaf]
