"""The tour at full size, as `make demo` runs it: networks that beat nothing and a grey-value threshold.

Of the real datasets one is toured, with half the steps, unless CSC_TOUR is `whole`: each takes a training of
its own.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from organelle.files import sha256

CSC = Path(sys.executable).with_name("csc")

PLAIN_UNET = {("vnc-larva", "pm"): 0.65, ("vnc-larva", "cyto"): 0.92, ("fib25-medulla", "pm"): 0.55}
"""IoU that a plain small UNet reached on these test crops in two minutes of training each."""

pytestmark = [pytest.mark.soak, pytest.mark.alone]


def tour(work: Path, *options: str | Path) -> list[dict[str, Any]]:
    """The rows of the score table of one tour, which must end well."""
    done = subprocess.run(
        [CSC, "demo", *options, "--work", work],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0
    rows: list[dict[str, Any]] = json.loads((work / "summary.json").read_text())["rows"]
    assert rows
    return rows


def not_better(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that do not beat both baselines."""
    return [row for row in rows if row["score"] <= max(row["nothing"], row["threshold"] or 0)]


def part_of(challenge: Path, dataset: str, folder: Path) -> Path:
    """One dataset of a mini challenge, in a folder of its own."""
    shutil.copytree(challenge / "bucket" / dataset, folder / "bucket" / dataset)
    shutil.copytree(challenge / "truth.zarr", folder / "truth.zarr")
    for table in ("datasets.csv", "train_crops.csv", "test_crops.csv"):
        with (challenge / table).open() as source, (folder / table).open("w") as target:
            rows = csv.DictReader(source)
            kept = csv.DictWriter(target, rows.fieldnames or ())
            kept.writeheader()
            kept.writerows(row for row in rows if row["dataset"] == dataset)
    with (folder / "test_crops.csv").open() as table_of_crops:
        crops = {f"crop{row['crop']}" for row in csv.DictReader(table_of_crops)}
    for path in (folder / "truth.zarr").glob("crop*"):
        if path.name not in crops:
            shutil.rmtree(path)
    return folder


def test_on_the_phantom_every_present_class_beats_both_baselines(tmp_path: Path) -> None:
    present = [row for row in tour(tmp_path / "demo") if row["present"]]
    instances = {row["class"] for row in present if row["kind"] == "instance"}
    assert instances == {"nuc", "ves", "endo", "lyso", "ld", "perox", "mito", "np", "mt", "cell"}
    assert not_better(present) == []


def test_on_real_microscopy_every_semantic_class_beats_both_baselines(shared: Path, tmp_path: Path) -> None:
    whole = os.environ.get("CSC_TOUR") == "whole"
    sample = shared / "sample" if whole else part_of(shared / "sample", "vnc-larva", tmp_path / "sample")
    before = sha256(sample)
    rows = tour(tmp_path / "demo", "--data", sample, *([] if whole else ["--steps", "500"]))
    semantic = {(row["dataset"], row["class"]): row for row in rows if row["kind"] == "semantic"}
    assert semantic.keys() == {key for key in PLAIN_UNET if whole or key[0] == "vnc-larva"}
    assert not_better(list(semantic.values())) == []
    reached = {key: row["score"] for key, row in semantic.items()}
    assert {key: score for key, score in reached.items() if score <= PLAIN_UNET[key]} == {}
    assert sha256(sample) == before, "the data folder was written to"
