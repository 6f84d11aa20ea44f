from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from organelle.classes import Kind
from organelle.errors import GridMismatch
from organelle.geometry import Box, Grid
from organelle.volumes import downsample, resample

SHAPE = (12, 15, 10)
SOURCE = Grid((5.24, 4.0, 4.0), (100.0, -20.0, 3.0), SHAPE)
near = st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20))
sizes = st.tuples(*[st.integers(1, 20)] * 3)


def smooth(grid: Grid = SOURCE) -> np.ndarray:
    """A plane in space: linear interpolation is exact in it."""
    z, y, x = (
        o + v * np.arange(n) for o, v, n in zip(grid.origin_nm, grid.voxel_size_nm, grid.shape, strict=True)
    )
    return 2 * z[:, None, None] - 0.5 * y[None, :, None] + 0.25 * x[None, None, :]


def noise(dtype: str = "u1") -> np.ndarray:
    return np.random.default_rng(2).integers(0, 200, SHAPE).astype(dtype)


@settings(deadline=None)
@given(near, sizes, st.sampled_from(list(Kind)))
def test_lattices_that_coincide_are_cropped_and_padded_exactly(
    start: tuple[int, int, int], shape: tuple[int, int, int], kind: Kind
) -> None:
    box = Box(start, shape)
    found = resample(noise(), SOURCE, SOURCE.subgrid(box), kind, fill=255)
    padded = np.pad(noise(), 45, constant_values=255)
    np.testing.assert_array_equal(found, padded[box.slices((-45, -45, -45))])


@settings(deadline=None)
@given(
    st.tuples(*[st.floats(0.3, 2.0)] * 3),
    st.tuples(*[st.floats(-10, 60)] * 3),
    st.tuples(*[st.integers(1, 12)] * 3),
)
def test_images_are_interpolated_as_scipy_does(
    ratio: tuple[float, float, float], offset: tuple[float, float, float], shape: tuple[int, int, int]
) -> None:
    assume(all(abs(r - 1) > 1e-3 for r in ratio))  # equal voxel sizes are cropped, not interpolated
    size = tuple(r * v for r, v in zip(ratio, SOURCE.voxel_size_nm, strict=True))
    origin = tuple(o + d for o, d in zip(SOURCE.origin_nm, offset, strict=True))
    target = Grid(size, origin, shape)  # type: ignore[arg-type]
    places = np.array([SOURCE.to_index(target.to_nm(index)) for index in np.ndindex(shape)]).T
    last = np.array(SHAPE)[:, None] - 1
    inside = ((places >= -0.5) & (places <= last + 0.5)).all(axis=0)
    expected = map_coordinates(noise("f8"), places.clip(0, last), order=1)
    expected = np.where(inside, expected, -1).reshape(shape)
    found = resample(noise("f8"), SOURCE, target, Kind.IMAGE, fill=-1)
    # a place within a millionth of a voxel counts as the voxel itself; greys differ by up to 255 per voxel
    np.testing.assert_allclose(found, expected, atol=3 * 255 * 1e-6)


def test_a_plane_stays_a_plane_at_any_voxel_size() -> None:
    inner = SOURCE.subgrid(Box((3, 3, 3), (6, 6, 4)))
    for size in ((8.0, 8.0, 8.0), (2.0, 3.0, 1.0), (5.24, 12.0, 4.0), (10.48, 16.0, 8.0)):
        target = inner.rescaled(size)
        inside = Box((0, 0, 0), tuple(max(1, n - 1) for n in target.shape))  # type: ignore[arg-type]
        found = resample(smooth(), SOURCE, target.subgrid(inside), Kind.IMAGE)
        np.testing.assert_allclose(found, smooth(target.subgrid(inside)), atol=1e-6)


@pytest.mark.parametrize("factor", [(2, 2, 2), (4, 2, 6), (1, 4, 2)])
def test_even_ratios_of_nested_lattices_give_the_mean(factor: tuple[int, int, int]) -> None:
    source = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (12, 12, 12))
    array = np.random.default_rng(1).integers(0, 256, source.shape, dtype=np.uint8)
    found = resample(array, source, source.downsampled(factor), Kind.IMAGE)
    np.testing.assert_array_equal(found, downsample(array, Kind.IMAGE, factor))


@settings(deadline=None)
@given(st.tuples(*[st.floats(0.3, 5.0)] * 3), st.tuples(*[st.floats(-10, 60)] * 3))
def test_labels_take_the_voxel_that_holds_the_centre_and_no_other_value(
    ratio: tuple[float, float, float], offset: tuple[float, float, float]
) -> None:
    assume(all(abs(r - 1) > 1e-3 for r in ratio))  # equal voxel sizes are cropped, not interpolated
    size = tuple(r * v for r, v in zip(ratio, SOURCE.voxel_size_nm, strict=True))
    origin = tuple(o + d for o, d in zip(SOURCE.origin_nm, offset, strict=True))
    target = Grid(size, origin, (6, 7, 5))  # type: ignore[arg-type]
    labels = noise("u4") * 1_000_003
    found = resample(labels, SOURCE, target, Kind.INSTANCE, fill=9)
    assert found.dtype == labels.dtype
    for index in np.ndindex(target.shape):
        place = SOURCE.to_index(target.to_nm(index))
        if any(abs(p - np.floor(p) - 0.5) < 1e-4 for p in place):
            continue
        voxel = tuple(int(np.floor(p + 0.5)) for p in place)
        held = all(0 <= v < n for v, n in zip(voxel, SHAPE, strict=True))
        assert found[index] == (labels[voxel] if held else 9)


def test_on_a_face_the_lower_voxel_wins() -> None:
    source = Grid((1.62, 1.62, 1.62), (0.0, 0.0, 0.0), (4, 4, 4))
    labels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    found = resample(labels, source, source.downsampled(), Kind.SEMANTIC)
    np.testing.assert_array_equal(found, labels[::2, ::2, ::2])


def test_labels_made_finer_are_repeated() -> None:
    fine = Grid((2.62, 2.0, 2.0), (100.0 - 1.31, -21.0, 2.0), tuple(2 * n for n in SHAPE))  # type: ignore[arg-type]
    found = resample(noise(), SOURCE, fine, Kind.SEMANTIC)
    np.testing.assert_array_equal(found, noise().repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_far_away_everything_is_fill() -> None:
    away = Grid((4.0, 4.0, 4.0), (9e5, 0.0, 0.0), (2, 3, 4))
    for kind in Kind:
        assert (resample(noise(), SOURCE, away, kind, fill=3) == 3).all()
    empty = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (0, 3, 4))
    assert resample(noise(), SOURCE, empty, Kind.IMAGE).shape == (0, 3, 4)
    assert (resample(np.zeros((0, 3, 4)), empty, away, Kind.IMAGE, fill=2) == 2).all()


def test_an_array_that_is_not_on_its_grid_is_refused() -> None:
    with pytest.raises(GridMismatch, match="its grid"):
        resample(noise()[1:], SOURCE, SOURCE, Kind.IMAGE)
