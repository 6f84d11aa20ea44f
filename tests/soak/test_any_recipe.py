"""Any recipe of exact parts gives the same over any blocks, in memory or in files, as on one array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from organelle.process import Cut, Layer, Recipe, Scratch, Site, apply_recipe, follow

SHAPE = (17, 21, 19)
SIZE = (12.0, 8.0, 8.0)

smoothing = [{"part": "smooth", "scale_nm": 9}, {"part": "smooth", "scale_nm": 9, "by": "median"}]
with_others = [
    {"part": "union", "classes": ["er"]},
    {"part": "compete", "against": ["er"]},
    {"part": "consistent", "members": ["mito_lum"], "groups": ["cell"]},
]
foreground = [{"part": "threshold", "threshold": 0.55}, {"part": "hysteresis", "low": 0.5, "high": 0.65}]
of_masks = [{"part": "close_gaps", "radius_nm": 13}]
of_both: list[dict[str, Any]] = [
    {"part": "subtract", "classes": ["er"], "threshold": 0.6},
    {"part": "restrict", "to": "cell", "grow_nm": 17},
    {"part": "restrict", "to": "cell", "finished": True, "outside": True},
    {"part": "fill_holes"},
    {"part": "min_volume", "volume_nm3": 6 * 768},
    {"part": "max_volume", "volume_nm3": 400 * 768},
    {"part": "keep_largest", "connectivity": 6},
    {"part": "grow", "distance_nm": 21, "threshold": 0.4},
]
of_labels: list[dict[str, Any]] = [
    {"part": "vote", "against": ["er"]},
    {"part": "renumber"},
    {"part": "components", "connectivity": 6},
]


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Up to two parts for probabilities, a mask, and up to three for masks and for labels."""

    def some(pool: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
        return draw(st.lists(st.sampled_from(pool), max_size=most))

    parts = [*some(smoothing + with_others, 2), draw(st.sampled_from(foreground))]
    parts += some(of_masks + of_both, 3)
    if draw(st.booleans()):
        parts += [{"part": "components"}, *some(of_both + of_labels, 3)]
    return Recipe.model_validate({"parts": parts})


def field(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Smooth noise around 0.5, in steps of 1/255."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 1.3)
    return np.rint(np.clip(0.5 + noise / noise.std() / 6, 0, 1) * 255).astype(np.float32) / 255


@pytest.mark.soak
@settings(max_examples=100, deadline=None)
@given(
    recipe=recipes(),
    block=st.tuples(*[st.integers(6, 21)] * 3),
    memory=st.sampled_from([0, 3000, 2**30]),
    seed=st.integers(0, 2**31),
    name=st.sampled_from(["mito", "mito_mem"]),
)
def test_any_recipe_is_the_same_over_any_blocks(tmp_path_factory, recipe, block, memory, seed, name):
    if name == "mito_mem":  # which has no members
        recipe = Recipe(parts=tuple(part for part in recipe.parts if part.part != "consistent"))
    values = {other: field(seed + k) for k, other in enumerate((name, "er", "mito_lum", "cell"))}
    cells = {"cell": ndimage.label(values["cell"] > 0.6)[0].astype(np.uint32)}
    whole = apply_recipe(values, name, recipe, SIZE, objects=cells)
    folder = tmp_path_factory.mktemp("scratch")
    site = Site(
        name,
        Cut(SHAPE, block),
        SIZE,
        lambda other: Layer.of(values[other]),
        lambda other: Layer.of(cells[other]),
        scratch=Scratch(folder, memory),
    )
    outcome = follow(recipe, site)
    result = np.full(SHAPE, 99, np.uint32)
    for box in Cut(SHAPE, (5, 8, 21)):
        result[box.slices()] = outcome.layer.read(box)
    np.testing.assert_array_equal(result, whole)
    if name == "mito":
        assert sorted(set(np.unique(whole)) - {0}) == list(range(1, outcome.objects + 1))
