"""Connected pieces and their sizes: components, volumes, the largest piece of each id."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from organelle.blocks import Connectivity
from organelle.process.layers import Array, Layer
from organelle.process.objects import Joined, Pieces, Tally, find_pieces, tally
from organelle.process.parts.base import Part
from organelle.process.site import Site

Chosen = tuple[Array, NDArray[np.int64]]
"""Ids, and the voxels of each."""
DENSE = 1_000_000
"""Numbers that may go unused in a table that is looked up by id."""
ADVICE = "Raise the threshold, or smooth before it"


def pieces_of(layer: Layer, site: Site, connectivity: Connectivity, part: str) -> Pieces:
    """The connected pieces of a mask, or of each id."""
    return find_pieces(lambda box: (layer.runs(box), None), site, connectivity, part=part, advice=ADVICE)


class Components(Part):
    """Connected pieces become objects, numbered by their first voxel; touching ids stay apart."""

    takes = ("mask", "labels")
    gives = "labels"
    part: Literal["components"] = "components"
    connectivity: Connectivity = 26
    """Neighbours that make one piece: 26 across faces, edges and corners, as the metric counts; 6 across
    faces only, so that a cut one voxel thin does not leak at its corners."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Label each block, and join across faces."""
        return pieces_of(layer, site, self.connectivity, self.part).chosen()


class _BySize(Part):
    """Drops what is too small or too large, and numbers the rest anew."""

    takes = ("mask", "labels")
    connectivity: Connectivity = 26
    """Neighbours that make one piece of a mask; labels are counted by id, in one piece or several."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Of a mask the pieces are measured, of labels the ids, which are numbered anew in their order."""
        if layer.is_mask:
            pieces = pieces_of(layer, site, self.connectivity, self.part)
            return pieces.named(lambda: self._fits(pieces.joined.sizes, site), bool)
        if layer.sizes is not None:
            known = layer.sizes
            return rename(layer, site, lambda: self._choose(np.flatnonzero(known), known, site))
        layer, found = tally(layer, site)
        return rename(layer, site, lambda: self._choose_of(found.ids, found.sizes, site))

    def _choose(self, ids: Array, sizes: NDArray[np.int64], site: Site) -> Chosen:
        """Of `sizes` by id."""
        return self._choose_of(ids.astype(np.uint32), sizes[ids], site)

    def _choose_of(self, ids: Array, sizes: NDArray[np.int64], site: Site) -> Chosen:
        fits = self._fits(sizes, site)
        return ids[fits], sizes[fits]

    @abstractmethod
    def _fits(self, sizes: NDArray[np.int64], site: Site) -> NDArray[np.bool_]:
        """Which of these numbers of voxels stay; 0 does not."""


class MinVolume(_BySize):
    """Smaller objects are dropped; of a mask, smaller pieces."""

    part: Literal["min_volume"] = "min_volume"
    volume_nm3: float = Field(ge=0, json_schema_extra={"tune": {"low": 1e3, "high": 1e8, "log": True}})
    """The smallest volume that stays."""

    def _fits(self, sizes: NDArray[np.int64], site: Site) -> NDArray[np.bool_]:
        return (sizes >= self.volume_nm3 / site.voxel_volume_nm3) & (sizes > 0)


class MaxVolume(_BySize):
    """Larger objects are dropped; of a mask, larger pieces."""

    part: Literal["max_volume"] = "max_volume"
    volume_nm3: float = Field(gt=0, json_schema_extra={"tune": {"low": 1e5, "high": 1e11, "log": True}})
    """The largest volume that stays."""

    def _fits(self, sizes: NDArray[np.int64], site: Site) -> NDArray[np.bool_]:
        return (sizes <= self.volume_nm3 / site.voxel_volume_nm3) & (sizes > 0)


class KeepLargest(Part):
    """Of each id only its largest connected piece stays (of a mask: of all); of equals the first."""

    takes = ("mask", "labels")
    part: Literal["keep_largest"] = "keep_largest"
    connectivity: Connectivity = 26
    """Neighbours that make one piece."""

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Pieces of each id; ids stay what they are."""
        pieces = pieces_of(layer, site, self.connectivity, self.part)
        return pieces.named(lambda: _largest(pieces.joined), layer.dtype)


def _largest(joined: Joined) -> Array:
    """For each piece the value it consists of, 0 unless it is the largest of this value."""
    sizes, values = joined.sizes, joined.values
    order = np.lexsort((np.arange(len(sizes)), -sizes, values))
    first = np.ones(len(order), bool)
    first[1:] = values[order[1:]] != values[order[:-1]]
    names = np.zeros_like(values)
    names[order[first]] = values[order[first]]
    return names


class Renumber(Part):
    """Ids become 1..N in the order of their first voxel (z, y, x; x fastest)."""

    takes = ("labels",)
    part: Literal["renumber"] = "renumber"

    def apply(self, layer: Layer, site: Site) -> Layer:
        """Look up the first voxel of each id."""
        return renumber(*tally(layer, site), site)


def renumber(layer: Layer, found: Tally, site: Site) -> Layer:
    """The ids of a layer become 1..N in the order of their first voxel."""

    def choose() -> Chosen:
        order = np.argsort(found.first)
        return found.ids[order], found.sizes[order]

    return rename(layer, site, choose)


def rename(layer: Layer, site: Site, choose: Callable[[], Chosen]) -> Layer:
    """The ids chosen become 1, 2, ... in that order, with these sizes; all others become background."""
    names = site.once(lambda: Names.of(*choose()))
    return layer.renamed(names).with_sizes(names.sizes)


@dataclass(frozen=True, eq=False)
class Names:
    """New ids by the old ones.

    Attributes:
        table: the new id of each old one, and a 0; empty if the old ones lie too far apart.
        known: the old ids, in order.
        new: what they become.
        sizes: voxels of each new id, by id (0 at index 0).
    """

    table: NDArray[np.uint32]
    known: Array
    new: NDArray[np.uint32]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, ids: Array, sizes: NDArray[np.int64]) -> Names:
        """1, 2, ... for `ids` in their order."""
        order = np.argsort(ids)
        known, new = ids[order], (order + 1).astype(np.uint32)
        highest = int(known[-1]) if len(known) else 0
        table = np.empty(0, np.uint32)
        if highest <= 2 * len(known) + DENSE:
            table = np.zeros(highest + 2, np.uint32)
            table[known] = new
        return cls(table, known, new, np.concatenate([[0], sizes]))

    def __call__(self, values: Array) -> Array:
        """The new ids of an array of old ones."""
        if len(self.table):
            return np.asarray(self.table[np.minimum(values, len(self.table) - 1)])
        place = np.minimum(np.searchsorted(self.known, values), len(self.known) - 1)
        return np.where(self.known[place] == values, self.new[place], 0)
