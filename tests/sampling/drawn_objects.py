"""Small crowds of objects that touch each other, with ids that no 32 bits hold."""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from organelle.geometry import Nm
from organelle.sampling.targets import TargetInput

SIZES: tuple[Nm, ...] = ((8.0, 8.0, 8.0), (5.24, 4.0, 4.0), (30.0, 3.4, 3.4))
SHAPES = ((9, 8, 10), (1, 13, 12), (12, 1, 9), (6, 14, 1), (3, 2, 7))


def draw_ids(shape: tuple[int, ...], seed: int, objects: int = 6) -> NDArray[np.uint64]:
    """Connected objects around drawn places, with background between some of them."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, shape, (objects, 3))
    voxels = np.moveaxis(np.indices(shape), 0, -1)[..., None, :]
    squares = np.square(voxels - places).sum(-1)
    cells = np.where(squares.min(-1) < rng.integers(4, 30), squares.argmin(-1) + 1, 0)
    cells[rng.random(shape) < 0.02] = 0
    parts = cc3d.connected_components(cells.astype(np.uint32), connectivity=6)
    numbers = rng.permutation(int(parts.max()) + 1) + np.uint64(2**40)
    return np.where(parts > 0, numbers.astype(np.uint64)[parts], np.uint64(0))


@st.composite
def truths(draw: st.DrawFn, *, hidden: bool = True) -> TargetInput:
    """A class in a patch, some of it unknown."""
    shape, size = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(SIZES))
    seed = draw(st.integers(0, 2**16))
    ids = draw_ids(shape, seed)
    known = np.ones(shape, bool)
    if hidden and draw(st.booleans()):
        known = np.random.default_rng(seed).random(shape) < draw(st.sampled_from((0.5, 0.9, 0.99)))
    if hidden and draw(st.booleans()):
        known[:, : shape[1] // 3] = False
    return TargetInput(ids > 0, known, size, ids)


def without_ids(truth: TargetInput) -> TargetInput:
    """The same class with its objects forgotten."""
    return TargetInput(truth.present, truth.known, truth.voxel_size_nm)


def positions(shape: tuple[int, ...], size: Nm) -> NDArray[Any]:
    """Centres of all voxels in nm, [voxel, 3]."""
    return np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3) * np.array(size)
