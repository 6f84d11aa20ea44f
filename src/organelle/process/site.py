"""Where a recipe is followed: the volume, its blocks, and what a part may read and keep there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike

from organelle.errors import RecipeError
from organelle.geometry import Box, Nm, Voxels
from organelle.process.layers import Array, Layer
from organelle.process.runs import Runs
from organelle.process.scratch import Cut, Name, NameIn, Scratch, Store
from organelle.process.steps import Alone, Steps

T = TypeVar("T")
Find = Callable[[str], Layer]

SPECKS = 0.001
"""More pieces per voxel than this are specks: fewer than 1000 voxels of the volume for each."""


@dataclass(frozen=True)
class Site:
    """One class of one volume.

    Attributes:
        class_name: whose recipe is followed.
        cut: the volume and its blocks.
        voxel_size_nm: z, y, x.
        probability: the probabilities of a class, as float32 from 0 to 1; `KeyError` if there are none.
        objects: the finished objects or mask of another class (uint32); `KeyError` if there are none.
        first_voxel: the volume's first voxel on the dataset's lattice, where tiles begin.
        scratch: where layers are kept.
        steps: who carries steps out.
        title: of class and volume, for messages.
        limit: pieces that may be found where they are specks; None: any number.
    """

    class_name: str
    cut: Cut
    voxel_size_nm: Nm
    probability: Find
    objects: Find
    first_voxel: Voxels = (0, 0, 0)
    scratch: Scratch = field(default_factory=Scratch)
    steps: Steps = field(default_factory=Alone)
    title: str = ""
    limit: int | None = None

    @property
    def voxel_volume_nm3(self) -> float:
        """Of one voxel."""
        z, y, x = self.voxel_size_nm
        return z * y * x

    def each(self, work: Callable[[Box], T], cut: Cut | None = None) -> Iterable[tuple[Box, T]]:
        """What `work` gives for each block, in the order of the blocks: of the site's cut, or another.

        `work` reads layers and may write its own block of a store, and nothing else: blocks may be worked on
        at the same time, by other processes. What it gives is small, and can be pickled. Go through it inside
        of `once`, and only there: elsewhere each of these processes would.
        """
        return self.steps.each(cut or self.cut, work)

    def once(self, make: Callable[[], T]) -> T:
        """What `make` brings together of the results of `each`: records and arrays that can be pickled.

        It is made by one process, and read by all; arrays in it are not to be changed.
        """
        return self.steps.once(make)

    def store(self, dtype: DTypeLike, cut: Cut | None = None) -> Store:
        """A place for the blocks of a layer, those of the site's cut or of another; `layer_of` reads it."""
        return self.scratch.store(cut or self.cut, dtype)

    def draw(self, values: Callable[[Box], Array], dtype: DTypeLike, cut: Cut | None = None) -> Layer:
        """A layer of what `values` gives for each block, as by `each`: computed now and kept."""
        store = self.store(dtype, cut)
        self.steps.do(store.cut, lambda box: store.write(box, values(box)))
        return layer_of(store)

    def keep(self, layer: Layer) -> Layer:
        """The same layer, computed now and kept."""
        return replace(self.draw(layer.read, layer.dtype), sizes=layer.sizes, count=layer.count)

    def gather(self, blocks: Iterable[tuple[Box, Array]], dtype: DTypeLike, cut: Cut | None = None) -> Layer:
        """A layer of blocks: all or some of those of the site's cut, or of another; the others are 0.

        One process goes through `blocks`: `draw` is better where blocks do not need each other.
        """
        store = self.store(dtype, cut)
        self.once(lambda: store.fill(blocks))
        return layer_of(store)

    def settle(self, layer: Layer) -> Layer:
        """The layer for a part that reads it more than once: kept if it is costly to compute."""
        return self.keep(layer) if layer.costly else layer

    def check(self, part: str, pieces: int, voxels: int, advice: str) -> None:
        """Stop a recipe that makes specks; `voxels`: of the blocks in which the pieces were found.

        Raises:
            RecipeError: there are more than the site's limit, and more than one for 1000 voxels.
        """
        if self.limit is not None and pieces > max(self.limit, SPECKS * voxels):
            raise RecipeError(
                f"{self.title or self.class_name}: {part} found {pieces:,} pieces in the first {voxels:,} "
                f"voxels, one per {voxels // pieces}: specks, on which it was stopped. {advice}; or let it "
                "have more with most_pieces in [process]"
            )


def layer_of(store: Store) -> Layer:
    """What is kept in a store, as a layer."""
    if store.dtype.kind in "bu":
        return StoredLabels.make(store)
    return Layer(store.cut.shape, store.dtype, store.read)


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredLabels(Layer):
    """Labels or a mask in a store: they are renamed run by run, when they are read.

    Attributes:
        store: where they lie.
        name_in: what the values of a block become; None: what they are.
    """

    store: Store
    name_in: NameIn | None = None

    @classmethod
    def make(
        cls,
        store: Store,
        name_in: NameIn | None = None,
        dtype: DTypeLike | None = None,
    ) -> StoredLabels:
        """The labels of a store under other names."""
        kind = np.dtype(dtype or store.dtype)
        shape = store.cut.shape
        return cls(shape, kind, lambda box: store.read(box, kind, name_in), store=store, name_in=name_in)

    def runs(self, box: Box) -> Runs:
        """A mask or labels in a box as runs; those of a whole block are not drawn first."""
        block = self.store.block(box.start)
        if not isinstance(block, Runs) or block.shape != box.shape:
            return super().runs(box)
        values = self.name_in(box.start)(block.values) if self.name_in else block.values
        return replace(block, values=np.asarray(values, np.uint8 if self.is_mask else self.dtype))

    def renamed(self, name: Name, dtype: DTypeLike = np.uint32) -> Layer:
        """Labels with every id replaced; `name` takes an array of ids of any shape and leaves 0 as it is."""
        before = self.name_in

        def name_in(block: Voxels) -> Name:
            named = before(block) if before else None
            return (lambda values: name(named(values))) if named else name

        return StoredLabels.make(self.store, name_in, dtype)
