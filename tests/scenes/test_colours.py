from __future__ import annotations

import colorsys
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from organelle.classes import all_classes, class_named
from organelle.errors import ClassNotFound
from organelle.scenes import colour_of, label_colours


def hue(name: str) -> float:
    return colorsys.rgb_to_hls(*(c / 255 for c in colour_of(name)))[0]


def test_every_class_has_a_colour_of_its_own() -> None:
    for a, b in combinations(all_classes(), 2):
        difference = np.abs(np.subtract(colour_of(a.name), colour_of(b.name))).sum()
        assert difference > 40, (a.name, b.name)


@pytest.mark.parametrize("group", ["mito", "golgi", "ves", "endo", "lyso", "ld", "eres", "np", "perox", "mt"])
def test_an_organelle_and_its_parts_share_a_hue(group: str) -> None:
    parts = [c.name for c in all_classes() if c.id in class_named(group).members]
    assert all(abs(hue(part) - hue(group)) < 0.02 for part in parts)


def test_unknown_class_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ClassNotFound, match="mito"):
        colour_of("mitos")


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50))
def test_an_id_keeps_its_colour_wherever_it_appears(ids: list[int]) -> None:
    colours = label_colours(ids)
    assert colours.shape == (len(ids), 3)
    for number, colour in zip(ids, colours, strict=True):
        assert np.array_equal(label_colours([[number]])[0, 0], colour)
        assert (colour.max() == 0) == (number == 0)


def test_neighbouring_ids_look_different_and_a_seed_changes_them() -> None:
    colours = label_colours(np.arange(1, 200)).astype(int)
    assert np.median(np.abs(np.diff(colours, axis=0)).sum(axis=1)) > 100
    assert not np.array_equal(colours, label_colours(np.arange(1, 200), seed=1))
