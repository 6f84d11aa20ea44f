"""One file for all stages, and what it answers to mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from organelle.catalog import Crop, Region, load_catalog, make_datasplit
from organelle.errors import CropNotFound, DatasetNotFound, FileMissing, SettingsError
from organelle.experiment import (
    Experiment,
    datasplit,
    load_experiment,
    predict_experiment,
    process_experiment,
)
from organelle.experiment.stages import channels_wanted, classes_wanted
from organelle.geometry import Grid
from organelle.settings import parse_settings

GOOD = """
name = "mine"
[data]
train = [11, 12]
validate = [14]
[model]
network = "unet_3d"
classes = ["mito", "pm"]
voxel_size_nm = [8, 8, 8]
patch_shape = [32, 32, 32]
[train]
steps = 10
[process]
threshold = 0.4
[process.mito]
min_volume_nm3 = 1e5
"""


def written(folder: Path, text: str = GOOD) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_file_holds_a_section_per_room(tmp_path: Path) -> None:
    experiment = load_experiment(written(tmp_path))
    assert experiment.model.stride == (24, 24, 24)
    assert experiment.train.steps == 10
    assert experiment.process.recipe("mito").min_volume_nm3 == 1e5
    assert experiment.process.recipe("pm").threshold == 0.4


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("steps = 10", "stepps = 10", r"unknown key 'train\.stepps'; nearest: steps"),
        ("[model]", "[modell]", r"unknown key 'modell'; nearest: model"),
        ("[process.mito]", "[process.mitto]", r"unknown key 'process\.mitto'; nearest: mito"),
        ('"mito", "pm"', '"mitos", "pm"', r"'mitos' is not an organelle class; nearest: mito"),
        ("patch_shape = [32, 32, 32]", "patch_shape = [30, 32, 32]", r"divisible by"),
        ("voxel_size_nm = [8, 8, 8]", "voxel_size_nm = [8, 8, -8]", r"voxel_size_nm"),
        ('network = "unet_3d"', 'network = "unet3d"', r"nearest: unet_3d"),
        ("threshold = 0.4", "threshold = 4", r"process\.threshold"),
        ("steps = 10", "steps =", r"not valid TOML"),
    ],
)
def test_mistakes_are_named_with_what_was_probably_meant(
    tmp_path: Path, right: str, wrong: str, message: str
) -> None:
    assert right in GOOD
    with pytest.raises(SettingsError, match=message):
        load_experiment(written(tmp_path, GOOD.replace(right, wrong)))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("steps = 10", "stepps = 10").replace("threshold = 0.4", "treshold = 0.4")
    with pytest.raises(SettingsError) as told:
        load_experiment(written(tmp_path, text))
    assert "stepps" in str(told.value)
    assert "treshold" in str(told.value)


def test_no_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match=r"nowhere\.toml"):
        load_experiment(tmp_path / "nowhere.toml")


def test_the_split_is_the_one_that_is_named(tmp_path: Path, tiny_challenge: Path) -> None:
    split = datasplit(load_experiment(written(tmp_path)), load_catalog(tiny_challenge))
    assert [crop.id for crop in split.train] == [11, 12]
    assert [crop.id for crop in split.validate] == [14]


def test_a_table_beside_the_file_is_found(tmp_path: Path, tiny_challenge: Path) -> None:
    text = GOOD.replace("train = [11, 12]\nvalidate = [14]", 'datasplit = "split.csv"')
    labels = "recon-1/labels/groundtruth/crop{}/[mito]"
    rows = [("train", 12), ("validate", 13)]
    (tmp_path / "split.csv").write_text("".join(f'{u},a,b,c,"{labels.format(n)}"\n' for u, n in rows))
    split = datasplit(load_experiment(written(tmp_path, text)), load_catalog(tiny_challenge))
    assert [crop.id for crop in split.train] == [12]
    assert [crop.id for crop in split.validate] == [13]


def test_a_split_is_drawn_when_none_is_named(tmp_path: Path, tiny_challenge: Path) -> None:
    text = GOOD.replace("train = [11, 12]\nvalidate = [14]", "")
    split = datasplit(load_experiment(written(tmp_path, text)), load_catalog(tiny_challenge))
    assert len(split.train) == 3
    assert len(split.validate) == 1


CROPS = "train = [11, 12]\nvalidate = [14]"


def test_a_drawn_split_is_that_of_the_command(tmp_path: Path) -> None:
    challenge = load_catalog()
    text = GOOD.replace(CROPS, 'datasets = ["jrc_hela-2", "jrc_mus-liver"]\nsplit_seed = 3')
    chosen = {"classes": ["mito", "pm"], "datasets": ["jrc_hela-2", "jrc_mus-liver"], "seed": 3}
    split = datasplit(load_experiment(written(tmp_path, text)), challenge)
    assert split == make_datasplit(challenge, validate_ratio=0.25, stratify=True, **chosen)
    by_chance = text.replace("split_seed = 3", "split_seed = 3\nstratify = false")
    split = datasplit(load_experiment(written(tmp_path, by_chance)), challenge)
    assert split == make_datasplit(challenge, validate_ratio=0.25, **chosen)


def test_each_fold_is_an_experiment_of_its_own(tmp_path: Path) -> None:
    challenge = load_catalog()
    held = []
    for fold in range(3):
        text = GOOD.replace(CROPS, f'datasets = ["jrc_hela-2"]\nfolds = 3\nfold = {fold}')
        held += datasplit(load_experiment(written(tmp_path, text)), challenge).validate
    assert sorted(c.id for c in held) == sorted(c.id for c in challenge.select("jrc_hela-2"))


def test_a_dataset_is_held_out_and_may_still_be_predicted(tmp_path: Path) -> None:
    challenge = load_catalog()
    text = GOOD.replace(CROPS, 'datasets = ["jrc_hela-3"]\nhold_out = ["jrc_hela-2"]')
    experiment = load_experiment(written(tmp_path, text))
    split = datasplit(experiment, challenge)
    assert {c.dataset for c in split.train} == {"jrc_hela-3"}
    assert {c.dataset for c in split.validate} == {"jrc_hela-2"}
    with pytest.raises(FileMissing, match="csc train"):  # and no objection to the dataset
        predict_experiment(experiment, challenge, "jrc_hela-2", data=tmp_path, work=tmp_path)


@pytest.mark.parametrize(
    ("section", "error", "message"),
    [
        ("train = [11]\nstratify = true", SettingsError, "nothing to choose for stratify"),
        ('datasplit = "a.csv"\nfolds = 3\nfold = 0', SettingsError, "nothing to choose for folds, fold"),
        ("validate_ratio = 0.1\nfolds = 2\nfold = 0", SettingsError, "nothing to choose for validate_ratio"),
        ('hold_out = ["tiny"]\nvalidate_ratio = 0.1', SettingsError, "nothing to choose for validate_ratio"),
        ('hold_out = ["nowhere"]', DatasetNotFound, "'nowhere' is not a dataset"),
        ("folds = 3", SettingsError, "needs both folds and fold"),
        ("folds = 3\nfold = 3", SettingsError, "counted from 0"),
        ("folds = 9\nfold = 3", SettingsError, "9 folds cannot be made of"),
        ("folds = 1\nfold = 0", SettingsError, "greater than or equal to 2"),
        ("train = [11, 99]", CropNotFound, "crop 99 .*nearest"),
        ("train = [21]", SettingsError, "test crop"),
        ("validate = [11]", SettingsError, "train names no crop"),
        ('train = [11]\ndatasplit = "a.csv"', SettingsError, "nothing to choose for datasplit"),
        ("train = [11]\nvalidate = [11]", SettingsError, "both sides"),
    ],
)
def test_impossible_splits(
    tmp_path: Path, tiny_challenge: Path, section: str, error: type[Exception], message: str
) -> None:
    text = GOOD.replace(CROPS, section)
    with pytest.raises(error, match=message):
        datasplit(load_experiment(written(tmp_path, text)), load_catalog(tiny_challenge))


def test_stages_before_their_time_say_what_is_missing(tmp_path: Path, tiny_challenge: Path) -> None:
    experiment, catalog = load_experiment(written(tmp_path)), load_catalog(tiny_challenge)
    with pytest.raises(FileMissing, match="csc train"):
        predict_experiment(experiment, catalog, data=tiny_challenge / "bucket", work=tmp_path)
    with pytest.raises(FileMissing, match="csc predict"):
        process_experiment(experiment, catalog, work=tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.toml"]


def test_of_a_test_crop_what_it_is_scored_on_is_predicted_and_what_recipes_need() -> None:
    experiment = parse_settings(
        Experiment,
        {
            "name": "two",
            "model": {
                "network": "unet_3d",
                "classes": ["pm", "cell", "mito"],
                "voxel_size_nm": [8, 8, 8],
                "patch_shape": [32, 32, 32],
                "targets": [{"kind": "distance", "class": "mito"}],
            },
            "process": {"cell": {"minus": ["pm"]}},
        },
        "test",
    )
    grid = Grid((8, 8, 8), (4, 4, 4), (32, 32, 32))
    scored = Crop(1, "liver", grid, ("cell", "nuc"), is_test=True)
    assert classes_wanted(experiment, scored) == ("cell",)
    assert channels_wanted(experiment, scored) == ("pm", "cell")
    for place in (Crop(2, "liver", grid, ("mito",)), Region("liver")):
        assert channels_wanted(experiment, place) == ("pm", "cell", "mito", "mito/distance")


def test_the_file_may_say_where_each_class_of_the_submission_comes_from(tmp_path: Path) -> None:
    text = GOOD + '[pack]\nchunk_voxels = 64\n[assemble]\nmito = "../other"\n'
    experiment = load_experiment(written(tmp_path, text))
    assert experiment.pack.chunk_voxels == 64
    assert experiment.assemble.classes == {"mito": (str(tmp_path / "../other"),)}
    with pytest.raises(SettingsError, match="mitoo"):
        load_experiment(written(tmp_path, text.replace('mito = "../', 'mitoo = "../')))
