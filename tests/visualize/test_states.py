from __future__ import annotations

import numpy as np
import pytest

from organelle.catalog import Catalog, Crop, Dataset, em_folder, label_path
from organelle.classes import class_named
from organelle.errors import (
    ClassNotFound,
    CropNotFound,
    DatasetNotFound,
    EMMissing,
    FileMissing,
    FormatError,
    SettingsError,
)
from organelle.geometry import Grid
from organelle.scenes import colour_of, web_colour
from organelle.visualize import Choice, ImageKind, parse_kinds, visualize
from organelle.volumes import write_labels

BASE = "http://localhost/data"


def layers(state):
    return {layer["name"]: layer for layer in state["layers"]}


@pytest.fixture(scope="module")
def crop(catalog):
    return next(iter(catalog.train_crops.values()))


@pytest.fixture(scope="module")
def state(catalog, bucket, work, crop):
    return visualize(catalog, Choice(crops=[crop.id]), data=bucket, work=work).state(crop.name, BASE)


def test_it_starts_in_the_middle_of_the_crop_and_shows_all_of_it(state, crop):
    assert state["position"] == pytest.approx(list(crop.extent.centre_nm))
    assert 250 < max(crop.extent.shape_nm) / state["crossSectionScale"] < 400
    assert state["displayDimensions"] == ["x", "y", "z"]


def test_layers_stand_by_class_and_within_by_origin(state, crop):
    names = list(layers(state))
    assert names[0] == "EM"
    assert names[-1] == "crops"
    at = names.index("mito truth")
    assert names[at : at + 3] == ["mito truth", "mito prediction", "mito processed"]
    order = list(dict.fromkeys(name.split()[0] for name in names[1:-1]))
    assert order == sorted(order, key=lambda name: class_named(name).id)


def test_a_few_layers_are_shown_and_the_others_at_hand(state):
    shown = {name for name, layer in layers(state).items() if not layer.get("archived")}
    assert {"EM", "crops", "mito truth", "mito prediction", "mito processed"} <= shown
    assert len({name.split()[0] for name in shown} - {"EM", "crops"}) == 3
    assert all(layer["visible"] is False for layer in layers(state).values() if layer.get("archived"))


def test_masks_have_the_colour_of_their_class_and_hide_what_is_unknown(state):
    truth, processed = layers(state)["er truth"], layers(state)["er processed"]
    assert truth["segmentDefaultColor"] == processed["segmentDefaultColor"] == web_colour(colour_of("er"))
    assert truth["segments"] == ["1", "!255"]
    assert truth["segmentColors"]["255"] == "#808080"
    assert processed["segments"] == []


def test_objects_have_colours_of_class_and_id_and_255_is_one_of_them(state):
    truth = layers(state)["mito truth"]
    assert truth["colorSeed"] == class_named("mito").id
    assert truth["colorSeed"] != layers(state)["cell truth"]["colorSeed"]
    assert "segmentColors" not in layers(state)["mito processed"]


def test_probabilities_are_read_on_their_own_scale(state):
    whole, share = layers(state)["mito prediction"], layers(state)["er prediction"]
    assert whole["shaderControls"]["probability"]["range"] == [0, 255]
    assert share["shaderControls"]["probability"]["range"] == [0, 1]
    assert web_colour(colour_of("mito")) in whole["shader"]


def test_contrast_comes_from_the_grey_values(state):
    low, high = layers(state)["EM"]["shaderControls"]["contrast"]["range"]
    assert 0 < low < high < 255


def test_boxes_are_those_of_the_crops(catalog, bucket, work):
    scene = visualize(catalog, data=bucket, work=work)
    boxes = layers(scene.state(next(iter(scene.views)), BASE))["crops"]["annotations"]
    assert len(boxes) >= len(catalog.train_crops)
    first = catalog.crop(int(boxes[0]["description"].removeprefix("crop")))
    assert boxes[0]["pointA"] == list(first.extent.start_nm)
    assert boxes[0]["pointB"] == list(first.extent.stop_nm)


def test_several_crops_share_a_layer(catalog, bucket, work):
    scene = visualize(catalog, Choice(crops="all", classes=["mito"]), data=bucket, work=work)
    sources = layers(scene.state(next(iter(scene.views)), BASE))["mito truth"]["source"]
    assert len(sources) == sum("mito" in crop.classes for crop in catalog.train_crops.values()) > 1


def test_kinds_and_classes_leave_out_the_rest(catalog, bucket, work, crop):
    choice = Choice(crops=[crop.id], classes=["er"], kinds=(ImageKind.TRUTH, ImageKind.PROCESSED))
    shown = layers(visualize(catalog, choice, data=bucket, work=work).state(crop.name, BASE))
    assert list(shown) == ["er truth", "er processed", "crops"]


def test_kinds_go_by_several_names():
    assert parse_kinds(["gt", "predictions"]) == (ImageKind.TRUTH, ImageKind.PREDICTION)
    assert parse_kinds(None) == tuple(ImageKind)
    with pytest.raises(SettingsError, match=r"nearest: .*truth"):
        parse_kinds(["truths", "thruth"])
    with pytest.raises(SettingsError, match="no kind"):
        parse_kinds([])


@pytest.mark.parametrize(
    ("choice", "error", "words"),
    [
        (Choice(crops="4711"), CropNotFound, "nearest"),
        (Choice(classes=["mitos"]), ClassNotFound, "mito"),
        (Choice(datasets=["phantm"]), DatasetNotFound, "phantom"),
    ],
)
def test_a_name_that_is_not_known(catalog, bucket, work, choice, error, words):
    with pytest.raises(error, match=words):
        visualize(catalog, choice, data=bucket, work=work)


def test_nothing_to_show_says_where_it_looked(catalog, tmp_path):
    with pytest.raises(FileMissing, match=rf"{tmp_path}.*csc fetch-data"):
        visualize(catalog, data=tmp_path, work=tmp_path)
    with pytest.raises(EMMissing, match=r"no EM of .*csc fetch-data"):
        visualize(catalog, Choice(kinds=(ImageKind.EM,)), data=tmp_path, work=tmp_path)


def test_crops_that_mean_something_else_by_255_have_layers_of_their_own(tmp_path):
    """In one crop 255 is unknown, in the other the 255th object."""
    near = Crop(1, "drawn", Grid((4.0,) * 3, (0.0,) * 3, (8, 8, 8)), ("mito",))
    far = Crop(2, "drawn", Grid((4.0,) * 3, (64.0,) * 3, (8, 8, 8)), ("mito",))
    drawn = Catalog("drawn", {"drawn": Dataset("drawn")}, {1: near, 2: far}, {})
    for crop, unknown in ((near, True), (far, False)):
        labels = np.full(crop.grid.shape, 255, np.uint8)
        write_labels(label_path(tmp_path, crop, "mito"), labels, crop.grid, "mito", unknown=unknown)
    shown = layers(visualize(drawn, data=tmp_path, work=tmp_path).state("crop1", BASE))
    assert list(shown) == ["mito truth", "mito truth of crop2", "crops"]
    assert shown["mito truth"]["segmentColors"] == {"255": "#808080"}
    assert "segmentColors" not in shown["mito truth of crop2"]


def test_a_dataset_of_which_nothing_can_be_read(tmp_path, catalog):
    broken = em_folder(tmp_path, next(iter(catalog.datasets)))
    broken.mkdir(parents=True)
    (broken / ".zgroup").write_text("{")
    scene = visualize(catalog, Choice(kinds=(ImageKind.EM,)), data=tmp_path, work=tmp_path)
    with pytest.raises(FormatError, match="can be read"):
        scene.state(next(iter(scene.views)), BASE)
