"""Predictions in volumes become objects and masks in volumes."""

from __future__ import annotations

import json

import cc3d
import numpy as np
import pytest
from scipy import ndimage

from organelle.catalog import Catalog, Crop, Dataset, prediction_path, processed_path
from organelle.classes import Kind
from organelle.errors import ClassNotFound, FileMissing, GridMismatch, OutputExists
from organelle.geometry import Grid
from organelle.process import ProcessSettings, grow, plan_process, process
from organelle.settings import parse_settings
from organelle.volumes import open_multiscale, write_multiscale

GRID = Grid((8, 8, 8), (104, 204, 304), (24, 26, 28))
CROP = Crop(1, "liver", GRID, ("mito", "cell", "pm"), is_test=True)
CATALOG = Catalog("drawn", {"liver": Dataset("liver")}, {}, {1: CROP})


def write(work, name, probabilities, *, checkpoint="a" * 64, grid=GRID, scale=255, **attributes):
    record = {"checkpoint_sha256": checkpoint, "mirrors": False, "blending": "gaussian", **attributes}
    write_multiscale(
        prediction_path(work, CROP, name),
        np.asarray(np.rint(probabilities * scale), np.uint8),
        grid,
        kind=Kind.IMAGE,
        chunks=(16, 16, 16),
        attributes={"organelle": {"probability_scale": scale, **record}},
        overwrite=True,
    )


def smooth(seed, level=0.0, sigma=1.5):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=GRID.shape), sigma)
    return 1 / (1 + np.exp(-8 * (noise / noise.std() + level)))


@pytest.fixture
def work(tmp_path):
    write(tmp_path, "mito", smooth(1, -0.5))
    write(tmp_path, "cell", smooth(2, 1.5))
    write(tmp_path, "pm", smooth(3, 0, sigma=0.8))
    return tmp_path


def stored(work, name):
    return open_multiscale(prediction_path(work, CROP, name)).levels[0].read()


def result(work, name):
    return open_multiscale(processed_path(work, CROP, name)).levels[0].read()


def label(mask, connectivity=26):
    return cc3d.connected_components(mask.view(np.uint8), connectivity=connectivity)


def use(**values):
    return parse_settings(ProcessSettings, values, "experiment.toml")


def test_instances_are_numbered_and_semantic_classes_are_masks(work):
    report = process(CATALOG, [1], work=work, settings=use(mito={"min_volume_nm3": 20 * 512}))
    assert [(r.class_name, r.path) for r in report.results] == [
        (name, processed_path(work, CROP, name)) for name in ("pm", "mito", "cell")
    ]
    pm = open_multiscale(processed_path(work, CROP, "pm"))
    assert pm.levels[0].grid == GRID
    assert pm.levels[0].dtype == np.uint8
    assert pm.attributes["organelle"]["kind"] == "semantic"
    np.testing.assert_array_equal(pm.levels[0].read(), stored(work, "pm") >= 128)

    mito = result(work, "mito")
    pieces = label(stored(work, "mito") >= 128)
    sizes = np.bincount(pieces.ravel())
    np.testing.assert_array_equal(mito > 0, (sizes >= 20)[pieces] & (pieces > 0))
    by_class = {r.class_name: r for r in report.results}
    assert by_class["mito"].objects == mito.max() == (sizes[1:] >= 20).sum() > 1
    assert by_class["mito"].dropped == (sizes[1:] < 20).sum() > 0
    assert by_class["mito"].voxels == (mito > 0).sum()


def test_the_volume_says_what_it_was_made_from(work):
    process(CATALOG, [1], work=work, settings=use(cell={"minus": ["pm"], "grow_nm": 24}))
    record = open_multiscale(processed_path(work, CROP, "cell")).attributes["organelle"]
    made_by = {"checkpoint_sha256": "a" * 64, "mirrors": False, "blending": "gaussian"}
    assert record["predictions"] == {"cell": made_by, "pm": made_by}
    assert record["recipe"]["minus"] == ["pm"]
    assert record["recipe"]["grow_nm"] == 24
    assert record["objects"] == result(work, "cell").max()
    assert record["kind"] == "instance"


def test_a_boundary_cuts_objects_apart_and_they_grow_back(tmp_path):
    cell = np.full(GRID.shape, 0.9)
    pm = np.zeros(GRID.shape)
    pm[:, 12:15] = 0.7
    write(tmp_path, "cell", cell)
    write(tmp_path, "pm", pm)
    plain = use(cell={"threshold": 0.5})
    report = process(CATALOG, "1", work=tmp_path, classes=["cell"], settings=plain)
    assert report.results[0].objects == 1

    cut = use(cell={"minus": ["pm"], "minus_threshold": 0.6})
    process(CATALOG, "1", work=tmp_path, classes=["cell"], settings=cut, overwrite=True)
    expected = np.ones(GRID.shape, int)
    expected[:, 15:] = 2
    np.testing.assert_array_equal(result(tmp_path, "cell"), np.where(pm > 0, 0, expected))

    back = use(cell={"minus": ["pm"], "minus_threshold": 0.6, "grow_nm": 16})
    process(CATALOG, "1", work=tmp_path, classes=["cell"], settings=back, overwrite=True)
    expected[:, 14] = 2  # the middle plane is as near to both and goes to the smaller id
    np.testing.assert_array_equal(result(tmp_path, "cell"), expected)


def test_no_voxel_depends_on_the_blocks(work):
    recipe = {"minus": ["pm"], "grow_nm": 26, "fill_holes": True, "min_volume_nm3": 10 * 512}
    own = stored(work, "cell") >= 128
    pieces = label(own & (stored(work, "pm") < 128), 6)
    sizes = np.bincount(pieces.ravel())
    kept = np.flatnonzero((sizes >= 10) & (np.arange(len(sizes)) > 0))
    table = np.zeros(len(sizes), np.uint32)
    table[kept[np.argsort([np.flatnonzero(pieces == i)[0] for i in kept])]] = np.arange(1, len(kept) + 1)
    filled = fill_slowly(table[pieces])
    expected = grow(filled, own, 26, (8, 8, 8))
    steps = [(array > 0).sum() for array in (table[pieces], filled, expected)]
    assert steps == sorted(set(steps)), "each step has something to do"
    for block in ((24, 26, 28), (7, 26, 11), (9, 8, 28), (12, 12, 12)):
        how = use(cell=recipe, block_shape=block)
        process(CATALOG, [1], work=work, classes=["cell"], settings=how, overwrite=True)
        np.testing.assert_array_equal(result(work, "cell"), expected)


def fill_slowly(labels):
    out = labels.copy()
    cavities, count = ndimage.label(labels == 0)
    for i in range(1, count + 1):
        cavity = cavities == i
        owners = np.unique(labels[ndimage.binary_dilation(cavity) & ~cavity])
        open_ = any(np.moveaxis(cavity, axis, 0)[[0, -1]].any() for axis in range(3))
        if not open_ and len(owners) == 1:
            out[cavity] = owners[0]
    return out


def test_a_semantic_mask_loses_specks_and_cavities(work):
    recipe = {"min_volume_nm3": 30 * 512, "fill_holes": True}
    process(CATALOG, [1], work=work, classes=["pm"], settings=use(pm=recipe, block_shape=[10, 10, 10]))
    pieces = label(stored(work, "pm") >= 128)
    big = (np.bincount(pieces.ravel()) >= 30)[pieces] & (pieces > 0)
    assert big.sum() < (pieces > 0).sum()
    np.testing.assert_array_equal(result(work, "pm"), ndimage.binary_fill_holes(big))


@pytest.mark.parametrize(("connectivity", "objects"), [(26, 1), (6, 2)])
def test_a_slanted_cut_one_voxel_thin_leaks_at_its_corners_unless_only_faces_connect(
    tmp_path, connectivity, objects
):
    _, y, x = np.indices(GRID.shape)
    write(tmp_path, "cell", np.ones(GRID.shape))
    write(tmp_path, "pm", ((y + x) == 25).astype(float))
    how = use(cell={"minus": ["pm"], "connectivity": connectivity}, block_shape=[24, 7, 9])
    report = process(CATALOG, [1], work=tmp_path, classes=["cell"], settings=how)
    assert report.results[0].objects == objects


@pytest.mark.parametrize("threshold", [0.2, 0.5, 127 / 255, 1.0])
def test_the_threshold_is_a_probability(tmp_path, threshold):
    values = np.zeros(GRID.shape)
    values.flat[:256] = np.arange(256) / 255
    write(tmp_path, "pm", values)
    process(CATALOG, [1], work=tmp_path, settings=use(threshold=threshold))
    np.testing.assert_array_equal(result(tmp_path, "pm"), values >= threshold - 1e-9)


def test_float_probabilities_of_somebody_else_are_understood(tmp_path):
    values = smooth(4).astype(np.float32)
    write_multiscale(prediction_path(tmp_path, CROP, "pm"), values, GRID, kind=Kind.IMAGE)
    process(CATALOG, [1], work=tmp_path, settings=use(threshold=0.3))
    np.testing.assert_array_equal(result(tmp_path, "pm"), values >= 0.3)
    assert process(CATALOG, [1], work=tmp_path, settings=use(threshold=0.3)).written == ()


def test_ids_get_the_smallest_type_that_holds_them(tmp_path):
    dots = np.zeros(GRID.shape)
    dots[::3, ::3, ::3] = 1
    write(tmp_path, "mito", dots)
    report = process(CATALOG, [1], work=tmp_path, settings=use(min_volume_nm3=0))
    image = open_multiscale(processed_path(tmp_path, CROP, "mito"))
    assert report.results[0].objects == 8 * 9 * 10 > 255
    assert image.levels[0].dtype == np.uint16
    assert image.levels[0].read().max() == 720


def test_a_second_run_keeps_what_stands_and_a_changed_recipe_is_refused(work):
    process(CATALOG, [1], work=work, classes=["mito"])
    report = process(CATALOG, [1], work=work)
    assert report.kept == (processed_path(work, CROP, "mito"),)
    assert len(report.written) == 2
    assert process(CATALOG, [1], work=work).written == ()
    with pytest.raises(OutputExists, match="mito was made by another recipe"):
        process(CATALOG, [1], work=work, settings=use(mito={"threshold": 0.4}))
    write(work, "pm", smooth(9), checkpoint="b" * 64)
    with pytest.raises(OutputExists, match="pm"):
        plan_process(CATALOG, [1], work=work)
    with pytest.raises(OutputExists, match="cell"):  # whose recipe reads pm
        plan_process(CATALOG, [1], work=work, classes=["cell"])
    assert plan_process(CATALOG, [1], work=work, classes=["mito"]).tasks == ()
    process(CATALOG, [1], work=work, overwrite=True)
    np.testing.assert_array_equal(result(work, "pm"), stored(work, "pm") >= 128)


def test_a_plan_writes_nothing(work):
    plan = plan_process(CATALOG, [1], work=work)
    assert [task.class_name for task in plan.tasks] == ["pm", "mito", "cell"]
    assert plan.voxels == 3 * GRID.box.size
    assert not (work / "processed").exists()


def test_what_is_not_predicted_is_named(work, tmp_path_factory):
    with pytest.raises(FileMissing, match=r"no prediction below.*csc predict --crops 1"):
        process(CATALOG, [1], work=tmp_path_factory.mktemp("empty"))
    with pytest.raises(FileMissing, match=r"er is not predicted.*predicted: pm, mito, cell.*csc predict"):
        process(CATALOG, [1], work=work, classes=["er"])
    with pytest.raises(FileMissing, match=r"er, which the recipe of cell needs, is not pred"):
        process(CATALOG, [1], work=work, settings=use(cell={"minus": ["er"]}))
    with pytest.raises(ClassNotFound, match="mito"):
        process(CATALOG, [1], work=work, classes=["mitto"])
    assert not (work / "processed").exists()


@pytest.mark.parametrize(
    "grid", [Grid((8, 8, 8), (112, 204, 304), GRID.shape), Grid((4, 8, 8), (104, 204, 304), GRID.shape)]
)
def test_predictions_on_different_grids_cannot_be_subtracted(work, grid):
    write(work, "pm", smooth(3), grid=grid)
    with pytest.raises(GridMismatch, match=r"does not lie on the grid of cell.*one network"):
        process(CATALOG, [1], work=work, settings=use(cell={"minus": ["pm"]}), classes=["cell"])


def test_specks_are_told(tmp_path):
    write(tmp_path, "mito", (np.random.default_rng(0).random(GRID.shape) > 0.97).astype(float))
    report = process(CATALOG, [1], work=tmp_path, settings=use(min_volume_nm3=0))
    assert "liver/crop1/mito" in report.warnings[0]
    assert "specks" in report.warnings[0]
    assert process(CATALOG, [1], work=tmp_path, overwrite=True).warnings == ()


def test_nothing_stands_under_a_final_name_after_an_error(work):
    chunk = prediction_path(work, CROP, "cell") / "s0" / "1" / "1" / "1"
    chunk.write_bytes(chunk.read_bytes()[:5])
    with pytest.raises(Exception, match="1/1/1 is truncated"):
        process(CATALOG, [1], work=work, classes=["cell"], settings=use(cell={"grow_nm": 16}))
    left = {p.name for p in processed_path(work, CROP, "cell").parent.iterdir()}
    assert left == {".zgroup"}
    assert json.loads((processed_path(work, CROP, "cell").parent / ".zgroup").read_text())


def test_nothing_found_is_an_empty_volume(tmp_path):
    write(tmp_path, "mito", np.zeros(GRID.shape))
    recipe = {"fill_holes": True, "grow_nm": 20}
    report = process(CATALOG, [1], work=tmp_path, settings=use(mito=recipe))
    assert (report.results[0].objects, report.results[0].voxels) == (0, 0)
    assert not result(tmp_path, "mito").any()


def test_a_simpler_recipe_than_the_best_is_told(tmp_path):
    write(tmp_path, "ves", smooth(4))
    (note,) = process(CATALOG, [1], work=tmp_path).warnings
    assert note == (
        "liver/crop1/ves: ves_lum not predicted, so that a simpler recipe told touching objects apart"
    )
    write(tmp_path, "ves_lum", smooth(4))
    assert process(CATALOG, [1], work=tmp_path, overwrite=True).warnings == ()
