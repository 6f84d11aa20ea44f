from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.catalog import load_catalog
from organelle.errors import GridMismatch
from organelle.geometry import TOLERANCE_VOXELS, Box, Extent, Grid

ints = st.integers(-40, 40)
sizes = st.integers(0, 25)
triple = st.tuples
boxes = st.builds(Box, triple(ints, ints, ints), triple(sizes, sizes, sizes))
full_boxes = st.builds(Box, triple(ints, ints, ints), triple(*[st.integers(1, 12)] * 3))
steps = triple(*[st.integers(1, 9)] * 3)
voxel = st.sampled_from([1.0, 1.62, 1.74, 2.28, 2.62, 3.24, 4.0, 4.6, 5.24, 8.0, 13.92, 50.0])
places = st.floats(-60_000, 60_000, allow_nan=False)
grids = st.builds(
    Grid, triple(voxel, voxel, voxel), triple(places, places, places), triple(*[st.integers(1, 40)] * 3)
)


def voxels_of(box: Box) -> set[tuple[int, ...]]:
    return set(product(*(range(a, b) for a, b in zip(box.start, box.stop, strict=True))))


@settings(deadline=None)
@given(full_boxes, steps)
def test_tiles_hold_every_voxel_once_and_lie_on_the_lattice(box: Box, step: tuple[int, int, int]) -> None:
    tiles = list(box.tiles(step))
    counted = Counter(voxel for tile in tiles for voxel in voxels_of(tile))
    assert set(counted) == voxels_of(box)
    assert set(counted.values()) == {1}
    for tile in tiles:
        low = [a // s for a, s in zip(tile.start, step, strict=True)]
        assert low == [(b - 1) // s for b, s in zip(tile.stop, step, strict=True)]
    assert [t.start for t in tiles] == sorted(t.start for t in tiles)


def test_an_empty_box_has_no_tiles() -> None:
    assert list(Box((3, 3, 3), (4, 0, 4)).tiles((2, 2, 2))) == []


@settings(deadline=None)
@given(boxes, boxes)
def test_intersection_and_union_are_those_of_the_voxels(a: Box, b: Box) -> None:
    both = a.intersect(b)
    assert both.size == max(0, both.size)
    assert a.contains(both)
    assert b.contains(both)
    assert a.union(b).contains(a)
    assert a.union(b).contains(b)
    ends = zip(a.start, a.stop, b.start, b.stop, strict=True)
    common = [max(0, min(q, s) - max(p, r)) for p, q, r, s in ends]
    assert both.size == np.prod(common)


def test_a_union_with_an_empty_box_adds_nothing() -> None:
    box = Box((1, 2, 3), (4, 5, 6))
    assert box.union(Box((90, 90, 90), (0, 1, 1))) == box
    assert Box((90, 90, 90), (0, 1, 1)).union(box) == box


@settings(deadline=None)
@given(full_boxes, steps)
def test_snap_is_the_smallest_box_on_the_lattice_around(box: Box, step: tuple[int, int, int]) -> None:
    outer = box.snap(step)
    assert outer.contains(box)
    for axis, s in enumerate(step):
        assert outer.start[axis] % s == outer.stop[axis] % s == 0
        assert box.start[axis] - outer.start[axis] < s
        assert outer.stop[axis] - box.stop[axis] < s


@settings(deadline=None)
@given(full_boxes, triple(ints, ints, ints))
def test_moving_there_and_back_changes_nothing(box: Box, by: tuple[int, int, int]) -> None:
    assert box.shift(by).shift([-d for d in by]) == box
    assert box.relative_to(box).start == (0, 0, 0)
    assert box.grow((1, 2, 3)).grow((-1, -2, -3)) == box
    assert box.grow((0, 0, 0), (5, 0, 0)).shape[0] == box.shape[0] + 5


def test_slices_pick_the_voxels_of_a_box_from_an_array_that_starts_elsewhere() -> None:
    array = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    assert array[Box((11, 22, 33), (2, 1, 3)).slices((10, 20, 30))].tolist() == array[1:3, 2:3, 3:6].tolist()
    with pytest.raises(GridMismatch, match="starts before"):
        Box((-1, 0, 0), (2, 2, 2)).slices()


@settings(deadline=None)
@given(grids, full_boxes)
def test_box_and_extent_are_inverse(grid: Grid, box: Box) -> None:
    for snap in ("exact", "outer", "inner"):
        assert grid.box_of(grid.extent_of(box), snap=snap) == box  # type: ignore[arg-type]


@settings(deadline=None)
@given(grids, full_boxes, st.floats(0.1, 0.9))
def test_extents_between_voxels_snap_outward_or_inward(grid: Grid, box: Box, part: float) -> None:
    extent = grid.extent_of(box).grow([part * v for v in grid.voxel_size_nm])
    assert grid.box_of(extent, snap="outer") == box.grow((1, 1, 1))
    assert grid.box_of(extent, snap="inner") == box
    with pytest.raises(GridMismatch, match="cuts through voxels"):
        grid.box_of(extent)


@settings(deadline=None)
@given(grids, triple(*[st.floats(-50, 50)] * 3))
def test_index_and_place_are_inverse(grid: Grid, index: tuple[float, float, float]) -> None:
    assert grid.to_index(grid.to_nm(index)) == pytest.approx(index, abs=1e-6)


@settings(deadline=None)
@given(grids, full_boxes)
def test_a_subgrid_is_found_again_on_its_lattice(grid: Grid, box: Box) -> None:
    assert grid.shift_to(grid.subgrid(box)) == box.start
    assert grid.subgrid(box).shape == box.shape
    assert grid.shares_lattice(grid.subgrid(box))


@settings(deadline=None)
@given(grids, st.integers(1, 4), full_boxes)
def test_levels_of_two_pyramids_on_one_lattice_are_whole_voxels_apart(
    grid: Grid, levels: int, box: Box
) -> None:
    """A label pyramid and an EM pyramid whose finest levels nest share a lattice at every level."""
    aligned = Box(box.snap([2**levels] * 3).start, box.shape)
    em, labels = grid, grid.subgrid(aligned)
    for level in range(1, levels + 1):
        em, labels = em.downsampled(), labels.downsampled()
        assert em.shift_to(labels) == tuple(a // 2**level for a in aligned.start)


@settings(deadline=None)
@given(grids)
def test_a_coarser_level_starts_at_the_same_corner(grid: Grid) -> None:
    coarse = grid.downsampled()
    assert coarse.extent.start_nm == pytest.approx(grid.extent.start_nm, abs=1e-6)
    assert coarse.shape == tuple(-(-n // 2) for n in grid.shape)
    for k in range(3):
        spare = coarse.extent.stop_nm[k] - grid.extent.stop_nm[k]
        assert -1e-6 <= spare <= grid.voxel_size_nm[k] + 1e-6


def test_the_levels_of_a_pyramid_follow_the_published_rule() -> None:
    """Level k: scale = v0 * 2^k, translation = t0 + v0 * (2^k - 1) / 2."""
    grid = Grid((5.24, 4.0, 4.0), (10.0, 20.0, 30.0), (64, 64, 64))
    level = grid
    for k in range(1, 5):
        level = level.downsampled()
        assert level.voxel_size_nm == pytest.approx([v * 2**k for v in grid.voxel_size_nm])
        expected = [t + v * (2**k - 1) / 2 for t, v in zip(grid.origin_nm, grid.voxel_size_nm, strict=True)]
        assert level.origin_nm == pytest.approx(expected)


@settings(deadline=None)
@given(grids, triple(voxel, voxel, voxel))
def test_a_rescaled_grid_covers_the_same_extent_with_less_than_a_voxel_to_spare(
    grid: Grid, size: tuple[float, float, float]
) -> None:
    other = grid.rescaled(size)
    for k in range(3):
        assert other.extent.start_nm[k] == pytest.approx(grid.extent.start_nm[k], abs=1e-6)
        spare = other.extent.stop_nm[k] - grid.extent.stop_nm[k]
        assert -TOLERANCE_VOXELS * size[k] - 1e-6 <= spare < size[k]


def test_the_first_voxel_reaches_half_a_voxel_before_its_centre() -> None:
    labels = Grid((2.0, 2.0, 2.0), (-1.0, 959.0, 33119.0), (4, 4, 4))
    em = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (100, 1000, 10000))
    assert labels.extent.start_nm == (-2.0, 958.0, 33118.0)
    assert em.box_of(labels.extent) == Box((0, 240, 8280), (2, 2, 2))


def test_every_crop_of_the_challenge_lies_on_the_lattice_of_its_em() -> None:
    """With translations read as voxel centres all 305 corners are corners of EM voxels; as corners few."""
    catalog = load_catalog()
    fits = {"centre": 0, "corner": 0}
    for crop in catalog.crops.values():
        finest = catalog.dataset(crop.dataset).em_voxel_size_nm
        assert finest is not None
        size = finest
        while any(e < v * (1 - 1e-4) for e, v in zip(size, crop.voxel_size_nm, strict=True)):
            size = (size[0] * 2, size[1] * 2, size[2] * 2)
        em = Grid(size, tuple((e - v) / 2 for e, v in zip(size, finest, strict=True)), (1, 1, 1))
        fits["centre"] += on_a_face(em, crop.extent.start_nm)
        fits["corner"] += on_a_face(Grid(size, tuple(e / 2 for e in size), (1, 1, 1)), crop.grid.origin_nm)
    assert fits["centre"] == 305
    assert fits["corner"] == 30


def on_a_face(grid: Grid, place: tuple[float, float, float]) -> bool:
    """Whether a place is a corner of voxels of the grid's lattice."""
    return all(abs(i + 0.5 - round(i + 0.5)) <= TOLERANCE_VOXELS for i in grid.to_index(place))


def test_extents_overlap_only_where_they_share_volume() -> None:
    a = Extent((0.0, 0.0, 0.0), (10.0, 10.0, 10.0))
    touching = Extent((10.0, 0.0, 0.0), (5.0, 5.0, 5.0))
    inside = Extent((9.0, 9.0, 9.0), (5.0, 5.0, 5.0))
    assert not a.overlaps(touching)
    assert a.overlaps(inside)
    assert inside.overlaps(a)
    assert a.intersect(inside).shape_nm == (1.0, 1.0, 1.0)
    assert a.centre_nm == (5.0, 5.0, 5.0)


@pytest.mark.parametrize(
    ("size", "origin", "shape"),
    [
        ((0.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, 1, 1)),
        ((1.0, -1.0, 1.0), (0.0, 0.0, 0.0), (1, 1, 1)),
        ((1.0, float("nan"), 1.0), (0.0, 0.0, 0.0), (1, 1, 1)),
        ((1.0, 1.0, 1.0), (0.0, float("inf"), 0.0), (1, 1, 1)),
        ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1, -1, 1)),
        ((1.0, 1.0), (0.0, 0.0, 0.0), (1, 1, 1)),
    ],
)
def test_impossible_grids_are_refused(size, origin, shape) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GridMismatch):
        Grid(size, origin, shape)


def test_lattices_that_do_not_fit_say_why() -> None:
    grid = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (4, 4, 4))
    with pytest.raises(GridMismatch, match="resample one of them"):
        grid.shift_to(Grid((8.0, 8.0, 8.0), (2.0, 2.0, 2.0), (4, 4, 4)))
    with pytest.raises(GridMismatch, match="not a whole number"):
        grid.shift_to(Grid((4.0, 4.0, 4.0), (1.0, 0.0, 0.0), (4, 4, 4)))
    assert not grid.shares_lattice(Grid((4.0, 4.0, 4.0), (1.0, 0.0, 0.0), (4, 4, 4)))


def test_a_negative_box_is_refused() -> None:
    with pytest.raises(GridMismatch, match="sizes >= 0"):
        Box((0, 0, 0), (1, -1, 1))
