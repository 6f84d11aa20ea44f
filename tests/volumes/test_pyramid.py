from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from organelle.catalog import em_path, label_path, load_catalog
from organelle.classes import Kind
from organelle.errors import GridMismatch
from organelle.geometry import Box, Grid
from organelle.volumes import build_pyramid, create_multiscale, downsample, open_multiscale, read_encoding

shapes = st.tuples(*[st.integers(1, 7)] * 3)
factors = st.tuples(*[st.integers(1, 3)] * 3)


def windows(array: np.ndarray, factor: tuple[int, int, int]) -> np.ndarray:
    """Each window's voxels as an object array, the slow and obvious way."""
    shape = [-(-n // f) for n, f in zip(array.shape, factor, strict=True)]
    result = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        result[index] = array[tuple(slice(i * f, i * f + f) for i, f in zip(index, factor, strict=True))]
    return result


@settings(deadline=None)
@given(shapes.flatmap(lambda s: arrays(np.uint16, s, elements=st.integers(0, 65535))), factors)
def test_images_become_the_mean_of_what_each_window_holds(
    array: np.ndarray, factor: tuple[int, int, int]
) -> None:
    expected = [np.rint(w.mean()) for w in windows(array, factor).flat]
    found = downsample(array, Kind.IMAGE, factor)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found.ravel(), expected)


@settings(deadline=None)
@given(
    shapes.flatmap(lambda s: arrays(np.uint64, s, elements=st.sampled_from([0, 1, 2, 255, 2**63]))), factors
)
def test_labels_become_the_most_frequent_value_the_first_on_a_tie(
    array: np.ndarray, factor: tuple[int, int, int]
) -> None:
    found = downsample(array, Kind.INSTANCE, factor)
    # Counter.most_common keeps the order of first appearance among equal counts.
    expected = [Counter(w.ravel().tolist()).most_common(1)[0][0] for w in windows(array, factor).flat]
    assert found.ravel().tolist() == expected


def test_floats_keep_their_fractions() -> None:
    array = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    assert downsample(array, Kind.IMAGE).tolist() == [[[3.5]]]
    assert downsample(array.astype(bool), Kind.SEMANTIC).tolist() == [[[True]]]


def test_empty_arrays_stay_empty() -> None:
    assert downsample(np.zeros((0, 4, 4), dtype=np.uint8), Kind.IMAGE).shape == (0, 2, 2)


def test_a_factor_below_1_is_refused() -> None:
    with pytest.raises(GridMismatch, match="at least 1"):
        downsample(np.zeros((2, 2, 2)), Kind.IMAGE, (2, 0, 2))


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.INSTANCE])
@pytest.mark.parametrize("tile", [8, 20, 1000])
def test_a_pyramid_made_in_blocks_is_that_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind, tile: int
) -> None:
    monkeypatch.setattr("organelle.volumes.pyramid.TILE_VOXELS", tile)
    array = np.random.default_rng(0).integers(0, 5, (37, 50, 29), dtype=np.uint8)
    grid = Grid((5.0, 4.0, 4.0), (0.0, 0.0, 0.0), (37, 50, 29))
    image = create_multiscale(tmp_path / "i", grid, "u1", kind=kind, levels=3, chunks=(8, 8, 8))
    image.levels[0].write(grid.box, array)
    build_pyramid(image, kind)
    once = downsample(array, kind)
    np.testing.assert_array_equal(image.levels[1].read(), once)
    np.testing.assert_array_equal(image.levels[2].read(), downsample(once, kind))


def test_a_pyramid_built_again_forgets_what_is_gone(tmp_path: Path) -> None:
    grid = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (16, 16, 16))
    image = create_multiscale(tmp_path / "i", grid, "u1", kind=Kind.SEMANTIC, levels=2, chunks=(4, 4, 4))
    for value in (1, 0):
        image.levels[0].write(grid.box, np.full(grid.shape, value, dtype=np.uint8))
        build_pyramid(image, Kind.SEMANTIC)
        assert (image.levels[1].read() == value).all()
    assert image.levels[1].is_blank(Box((0, 0, 0), (8, 8, 8)))


def test_the_pyramids_of_the_real_sample_are_reproduced(shared: Path) -> None:
    """Published levels cover whole windows only; where both have a voxel they are equal."""
    catalog, bucket = load_catalog(shared / "sample"), shared / "sample" / "bucket"
    crop = catalog.crop(902)
    images = [(open_multiscale(em_path(bucket, crop.dataset)), Kind.IMAGE)]
    for name in crop.classes:
        image = open_multiscale(label_path(bucket, crop, name))
        images.append((image, read_encoding(image, image.levels[0], name).kind))
    for image, kind in images:
        for fine, coarse in zip(image.levels, image.levels[1:], strict=False):
            made = downsample(fine.read(), kind)
            np.testing.assert_array_equal(made[coarse.grid.box.slices()], coarse.read())
