"""On arrays a recipe does what it does on volumes."""

from __future__ import annotations

import numpy as np
import pytest
from test_process import CATALOG, GRID, result, smooth, stored, use, work  # noqa: F401

from organelle.process import apply_recipe, process

SETTINGS = {
    "mito": {"threshold": 0.6, "min_volume_nm3": 2e4, "fill_holes": True},
    "cell": {"minus": ["pm"], "grow_nm": 24, "min_volume_nm3": 1e4},
    "pm": {"min_volume_nm3": 1e4},
}


@pytest.mark.parametrize("name", ["mito", "cell", "pm"])
@pytest.mark.parametrize("plain", [True, False])
def test_arrays_and_volumes_agree(work, name, plain):  # noqa: F811
    settings = use(mito={"threshold": 0.5}) if plain else use(**SETTINGS)
    process(CATALOG, "test", work=work, settings=settings)
    probabilities = {n: stored(work, n) / 255 for n in ("mito", "cell", "pm")}
    labels = apply_recipe(probabilities, name, settings.recipe(name, list(probabilities)), GRID.voxel_size_nm)
    np.testing.assert_array_equal(labels, result(work, name))
    assert labels.any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 5), (0, 4, 4)])
def test_hardly_a_voxel(shape):
    full = {"mito": np.ones(shape, np.float32)}
    settings = use(mito={"fill_holes": True, "grow_nm": 24, "min_volume_nm3": 0})
    labels = apply_recipe(full, "mito", settings.recipe("mito"), (40.0, 4.0, 4.0))
    np.testing.assert_array_equal(labels, np.ones(shape))


def test_nothing_gives_nothing():
    empty = {"mito": np.zeros((4, 5, 6), np.float32)}
    assert not apply_recipe(empty, "mito", use().recipe("mito"), (8, 8, 8)).any()
