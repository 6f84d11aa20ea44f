"""What goes into a target and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Nm
from organelle.models.outputs import Channel


@dataclass(frozen=True, eq=False)
class TargetInput:
    """The truth of one class in a patch; all arrays have the patch's shape (z, y, x).

    A patch with one axis of size 1 is a plane: targets then look at distances and neighbours in that plane,
    and what lies before and behind it is no business of theirs.
    """

    present: NDArray[np.bool_]
    """Where the class is known to be."""
    known: NDArray[np.bool_]
    """Where `present` and `ids` mean anything."""
    voxel_size_nm: Nm
    """Edges of a voxel (z, y, x)."""
    ids: NDArray[Any] | None = None
    """Objects by number, uint32 or uint64, 0 for none; None where only the class is known."""

    def objects(self) -> NDArray[Any]:
        """Ids of known voxels, else 0; without `ids` the whole class is object 1."""
        if self.ids is None:
            return (self.present & self.known).astype(np.uint8)
        return self.ids if self.known.all() else np.where(self.known, self.ids, self.ids.dtype.type(0))


@dataclass(frozen=True, eq=False)
class TargetValues:
    """One or more channels of truth, shape [channel, z, y, x]."""

    values: NDArray[np.float32]
    """Truth; of no meaning where it is unknown, but finite."""
    known: NDArray[np.bool_]
    """The same shape: where `values` can be relied on."""


class Target(Protocol):
    """A form in which a class is learned; write your own and name it by import path.

    An own one is made once per run as `Name(class_name, **options)`, then called for every patch, in
    several threads at a time.
    """

    @property
    def class_name(self) -> str:
        """The class whose truth it is called with."""
        ...

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What it makes, in order."""
        ...

    def __call__(self, truth: TargetInput) -> TargetValues:
        """The channels of one patch, float32 and bool, shape [channel, z, y, x]."""
        ...
