"""What needs whole objects: growing back, and one vote per object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from organelle.classes import class_named
from organelle.errors import SettingsError
from organelle.geometry import Box
from organelle.process.grow import grow, reach
from organelle.process.layers import Array, Layer
from organelle.process.objects import tally
from organelle.process.parts.base import ClassNames, Part
from organelle.process.parts.pieces import Chosen, rename
from organelle.process.site import Site

Leads = tuple[Array, NDArray[np.int64]]
"""Ids in order, and a sum for each."""
FINE = 2**20
"""Probabilities are added up as whole numbers of this part, so that no order of blocks can matter."""


class Grow(Part):
    """Objects grow over the class's foreground, each voxel to the nearest; of equals to the smallest id."""

    takes = ("mask", "labels")
    part: Literal["grow"] = "grow"
    distance_nm: float = Field(
        gt=0, le=2000, json_schema_extra={"tune": {"low": 4, "high": 200, "log": True}}
    )
    """How far; half the thickness of what cut them apart is enough."""
    threshold: float = Field(
        default=0.5, gt=0, le=1, json_schema_extra={"tune": {"low": 0.1, "high": 0.9, "log": False}}
    )
    """The probability of the class from which on a voxel is foreground."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Look as far around as objects grow."""
        allowed = site.probability(site.class_name).at_least(self.threshold)
        size, distance = site.voxel_size_nm, self.distance_nm
        margin = reach(distance, size)

        def inside(box: Box) -> Array:
            around = box.grow(margin).intersect(layer.box)
            labels = layer.inside(around)
            within = box.slices(around.start)
            where = np.zeros(labels.shape, bool)
            where[within] = allowed.inside(box)
            return grow(labels.astype(np.uint32), where, distance, size)[within].astype(layer.dtype)

        return Layer(layer.shape, layer.dtype, inside, costly=True, count=layer.count)


class Vote(Part):
    """An object stays if its class is more probable over it, on average, than each look-alike.

    Give each of the look-alikes the same recipe, starting with the `union` of them: then every object is
    found by each of them, and goes to one.
    """

    takes = ("labels",)
    part: Literal["vote"] = "vote"
    against: ClassNames = Field(min_length=1)
    """The look-alikes: `endo` for `lyso`. Of equals the first in the table of classes wins."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The look-alikes."""
        return self.against

    def check(self, class_name: str) -> None:
        """A class does not vote against itself."""
        if class_name in self.against:
            raise SettingsError(f"{class_name} cannot vote against itself")

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Add up by how much each rival is ahead, over each object."""
        kept, found = tally(layer, site)
        leads = {name: site.each(_leads(kept, site, name)) for name in self.against}

        def choose() -> Chosen:
            stays = np.ones(len(found.ids), bool)
            for name, blocks in leads.items():
                ahead = _add_up(blocks, found.ids)
                first = class_named(site.class_name).id < class_named(name).id
                stays &= ahead >= 0 if first else ahead > 0
            return found.ids[stays], found.sizes[stays]

        return rename(kept, site, choose)


def _leads(layer: Layer, site: Site, rival: str) -> Callable[[Box], Leads]:
    """By how much the site's class is ahead of another over the objects of a block."""
    from organelle.process.kernels import add_leads

    own, other = site.probability(site.class_name), site.probability(rival)

    def leads(box: Box) -> Leads:
        labels = layer.read(box).ravel()
        ids = np.unique(layer.runs(box).values)
        ids = ids[ids > 0]
        if not len(ids):
            return ids, np.zeros(0, np.int64)
        first, last = int(ids[0]), int(ids[-1])
        if last - first > len(labels):  # too far apart for a table
            labels = np.where(labels > 0, np.searchsorted(ids, labels) + 1, 0).astype(labels.dtype)
            first, last = 1, len(ids)
        lead = np.zeros(last - first + 1, np.int64)
        add_leads(labels, _flat(own, box), _flat(other, box), np.float64(FINE), first, lead)
        return ids, lead if len(lead) == len(ids) else lead[ids - first]

    return leads


def _add_up(blocks: Iterable[tuple[Box, Leads]], ids: Array) -> NDArray[np.int64]:
    """The leads of all blocks, for each of `ids`."""
    total = np.zeros(len(ids), np.int64)
    for _, (some, lead) in blocks:
        total[np.searchsorted(ids, some)] += lead
    return total


def _flat(layer: Layer, box: Box) -> Array:
    return np.ascontiguousarray(layer.read(box), np.float32).ravel()
