"""An experiment whose table of a split says where its volumes lie."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from organelle.catalog import load_catalog, make_datasplit, write_datasplit
from organelle.errors import FileMissing
from organelle.experiment import load_experiment, train_experiment

sys.path.insert(0, str(Path(__file__).parent.parent / "fetch"))
from bucket_servers import serve_s3

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

EXPERIMENT = """
name = "small"
[data]
datasplit = "split.csv"
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


def others(folder: str, names: list[str]) -> set[str]:
    """What training does not ask for: other crops, other classes."""
    if folder.endswith("groundtruth"):
        return {name for name in names if name.startswith("crop")} - {"crop11", "crop14"}
    if Path(folder).name in ("crop11", "crop14"):
        return {name for name in names if not name.startswith(".")} - {"pm", "mito"}
    return set()


def test_training_reads_where_the_rows_say_when_nothing_is_here(tiny_challenge: Path, tmp_path: Path) -> None:
    catalog = load_catalog(tiny_challenge)
    split = make_datasplit(catalog, crops=[11, 14], validate_ratio=0.5)
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    experiment = load_experiment(tmp_path / "small.toml")
    bucket = shutil.copytree(tiny_challenge / "bucket", tmp_path / "bucket", ignore=others)
    with serve_s3(bucket, "drawn") as endpoint:
        write_datasplit(split, f"s3://drawn?endpoint={endpoint}", tmp_path / "split.csv")
        report = train_experiment(experiment, catalog, data=tmp_path / "data", work=tmp_path / "work")
    assert report.steps == 2


def test_rows_whose_volumes_are_gone_are_listed(tiny_challenge: Path, tmp_path: Path) -> None:
    catalog = load_catalog(tiny_challenge)
    split = make_datasplit(catalog, crops=[11, 14], validate_ratio=0.5)
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    write_datasplit(split, "/old/disk", tmp_path / "split.csv")
    with pytest.raises(FileMissing, match="the volumes of 2 of its 2 rows are not here") as told:
        train_experiment(
            load_experiment(tmp_path / "small.toml"), catalog, data=tmp_path / "data", work=tmp_path / "work"
        )
    assert "line 2: crop" in str(told.value)
    assert "csc fetch-data --crops 11,14" in str(told.value)
    assert not (tmp_path / "work").exists()
