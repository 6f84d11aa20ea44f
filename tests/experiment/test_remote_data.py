"""Training, prediction and home-made truth from a web server: the same bytes as from the folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from organelle.catalog import load_catalog
from organelle.errors import EMMissing, FileMissing
from organelle.evaluate import make_truth
from organelle.experiment import load_experiment, predict_experiment, process_experiment, train_experiment
from organelle.files import sha256
from organelle.stores import Place, as_place

sys.path.insert(0, str(Path(__file__).parent.parent / "fetch"))
from bucket_servers import serve

EXPERIMENT = """
name = "small"
[data]
train = [11]
validate = [14]
[model]
network = "unet_3d"
classes = ["pm", "mito"]
voxel_size_nm = [8, 8, 8]
patch_shape = [16, 16, 16]
options = { features = [4, 4, 4, 4, 4, 4], groups = 2 }
[sampling]
batch_size = 1
workers = 0
[train]
steps = 2
"""


def walk(data: Place | str, challenge: Path, work: Path) -> dict[str, str]:
    """All that the stages make of `data`, as hashes of what they wrote.

    What a prediction says of its EM is left out: on a server, the chunks of EM are not looked at for it.
    """
    work.mkdir()
    (work / "small.toml").write_text(EXPERIMENT)
    experiment, catalog = load_experiment(work / "small.toml"), load_catalog(challenge)
    train_experiment(experiment, catalog, data=data, work=work)
    predict_experiment(experiment, catalog, data=data, work=work)
    process_experiment(experiment, catalog, work=work)
    make_truth(catalog, [13], data=data, out=work / "home", classes=["pm", "mito"])
    for said in (*(work / "predictions").rglob(".zattrs"), *(work / "processed").rglob(".zattrs")):
        said.write_text(json.dumps(without_em(json.loads(said.read_text()))))
    return {name: sha256(work / name) for name in ("predictions", "processed", "home")}


def without_em(record: Any) -> Any:
    """The same without the keys `em`."""
    if isinstance(record, list):
        return [without_em(one) for one in record]
    if isinstance(record, dict):
        return {key: without_em(value) for key, value in record.items() if key != "em"}
    return record


def test_stages_make_the_same_of_a_server_as_of_its_folder(tiny_challenge: Path, tmp_path: Path) -> None:
    here = walk(tiny_challenge / "bucket", tiny_challenge, tmp_path / "here")
    with serve(tiny_challenge / "bucket", odds=0.02) as server:
        assert walk(server.url, tiny_challenge, tmp_path / "there") == here
        assert sum(server.faults.values()) > 0


def test_a_server_without_the_dataset(tiny_challenge: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    experiment, catalog = load_experiment(tmp_path / "small.toml"), load_catalog(tiny_challenge)
    with serve(tmp_path) as server:
        place = as_place(server.url)
        with pytest.raises(EMMissing, match=r"no EM of .* at http://"):
            train_experiment(experiment, catalog, data=place, work=tmp_path / "work")
        with pytest.raises(FileMissing, match="no labels of crops 13: nothing at http://"):
            make_truth(catalog, [13], data=place, out=tmp_path / "home")
