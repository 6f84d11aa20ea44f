"""One rigid map in nanometres, and which maps the data allow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.geometry import Nm
from organelle.sampling import Affine, SamplingSettings, random_affine
from organelle.sampling.affine import exchanges

CUBES: Nm = (8.0, 8.0, 8.0)
SECTIONS: Nm = (50.0, 4.6, 4.6)
ALWAYS = SamplingSettings(rotate=1)
SIZES = st.sampled_from([CUBES, SECTIONS, (3.44, 4.0, 4.0), (5.24, 4.0, 4.0), (8.0, 4.0, 2.0)])
FLAT = st.sampled_from([None, 0, 1, 2])


def draw_many(size: Nm, flat: int | None, settings: SamplingSettings, count: int = 60) -> list[Affine]:
    rng = np.random.default_rng(0)
    return [random_affine(rng, size, flat, settings) for _ in range(count)]


@settings(deadline=None)
@given(st.integers(0, 2**32), SIZES, FLAT, st.floats(0, 1))
def test_every_map_is_rigid_in_nm(seed: int, size: Nm, flat: int | None, rotate: float) -> None:
    drawn = random_affine(np.random.default_rng(seed), size, flat, SamplingSettings(rotate=rotate))
    matrix = np.array(drawn.matrix)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)


def test_thick_sections_are_turned_in_the_sharp_plane_only() -> None:
    for drawn in draw_many(SECTIONS, None, ALWAYS):
        np.testing.assert_allclose(np.abs(np.array(drawn.matrix)[0]), [1, 0, 0], atol=1e-12)
    angles = {round(abs(a.matrix[1][1]), 3) for a in draw_many(SECTIONS, None, ALWAYS)}
    assert len(angles) > 30


def test_cubes_are_turned_in_all_directions() -> None:
    axes = np.array([np.array(a.matrix)[:, 0] for a in draw_many(CUBES, None, ALWAYS, 400)])
    np.testing.assert_allclose(axes.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(np.square(axes).mean(axis=0), 1 / 3, atol=0.05)


def test_unturned_maps_only_move_voxels() -> None:
    settings = SamplingSettings(rotate=0)
    maps = {a.matrix for a in draw_many(CUBES, None, settings, 600)}
    assert len(maps) == 48
    for matrix in maps:
        assert set(np.abs(matrix).ravel()) == {0, 1}
    assert len({a.matrix for a in draw_many(SECTIONS, None, settings, 200)}) == 16


def test_settings_forbid_what_they_name() -> None:
    still = SamplingSettings().without_augmentation()
    assert {a.matrix for a in draw_many(CUBES, None, still)} == {Affine().matrix}
    assert {a.matrix for a in draw_many(CUBES, 0, still)} == {Affine().matrix}
    unmirrored = SamplingSettings(rotate=0, mirror=False)
    assert all(np.array(a.matrix).min() == 0 for a in draw_many(CUBES, None, unmirrored))
    straight = SamplingSettings(rotate=0, transpose=False)
    assert all(abs(np.array(a.matrix)[i, i]) == 1 for a in draw_many(CUBES, None, straight) for i in range(3))


def test_planes_lie_across_every_axis_of_equal_voxel_size_or_only_their_own() -> None:
    def normals(size: Nm, settings: SamplingSettings) -> set[int]:
        return {int(np.abs(np.array(a.matrix)[:, 0]).argmax()) for a in draw_many(size, 0, settings)}

    assert normals(CUBES, ALWAYS) == {0, 1, 2}
    assert normals(CUBES, SamplingSettings(planes="patch")) == {0}
    assert normals(SECTIONS, ALWAYS) == {0}
    for drawn in draw_many(CUBES, 0, ALWAYS):
        assert set(np.abs(np.array(drawn.matrix)[:, 0]).round(9)) == {0, 1}


def test_without_transposition_planes_keep_the_order_of_their_axes() -> None:
    settings = SamplingSettings(transpose=False)
    assert exchanges(CUBES, 0, settings) == ((0, 1, 2), (1, 0, 2), (2, 0, 1))
    assert exchanges(CUBES, None, settings) == ((0, 1, 2),)
    assert exchanges((4.0, 2.0, 4.0), None, SamplingSettings()) == ((0, 1, 2), (2, 1, 0))


def test_maps_compose_from_right_to_left() -> None:
    turn_then_mirror = Affine.mirror(2) @ Affine.rotation(1, 2, 90)
    np.testing.assert_allclose(turn_then_mirror.apply((0, 1, 0)), (0, 0, -1), atol=1e-12)
    np.testing.assert_allclose(Affine.rotation(1, 2, 90).apply((5, 0, 1)), (5, -1, 0), atol=1e-12)
    assert Affine.transposition((2, 0, 1)).apply((1.0, 2.0, 3.0)) == (2.0, 3.0, 1.0)


def test_a_map_that_stretches_is_refused() -> None:
    with pytest.raises(ValueError, match="rigid"):
        Affine.from_array(np.diag([1.0, 2.0, 1.0]))


def test_reach_is_the_shape_along_the_axes_of_the_data() -> None:
    np.testing.assert_allclose(Affine.transposition((2, 1, 0)).reach((1, 20, 30), CUBES), (30, 20, 1))
    np.testing.assert_allclose(Affine.rotation(1, 2, 45).reach((4, 20, 30), SECTIONS), (4, 25, 25))
