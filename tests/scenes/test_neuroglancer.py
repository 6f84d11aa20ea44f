from __future__ import annotations

import json
from urllib.parse import unquote

import pytest

from organelle.geometry import Box, Grid
from organelle.scenes import VIEWER, Labels, Scene, state_link, viewer_state

GRID = Grid((50.0, 4.6, 4.6), (0.0, 2318.4, 2428.8), (10, 24, 20))


def scene(**options):
    return Scene(GRID.to_nm((2, 3, 4)), GRID.extent_of(Box((1, 2, 3), (3, 4, 5))), "missed: mito", **options)


def layers(state):
    return {layer["name"]: layer for layer in state["layers"]}


def metres(dimensions):
    """Scale of each axis in nm; whatever is not metres fails."""
    assert {unit for _, unit in dimensions.values()} == {"m"}
    return {name: pytest.approx(scale * 1e9) for name, (scale, _) in dimensions.items()}


def test_positions_are_nanometres_in_the_order_of_the_axes():
    state = viewer_state(scene())
    assert list(state["dimensions"]) == ["z", "y", "x"]
    assert metres(state["dimensions"]) == {"z": 1, "y": 1, "x": 1}
    assert state["displayDimensions"] == ["x", "y", "z"]
    assert state["position"] == pytest.approx([100, 2318.4 + 3 * 4.6, 2428.8 + 4 * 4.6])


def test_the_box_is_an_annotation_from_corner_to_corner():
    fault = layers(viewer_state(scene()))["fault"]
    assert fault["source"]["url"] == "local://annotations"
    box = fault["annotations"][0]
    assert box["type"] == "axis_aligned_bounding_box"
    assert box["pointA"] == pytest.approx([25, 2318.4 + 1.5 * 4.6, 2428.8 + 2.5 * 4.6])
    assert box["pointB"] == pytest.approx([175, 2318.4 + 5.5 * 4.6, 2428.8 + 7.5 * 4.6])
    assert box["description"] == "missed: mito"


def test_the_box_fills_about_half_of_a_panel():
    state = viewer_state(scene())
    assert 150 < 150 / state["crossSectionScale"] < 250


def test_em_is_opaque_and_read_with_its_own_metadata():
    em = layers(viewer_state(scene(em_url="http://localhost/em")))["EM"]
    assert (em["type"], em["source"], em["opacity"]) == ("image", "zarr2://http://localhost/em", 1.0)
    assert "EM" not in layers(viewer_state(scene()))


def test_plain_arrays_are_told_where_they_lie():
    """Neuroglancer counts from the corner of the first voxel, a voxel of the source is its size in nm."""
    truth = layers(viewer_state(scene(labels=(Labels("truth", "http://localhost/t", GRID, (7, 9)),))))[
        "truth"
    ]
    assert truth["segments"] == ["7", "9"]
    transform = truth["source"]["transform"]
    sizes = metres(transform["inputDimensions"])
    assert sizes == {"d0": 50, "d1": 4.6, "d2": 4.6}
    voxel = [2.5, 3.5, 4.5, 1]  # the middle of voxel 2, 3, 4
    scaled = [i * s for i, s in zip(voxel[:3], (50.0, 4.6, 4.6), strict=True)]
    place = [sum(a * b for a, b in zip(row[:3], scaled, strict=True)) + row[3] for row in transform["matrix"]]
    assert place == pytest.approx(GRID.to_nm((2, 3, 4)))


def test_a_link_holds_the_whole_state_behind_the_hash():
    state = viewer_state(scene(em_url="http://localhost/em?a=b&c#d"))
    link = state_link(state)
    before, _, after = link.partition("#!")
    assert before == f"{VIEWER}/"
    assert json.loads(unquote(after)) == state
    assert not set(after) & set(' "<>&#')
    assert state_link(state, "http://localhost:8000/").startswith("http://localhost:8000/#!")
