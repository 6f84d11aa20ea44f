"""Runs from beginning to end, in small."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from organelle.catalog import Catalog, load_catalog
from organelle.errors import FileMissing, OutputExists, SettingsError
from organelle.models import ModelSettings, load_checkpoint
from organelle.sampling import SamplingSettings
from organelle.train import TrainReport, TrainSettings, best_checkpoint, train

STEPS = 6

EXPERIMENT = f"""
name = "small"
[data]
train = [11, 12]
validate = [14]
[model]
network = "unet_3d"
classes = ["mito", "pm", "cyto"]
voxel_size_nm = [8, 8, 8]
patch_shape = [16, 16, 16]
options = {{ features = [4, 4, 4, 4, 4, 4], groups = 2, dropout = 0.1 }}
[sampling]
batch_size = 1
workers = 0
[train]
steps = {STEPS}
checkpoint_every = 2
validate_every = 3
precision = "float32"
"""

MODEL = ModelSettings(
    network="unet_3d",
    classes=("mito", "pm", "cyto"),
    voxel_size_nm=(8, 8, 8),
    patch_shape=(16, 16, 16),
    options={"features": (4, 4, 4, 4, 4, 4), "groups": 2, "dropout": 0.1},
)
SETTINGS = TrainSettings(steps=STEPS, checkpoint_every=2, validate_every=3, precision="float32")


@pytest.fixture(scope="module")
def catalog(tiny_challenge: Path) -> Catalog:
    return load_catalog(tiny_challenge)


def run(
    challenge: Path,
    catalog: Catalog,
    folder: Path,
    *,
    workers: int = 0,
    settings: TrainSettings = SETTINGS,
    overwrite: bool = False,
) -> TrainReport:
    return train(
        MODEL,
        data=challenge / "bucket",
        run=folder,
        train_crops=[catalog.crop(11), catalog.crop(12)],
        validate_crops=[catalog.crop(14)],
        sampling=SamplingSettings(batch_size=1, workers=workers),
        settings=settings,
        overwrite=overwrite,
    )


@pytest.fixture(scope="module")
def undisturbed(
    tiny_challenge: Path, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> TrainReport:
    return run(tiny_challenge, catalog, tmp_path_factory.mktemp("runs") / "undisturbed")


def assert_same_state(one: Path, other: Path) -> None:
    """Every tensor and number of two checkpoints is equal."""
    a, b = load_checkpoint(one), load_checkpoint(other)
    assert a.step == b.step
    assert a.state == b.state
    assert a.ema is not None
    assert b.ema is not None
    for left, right in ((a.model, b.model), (a.ema, b.ema)):
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)
    for index, state in a.optimiser["state"].items():
        assert all(torch.equal(value, b.optimiser["state"][index][key]) for key, value in state.items())
    assert torch.equal(a.generators["torch"], b.generators["torch"])


def test_a_run_leaves_a_folder_that_explains_itself(undisturbed: TrainReport) -> None:
    assert undisturbed.steps == STEPS
    assert undisturbed.resumed_at == 0
    with (undisturbed.run / "steps.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    with (undisturbed.run / "validation.csv").open() as stream:
        judged = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in judged] == [3, 6]
    classes = ("mito", "pm", "cyto")
    assert set(judged[0]) == {"step", "overall", "mean IoU", *classes, *(f"{c} IoU" for c in classes)}
    assert undisturbed.best == max(float(row["overall"]) for row in judged)
    assert list((undisturbed.run / "tensorboard").iterdir())
    assert set(json.loads((undisturbed.run / "data.json").read_text())) == {"crop11", "crop12"}
    assert (undisturbed.run / "worst.png").read_bytes().startswith(b"\x89PNG")


def test_the_checkpoint_carries_its_own_truth(undisturbed: TrainReport) -> None:
    checkpoint = load_checkpoint(undisturbed.checkpoint)
    assert checkpoint.spec.classes == MODEL.classes
    assert 0 < checkpoint.spec.normalisation.mean < 255
    assert best_checkpoint(undisturbed.run) == undisturbed.checkpoint


def test_a_finished_run_is_left_as_it_is(
    undisturbed: TrainReport, tiny_challenge: Path, catalog: Catalog
) -> None:
    before = undisturbed.checkpoint.stat().st_mtime_ns
    again = run(tiny_challenge, catalog, undisturbed.run)
    assert again.resumed_at == STEPS
    assert again.best == undisturbed.best
    assert undisturbed.checkpoint.stat().st_mtime_ns == before


def test_workers_change_nothing(
    undisturbed: TrainReport, tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    other = run(tiny_challenge, catalog, tmp_path / "run", workers=2)
    assert_same_state(undisturbed.run / "last.ckpt", other.run / "last.ckpt")


@pytest.mark.soak
def test_a_killed_run_ends_with_the_tensors_of_an_undisturbed_one(
    undisturbed: TrainReport, tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    command = [Path(sys.executable).with_name("csc"), "train", tmp_path / "small.toml"]
    command += ["--catalog", tiny_challenge, "--data", tiny_challenge / "bucket", "--work", tmp_path]
    folder = tmp_path / "runs" / "small"
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not (folder / "last.ckpt").is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = load_checkpoint(folder / "last.ckpt").step
    assert reached < STEPS, "the run was over before it could be killed"
    resumed = run(tiny_challenge, catalog, folder)
    assert resumed.resumed_at == reached
    assert_same_state(undisturbed.run / "last.ckpt", resumed.run / "last.ckpt")
    assert_same_state(undisturbed.checkpoint, resumed.checkpoint)
    steps = (folder / "steps.csv").read_text().splitlines()
    assert steps == (undisturbed.run / "steps.csv").read_text().splitlines()


def test_other_settings_do_not_touch_a_run(
    undisturbed: TrainReport, tiny_challenge: Path, catalog: Catalog
) -> None:
    other = SETTINGS.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(OutputExists, match=r"train\.learning_rate"):
        run(tiny_challenge, catalog, undisturbed.run, settings=other)


def test_overwrite_begins_anew(tiny_challenge: Path, catalog: Catalog, tmp_path: Path) -> None:
    short = SETTINGS.model_copy(update={"steps": 1})
    run(tiny_challenge, catalog, tmp_path / "run", settings=short)
    longer = SETTINGS.model_copy(update={"steps": 2})
    report = run(tiny_challenge, catalog, tmp_path / "run", settings=longer, overwrite=True)
    assert (report.steps, report.resumed_at) == (2, 0)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_neither_trained_into_nor_deleted(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path, overwrite: bool
) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(OutputExists, match="holds no training run"):
        run(tiny_challenge, catalog, tmp_path, overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_without_held_out_crops_the_last_state_is_the_one_to_predict_with(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    report = train(
        MODEL,
        data=tiny_challenge / "bucket",
        run=tmp_path / "run",
        train_crops=[catalog.crop(11)],
        sampling=SamplingSettings(batch_size=1, workers=0),
        settings=SETTINGS.model_copy(update={"steps": 2}),
    )
    assert report.best is None
    assert load_checkpoint(report.checkpoint).step == 2


def test_a_network_that_is_shown_its_surroundings_learns_and_is_judged(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    report = train(
        MODEL.model_copy(update={"context": (2,)}),
        data=tiny_challenge / "bucket",
        run=tmp_path / "run",
        train_crops=[catalog.crop(11)],
        validate_crops=[catalog.crop(14)],
        sampling=SamplingSettings(batch_size=1, workers=0),
        settings=SETTINGS.model_copy(update={"steps": 2, "validate_every": 2}),
    )
    kept = load_checkpoint(report.checkpoint)
    assert kept.spec.context == (2,)
    assert kept.model[next(iter(kept.model))].shape[1] == 2
    assert list((tmp_path / "run").rglob("worst*.png"))


def test_no_crops_are_an_error(tiny_challenge: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no crops"):
        train(MODEL, data=tiny_challenge / "bucket", run=tmp_path / "run", train_crops=[])


def test_a_run_without_a_network_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="csc train"):
        best_checkpoint(tmp_path)
