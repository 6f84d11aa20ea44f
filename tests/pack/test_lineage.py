"""The lineage tells of every row where it comes from, and of strangers that they do not say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from packed_challenge import CHALLENGE, FINE, FLAT, drawn_ids, write_most, write_processed

import organelle
from organelle.catalog import prediction_path, processed_path
from organelle.classes import Kind
from organelle.errors import FileMissing, FormatError
from organelle.files import sha256, write_json
from organelle.pack import AssembleSettings, lineage_path, pack, read_lineage
from organelle.process import process
from organelle.volumes import write_multiscale

LARVA = CHALLENGE.crop(9)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder `run` with a training run, its prediction and processed volume of crop9/cell."""
    folder = tmp_path_factory.mktemp("lineage")
    run = folder / "run" / "runs" / "cells"
    (run / "best").mkdir(parents=True)
    (run / "best.ckpt").write_bytes(b"weights that validated best")
    (run / "last.ckpt").write_bytes(b"weights of the last step")
    write_json(run / "run.json", {"train": {"steps": 40}, "versions": {"torch": "2.9"}})
    write_json(run / "data.json", {"crop111": "5e1f", "crop112": "9ab0"})
    predict_cells(folder / "run", sha256(run / "best.ckpt"))
    process(CHALLENGE, [9], work=folder / "run")
    return folder


def predict_cells(work: Path, checkpoint: str) -> None:
    """A drawn prediction that says of itself what `csc predict` writes down."""
    record = {
        "stage": "prediction",
        "class": "cell",
        "version": organelle.__version__,
        "probability_scale": 255,
        "checkpoint_sha256": checkpoint,
        "mirrors": False,
        "blending": "gaussian",
    }
    probabilities = np.zeros(FLAT.shape, "uint8")
    probabilities[1:4, 10:50, 10:50] = 200
    write_multiscale(
        prediction_path(work, LARVA, "cell"),
        probabilities,
        FLAT,
        kind=Kind.IMAGE,
        attributes={"organelle": record},
    )


def rows_of(folder: Path, work: Path, assemble: AssembleSettings | None = None) -> tuple[dict, dict]:  # type: ignore[type-arg]
    """The lineage of what is packed from `work`, and its rows by name."""
    pack(CHALLENGE, work, folder / "out.zip", assemble=assemble)
    lineage = read_lineage(folder / "out.zip")
    return lineage, {row["row"]: row for row in lineage["rows"]}


def test_a_row_is_traced_to_the_data_of_its_training(traced: Path, tmp_path: Path) -> None:
    lineage, rows = rows_of(traced, traced / "run")
    cell = rows["crop9/cell"]
    assert cell["unknown"] == []
    assert cell["run"] == "run"
    assert cell["source"]["path"] == "run/processed/larva.zarr/crop9/cell"
    assert cell["source"]["grid"] == {
        "voxel_size_nm": [50.0, 4.6, 4.6],
        "origin_nm": [0.0, 2318.4, 2428.8],
        "shape": [5, 70, 64],
    }
    assert "recipe" in cell["source"]["says"]
    assert cell["predictions"]["cell"]["path"] == "run/predictions/larva.zarr/crop9/cell"
    assert cell["predictions"]["cell"]["says"]["blending"] == "gaussian"
    (checkpoint,) = cell["checkpoints"]
    assert lineage["checkpoints"][checkpoint] == {
        "file": "run/runs/cells/best.ckpt",
        "run": {"train": {"steps": 40}, "versions": {"torch": "2.9"}},
        "data": {"crop111": "5e1f", "crop112": "9ab0"},
    }
    assert (cell["ids"], cell["dtype"]) == (1, "uint8")
    assert 1000 < cell["voxels"] <= 4800
    assert rows["crop7/mito"] == {
        "run": None,
        "source": None,
        "passed_over": [],
        "checkpoints": [],
        "unknown": [],
        "row": "crop7/mito",
        "kind": "instance",
        "grid": rows["crop7/er"]["grid"],
        "dtype": "uint8",
        "ids": 0,
        "voxels": 0,
        "predictions": {},
    }
    assert str(tmp_path) not in json.dumps(lineage)


def test_the_lineage_names_the_zip_by_its_hash_and_what_packed_it(traced: Path) -> None:
    (traced / "again").mkdir(exist_ok=True)
    pack(CHALLENGE, traced / "run", traced / "again" / "out.zip")
    lineage = read_lineage(traced / "again" / "out.zip")
    zipped = traced / "again" / "out.zip"
    assert lineage["submission"] == {
        "file": "out.zip",
        "bytes": zipped.stat().st_size,
        "sha256": sha256(zipped),
    }
    assert lineage["catalog"] == "two experiments"
    assert lineage["runs"] == [{"work": "../run", "rows": 1}]
    assert lineage["versions"].keys() == {"organelle", "python", "numpy", "zarr", "numcodecs"}


def test_a_checkpoint_that_is_not_here_leaves_the_training_unknown(traced: Path, tmp_path: Path) -> None:
    predict_cells(tmp_path / "work", "ab" * 32)
    process(CHALLENGE, [9], work=tmp_path / "work")
    lineage, rows = rows_of(tmp_path, tmp_path / "work")
    assert rows["crop9/cell"]["unknown"] == ["training data"]
    assert lineage["checkpoints"] == {"ab" * 32: {"file": None, "run": None, "data": None}}


def test_a_prediction_that_was_replaced_is_not_taken_for_the_one_that_was_used(tmp_path: Path) -> None:
    predict_cells(tmp_path / "work", "ab" * 32)
    process(CHALLENGE, [9], work=tmp_path / "work")
    predicted = prediction_path(tmp_path / "work", LARVA, "cell")
    attributes = json.loads((predicted / ".zattrs").read_text())
    attributes["organelle"]["checkpoint_sha256"] = "cd" * 32
    (predicted / ".zattrs").write_text(json.dumps(attributes))
    cell = rows_of(tmp_path, tmp_path / "work")[1]["crop9/cell"]
    assert cell["checkpoints"] == ["ab" * 32]
    assert cell["predictions"]["cell"]["path"] is None


def test_volumes_of_others_say_nothing(tmp_path: Path) -> None:
    write_most(tmp_path / "theirs")
    report = pack(CHALLENGE, tmp_path / "theirs", tmp_path / "out.zip")
    rows = {row["row"]: row for row in read_lineage(tmp_path / "out.zip")["rows"]}
    assert rows["crop7/er"]["unknown"] == ["version", "recipe", "prediction", "checkpoint", "training data"]
    assert rows["crop7/er"]["source"]["says"] == {}
    assert rows["crop7/ves"]["unknown"] == []
    assert report.unknown == 3
    assert any("3 rows do not say all" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    "said",
    [
        [1, 2],
        {"stage": "processed", "recipe": {"threshold": float("nan")}, "predictions": [1]},
        {"stage": "processed", "predictions": {"mito": 7}, "checkpoint_sha256": ["a", "b"]},
        {"stage": "processed", "checkpoint_sha256": 5},
    ],
)
def test_odd_records_do_no_harm(tmp_path: Path, said: object) -> None:
    write_processed(tmp_path / "work", 7, "mito", drawn_ids(FINE, 3), FINE)
    place = processed_path(tmp_path / "work", CHALLENGE.crop(7), "mito") / ".zattrs"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"organelle": said}))
    row = rows_of(tmp_path, tmp_path / "work")[1]["crop7/mito"]
    assert "training data" in row["unknown"]


def test_runs_that_were_passed_over_are_told(traced: Path, tmp_path: Path) -> None:
    write_processed(tmp_path / "more", 9, "cell", drawn_ids(FLAT, 3), FLAT)
    works = (str(tmp_path / "more"), str(traced / "run"))
    _, rows = rows_of(tmp_path, traced / "run", AssembleSettings(classes={"cell": works}))
    assert rows["crop9/cell"]["run"] == "more"
    assert [Path(work).name for work in rows["crop9/cell"]["passed_over"]] == ["run"]


def test_reading_a_lineage_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match=r"a\.lineage\.json"):
        read_lineage(tmp_path / "a.zip")
    lineage_path(tmp_path / "a.zip").write_text("[]")
    with pytest.raises(FormatError, match="no 'organelle lineage 1' file"):
        read_lineage(tmp_path / "a.zip")
