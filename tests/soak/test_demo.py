"""The tour at full size, as `make demo` runs it: networks that beat nothing and a grey-value threshold."""

from __future__ import annotations

import json
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


def test_on_the_phantom_every_present_class_beats_both_baselines(tmp_path: Path) -> None:
    present = [row for row in tour(tmp_path / "demo") if row["present"]]
    instances = {row["class"] for row in present if row["kind"] == "instance"}
    assert instances == {"nuc", "ves", "endo", "lyso", "ld", "perox", "mito", "np", "mt", "cell"}
    assert not_better(present) == []


def test_on_real_microscopy_every_semantic_class_beats_both_baselines(shared: Path, tmp_path: Path) -> None:
    before = sha256(shared / "sample")
    semantic = [
        row for row in tour(tmp_path / "demo", "--data", shared / "sample") if row["kind"] == "semantic"
    ]
    assert {row["class"] for row in semantic} == {"pm", "cyto"}
    assert not_better(semantic) == []
    reached = {(row["dataset"], row["class"]): row["score"] for row in semantic}
    assert {key: score for key, score in reached.items() if score <= PLAIN_UNET[key]} == {}
    assert sha256(shared / "sample") == before, "the data folder was written to"
