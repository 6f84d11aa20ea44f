"""A 2D network that looks along several axes."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import spec_of
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.blocks import PatchGrid
from organelle.errors import OutputExists, SettingsError
from organelle.geometry import Box
from organelle.predict import ReadBoxes, predict, predict_region, predict_views, views_of
from organelle.predict.settings import PredictSettings
from organelle.volumes import open_multiscale

FLAT = {"network": "unet_2d", "patch_shape": [1, 16, 32], "stride": [1, 12, 24]}
boxes = st.builds(Box, st.tuples(*[st.integers(-9, 9)] * 3), st.tuples(*[st.integers(1, 12)] * 3))


def grey(box: Box) -> np.ndarray:
    z, y, x = np.indices(box.shape) + np.reshape(box.start, (3, 1, 1, 1))
    return np.sin(z * 0.7 + y * 1.3 + x * 2.1).astype(np.float32)


read_em = ReadBoxes(grey)


def forward(seen: np.ndarray) -> np.ndarray:
    """It knows its axes apart: rows by their number, columns by their difference."""
    (em,) = seen
    rows = np.arange(em.shape[1], dtype=np.float32)[:, None] / 100
    return np.stack([em + rows, np.diff(em, axis=2, append=0)])


def test_cubes_are_seen_along_every_axis_and_sections_along_one():
    assert [v.patch_shape for v in views_of(spec_of(**FLAT), "any")] == [
        (1, 16, 32),
        (16, 1, 32),
        (32, 16, 1),
    ]
    assert [v.stride for v in views_of(spec_of(**FLAT), "any")] == [(1, 12, 24), (12, 1, 24), (24, 12, 1)]
    assert len(views_of(spec_of(**FLAT), "patch")) == 1
    assert len(views_of(spec_of(**FLAT, voxel_size_nm=[40, 8, 8]), "any")) == 1
    assert len(views_of(spec_of(**FLAT, voxel_size_nm=[8, 8, 4]), "any")) == 2
    assert len(views_of(spec_of(), "any")) == 1


def test_a_window_takes_the_place_of_the_patch_and_overlaps_as_it_does():
    views = views_of(spec_of(**FLAT), "any", (1, 64, 32))
    assert [v.patch_shape for v in views] == [(1, 64, 32), (64, 1, 32), (32, 64, 1)]
    assert views[0].stride == (1, 48, 24)
    (cube,) = views_of(spec_of(), "patch", (32, 48, 32))
    assert (cube.patch_shape, cube.stride) == ((32, 48, 32), (24, 36, 24))


@pytest.mark.parametrize(
    ("window", "told"),
    [((1, 64, 40), "divisible"), ((64, 64, 64), "2D"), ((64, 1, 64), "flat along another")],
)
def test_a_window_that_the_network_cannot_look_through_is_refused(window, told):
    with pytest.raises(SettingsError, match=told):
        views_of(spec_of(**FLAT), "patch", window)


@settings(max_examples=25, deadline=None)
@given(region=boxes, block=st.tuples(*[st.integers(1, 14)] * 3), part=boxes)
def test_no_bit_depends_on_blocks_or_region(region, block, part):
    views = views_of(spec_of(**FLAT), "any")
    whole = gathered(views, region, region.shape)
    np.testing.assert_array_equal(gathered(views, region, block), whole)
    common = part.intersect(region)
    if not common.is_empty:
        alone = gathered(views, part, block)
        np.testing.assert_array_equal(
            alone[:, *common.slices(part.start)], whole[:, *common.slices(region.start)]
        )


def test_the_mean_of_the_views_is_that_of_the_network_on_turned_volumes():
    region = Box((3, -4, 5), (9, 10, 11))
    spec = spec_of(**FLAT, classes=["mito", "er"])
    alone = [predict_region(forward, read_em, region, spec)]
    for one, other in ((0, 1), (0, 2)):

        def turned(box: Box, one: int = one, other: int = other) -> np.ndarray:
            return grey(exchanged(box, one, other)).swapaxes(one, other)

        answer = predict_region(forward, ReadBoxes(turned), exchanged(region, one, other), spec)
        alone.append(answer.swapaxes(one + 1, other + 1))
    found = gathered(views_of(spec, "any"), region, (4, 4, 4))
    np.testing.assert_allclose(found, np.mean(alone, axis=0), atol=1e-6)
    assert not np.allclose(alone[0], alone[1], atol=0.01)


def test_an_empty_region_has_no_pieces():
    views = views_of(spec_of(**FLAT), "any")
    empty = Box((0, 0, 0), (0, 4, 4))
    assert list(predict_views(forward, read_em, empty, views, (4, 4, 4), channels=2)) == []


def test_crops_are_predicted_along_every_axis_when_asked(data, catalog, checkpoint, tmp_path):
    path = checkpoint(**{**FLAT, "patch_shape": [1, 16, 16], "stride": [1, 12, 12]})
    levels = {}
    for planes in ("patch", "any"):
        report = predict(
            path, catalog, [1], data=data, work=tmp_path / planes, settings=PredictSettings(planes=planes)
        )
        image = open_multiscale(report.written[0])
        assert image.attributes["organelle"]["planes"] == planes
        levels[planes] = image.levels[0].read()
        plan = report.plan
        assert plan.patches == sum(
            PatchGrid(v.patch_shape, v.stride).count(plan.crops[0].region) for v in plan.views
        )
    assert (levels["patch"] != levels["any"]).any()


@pytest.mark.parametrize("planes", ["patch", "any"])
def test_what_was_predicted_in_the_same_way_is_kept(data, catalog, checkpoint, tmp_path, planes):
    path = checkpoint(**{**FLAT, "patch_shape": [1, 16, 16], "stride": [1, 12, 12]})
    way = PredictSettings(planes=planes)
    first = predict(path, catalog, [1], data=data, work=tmp_path, settings=way)
    again = predict(path, catalog, [1], data=data, work=tmp_path, settings=way)
    assert again.kept == first.written
    wider = PredictSettings(planes=planes, window=(1, 32, 32))
    with pytest.raises(OutputExists, match="another way"):
        predict(path, catalog, [1], data=data, work=tmp_path, settings=wider)


def gathered(views, region, block):
    out = np.full((2, *region.shape), np.nan, np.float32)
    for box, means in predict_views(forward, read_em, region, views, block, channels=2):
        out[:, *box.slices(region.start)] = means
    return out


def exchanged(box: Box, one: int, other: int) -> Box:
    start, shape = list(box.start), list(box.shape)
    for numbers in (start, shape):
        numbers[one], numbers[other] = numbers[other], numbers[one]
    return Box(tuple(start), tuple(shape))
