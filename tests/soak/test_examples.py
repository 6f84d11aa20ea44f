"""The examples that people copy: each loads, and each goes its whole way on a tiny phantom.

For that, copies are made smaller: `steps`, `validate_every`, `patch_shape`, `stride`, `batch_size`, `options`
and `mirrors` are given other values; all other keys stay as they are.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from organelle.catalog import load_catalog, processed_path
from organelle.experiment import Experiment, load_experiment
from organelle.volumes import open_multiscale

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(EXAMPLES.rglob("*.toml"))
BIN = Path(sys.executable).parent
SMALLER = {
    "steps": "4",
    "validate_every": "2",
    "batch_size": "2",
    "mirrors": "false",
    "stride": "[16, 16, 16]",
}
OPTIONS = {
    "unet": "{ features = [8, 8, 8, 8, 8, 8] }",
    "dynunet": "{ features = [8, 8, 16, 16], deep_supervision = 2 }",
    "dilated": "{ features = 8, dilations = [1, 2] }",
}
ALONE, TOGETHER = (), (BIN / "torchrun", "--standalone", "--nproc-per-node", "2")


def name_of(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


def smaller(text: str, experiment: Experiment) -> str:
    """The same experiment with the keys above at values for a toy."""
    model = experiment.model
    kind = re.split(r"[_:]", model.network)[0]
    patch = [1 if n == 1 else 32 for n in model.patch_shape]
    for key, value in (SMALLER | {"patch_shape": str(patch), "options": OPTIONS[kind]}).items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_example_is_an_experiment_that_says_why(path: Path) -> None:
    experiment = load_experiment(path)
    assert experiment.train.steps >= 10_000
    assert f"({name_of(path)})" in (EXAMPLES / "README.md").read_text()
    first, *lines = path.read_text().splitlines()
    assert f"train {name_of(path)}" in first
    assert sum("#" in line for line in lines) > 4


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_example_differs_from_its_small_copy_only_in_what_is_said_above(
    path: Path, tmp_path: Path
) -> None:
    before = load_experiment(path)
    (tmp_path / "small.toml").write_text(smaller(path.read_text(), before))
    after = load_experiment(tmp_path / "small.toml")
    assert after.train.steps == 4
    for section, keys in {
        "data": set(),
        "model": {"patch_shape", "stride", "options"},
        "sampling": {"batch_size"},
        "train": {"steps", "validate_every"},
        "predict": {"mirrors"},
        "process": set(),
    }.items():
        a, b = (getattr(one, section).model_dump(exclude=keys) for one in (before, after))
        assert a == b, section


@pytest.mark.soak
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_example_trains_predicts_and_makes_objects(
    path: Path, tiny_challenge: Path, tmp_path: Path
) -> None:
    experiment = load_experiment(path)
    config = tmp_path / "small.toml"
    config.write_text(smaller(path.read_text(), experiment))
    places = ("--catalog", tiny_challenge, "--data", tiny_challenge / "bucket", "--work", tmp_path / "work")
    start = TOGETHER if path.name == "several_gpus.toml" else ALONE
    run((*start, BIN / "csc", "train", config, *places), path.parent)
    with (tmp_path / "work" / "runs" / experiment.name / "steps.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 4
    run((BIN / "csc", "predict", config, "--crops", "test", *places), path.parent)
    run((BIN / "csc", "process", config, "--crops", "test", *places[:2], *places[4:]), path.parent)
    for crop in load_catalog(tiny_challenge).test_crops.values():
        for name in set(experiment.model.classes) & set(crop.classes):
            made = open_multiscale(processed_path(tmp_path / "work", crop, name)).levels[0]
            assert made.shape == crop.grid.shape


def run(command: tuple[str | Path, ...], where: Path) -> None:
    """Type it where the example lies, one thread to a process; it must end well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CSC_")}
    done = subprocess.run(
        command,
        cwd=where,
        env=environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(where)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}"
