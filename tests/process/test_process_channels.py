"""What a network tells beside masks, whole regions, and classes that differ from crop to crop."""

from __future__ import annotations

import numpy as np
import pytest

from organelle.catalog import Catalog, Crop, Dataset, Region, prediction_path, processed_path
from organelle.classes import Kind
from organelle.errors import FileMissing, SettingsError
from organelle.geometry import Extent, Grid
from organelle.models.outputs import AffinitySettings
from organelle.process import ProcessSettings, process
from organelle.process.making import predicted_layer
from organelle.settings import parse_settings
from organelle.volumes import open_multiscale, write_multiscale

GRID = Grid((8, 8, 8), (4, 4, 4), (12, 14, 16))
CROPS = [Crop(n, "liver", GRID, names, is_test=True) for n, names in ((1, ("mito", "nuc")), (2, ("nuc",)))]
CATALOG = Catalog("drawn", {"liver": Dataset("liver")}, {}, {crop.id: crop for crop in CROPS})
REGION = Region("liver", Extent((0, 0, 0), (96, 112, 128)))


def write(work, place, channel, values, **record):
    write_multiscale(
        prediction_path(work, place, channel),
        values,
        GRID,
        kind=Kind.IMAGE,
        attributes={"organelle": {"checkpoint_sha256": "a" * 64, **record}},
    )


def bars() -> np.ndarray:
    """Two bars that touch."""
    values = np.zeros(GRID.shape, np.uint8)
    values[2:10, 2:12, 2:14] = 255
    return values


def test_distances_are_read_as_they_were_told(tmp_path):
    stored = np.arange(12 * 14 * 16, dtype=np.uint32).reshape(GRID.shape).astype(np.uint8)
    write(tmp_path, CROPS[0], "mito/distance", stored, value_scale=127.5, value_offset=-1.0)
    layer = predicted_layer(prediction_path(tmp_path, CROPS[0], "mito/distance"))
    np.testing.assert_allclose(layer.read(GRID.box), stored / 127.5 - 1, atol=1e-6)


def test_affinities_part_what_touches(tmp_path):
    write(tmp_path, CROPS[0], "mito", bars(), probability_scale=255)
    for channel in AffinitySettings(**{"class": "mito"}).channels:
        values = np.full(GRID.shape, 255, np.uint8)
        if channel.name.endswith("0_0_1"):
            values[:, :, 7] = 0  # from x = 7 to 8 they are two
        write(tmp_path, CROPS[0], channel.name, values, probability_scale=255)
    recipe = {"parts": [{"part": "threshold"}, {"part": "mutex_watershed", "of": "mito"}]}
    settings = parse_settings(ProcessSettings, {"mito": recipe}, "test")
    (done,) = process(CATALOG, [1], work=tmp_path, settings=settings, classes=["mito"]).results
    assert done.objects == 2
    found = open_multiscale(done.path).levels[0].read()
    assert set(np.unique(found[2:10, 2:12, 2:8])) == {1}
    assert set(np.unique(found[2:10, 2:12, 8:14])) == {2}


def test_affinities_that_were_not_predicted_are_named(tmp_path):
    write(tmp_path, CROPS[0], "mito", bars(), probability_scale=255)
    recipe = {"parts": [{"part": "threshold"}, {"part": "mutex_watershed", "of": "mito"}]}
    settings = parse_settings(ProcessSettings, {"mito": recipe}, "test")
    with pytest.raises(FileMissing, match="mito/affinity_1_0_0, which the recipe of mito needs"):
        process(CATALOG, [1], work=tmp_path, settings=settings, classes=["mito"])


def test_regions_become_objects_as_crops_do(tmp_path):
    write(tmp_path, REGION, "mito", bars(), probability_scale=255)
    recipe = {"mito": {"parts": [{"part": "threshold"}, {"part": "components"}]}}
    settings = parse_settings(ProcessSettings, recipe, "test")
    report = process(CATALOG, None, work=tmp_path, regions=[REGION], settings=settings)
    assert report.written == (processed_path(tmp_path, REGION, "mito"),)
    assert report.results[0].objects == 1
    with pytest.raises(FileMissing, match="csc predict --region liver"):
        process(CATALOG, None, work=tmp_path, regions=[Region("liver")])


def test_each_crop_gets_the_classes_that_are_named_for_it(tmp_path):
    for crop in CROPS:
        for name in ("mito", "nuc"):
            write(tmp_path, crop, name, bars(), probability_scale=255)
    report = process(CATALOG, "test", work=tmp_path, classes=lambda crop: crop.classes)
    assert [path.parts[-2:] for path in report.written] == [
        ("crop1", "mito"),
        ("crop1", "nuc"),
        ("crop2", "nuc"),
    ]


def test_a_region_that_is_none_is_refused():
    with pytest.raises(SettingsError):
        Region.parse("liver:0-1")
