"""Groups of crops that share volume are those of the slow way, and thousands of crops take no time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.catalog import Crop, crop_groups, load_catalog
from organelle.catalog.groups import overlapping_pairs, share_volume
from organelle.geometry import Grid


def drawn(count: int, span_nm: float, seed: int, datasets: int = 2) -> list[Crop]:
    """Crops of 2 to 32 nm voxels with edges of 1 to 400 voxels, corners at multiples of half a voxel."""
    rng = np.random.default_rng(seed)
    crops = []
    for number in range(count):
        size = float(2 ** rng.integers(1, 6))
        origin = np.round(rng.uniform(-span_nm, span_nm, 3) / size) * size + size * rng.integers(0, 2) / 2
        shape = np.exp(rng.uniform(0, np.log(400), 3)).astype(int)
        grid = Grid((size,) * 3, tuple(map(float, origin)), tuple(map(int, shape)))
        crops.append(Crop(number, f"d{rng.integers(datasets)}", grid, ("mito",)))
    return crops


def slow_groups(crops: list[Crop]) -> set[frozenset[int]]:
    groups: list[set[int]] = []
    for crop in crops:
        meets = [g for g in groups if any(share_volume(crop, crops[other]) for other in g)]
        groups = [g for g in groups if g not in meets] + [{crop.id}.union(*meets)]
    return set(map(frozenset, groups))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([300.0, 3000.0, 30000.0]))
def test_groups_and_pairs_are_those_of_the_slow_way(seed: int, span_nm: float) -> None:
    crops = drawn(40, span_nm, seed)
    groups = crop_groups(crops)
    assert {frozenset(c.id for c in group) for group in groups} == slow_groups(crops)
    assert all(list(group) == sorted(group, key=lambda c: c.id) for group in groups)
    assert [g[-1].id for g in groups] == sorted(g[-1].id for g in groups)
    first, second = crops[:25], crops[25:]
    assert overlapping_pairs(first, second) == tuple(
        (a, b) for a in first for b in second if share_volume(a, b)
    )


def test_boxes_side_by_side_on_cell_borders_stay_apart() -> None:
    grids = [
        Grid((8.0,) * 3, (64.0 * z + 4, 64.0 * y + 4, 4.0), (8, 8, 8)) for z in range(5) for y in range(5)
    ]
    crops = [Crop(i, "d", grid, ("mito",)) for i, grid in enumerate(grids)]
    assert len(crop_groups(crops)) == 25
    assert (
        len(crop_groups([*crops, Crop(99, "d", Grid((8.0,) * 3, (60.0, 60.0, 4.0), (2, 2, 2)), ("er",))]))
        == 22
    )


def test_no_crop_makes_no_group() -> None:
    assert crop_groups([]) == ()
    assert overlapping_pairs([], list(load_catalog().train_crops.values())) == ()


@pytest.mark.parametrize("span_nm", [5e4, 5e5])
def test_thousands_of_crops_take_seconds_at_most(span_nm: float) -> None:
    crops = drawn(8_000, span_nm, seed=1, datasets=1)
    started = time.process_time()
    groups = crop_groups(crops)
    assert time.process_time() - started < 4  # each with each would be half a minute
    assert sum(map(len, groups)) == 8_000
