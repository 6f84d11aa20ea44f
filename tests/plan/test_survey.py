"""What is found out about drawn crops, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from drawn_dataset import draw_dataset

from organelle.catalog import Catalog, label_path
from organelle.errors import (
    ClassNotFound,
    CropNotFound,
    DatasetNotFound,
    EMMissing,
    FileMissing,
    SettingsError,
)
from organelle.plan import Form, form_groups, survey


def test_thickness_share_and_voxel_sizes_are_those_that_were_drawn(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, classes=("pm", "mito"))
    (found,) = survey(drawn.catalog, ["pm", "mito"], data=tmp_path)
    pm, mito = found.classes
    assert pm.thickness_nm == pytest.approx(8, abs=2.01)
    assert mito.thickness_nm == pytest.approx(160, abs=24)  # on a level of 16 nm
    assert pm.share == pytest.approx(2 / 64)
    assert (pm.label_nm, pm.crops) == (4, 2)
    assert found.em["drawn"][0] == (4, 4, 4)
    assert [group.name for group in form_groups(found)] == ["cubes-4nm", "cubes-8nm"]


def test_datasets_of_other_forms_are_looked_at_apart(tmp_path: Path) -> None:
    cubes = draw_dataset(tmp_path, classes=("mito",))
    flat = draw_dataset(tmp_path, (40.0, 4.0, 4.0), ("mito",), "flat", (3, 4))
    both = Catalog(
        "both",
        {**cubes.catalog.datasets, **flat.catalog.datasets},
        {**cubes.catalog.train_crops, **flat.catalog.train_crops},
        {},
    )
    found = survey(both, ["mito"], data=tmp_path)
    assert [(one.form, [crop.id for crop in one.crops]) for one in found] == [
        (Form.CUBES, [1, 2]),
        (Form.SECTIONS, [3, 4]),
    ]
    (only,) = survey(both, ["mito"], data=tmp_path, datasets=["flat"])
    assert only.form is Form.SECTIONS


def test_crops_that_were_not_fetched_are_left_out_unless_named(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, classes=("mito",))
    shutil.rmtree(label_path(tmp_path, drawn.catalog.crop(2), "mito").parent)
    (found,) = survey(drawn.catalog, ["mito"], data=tmp_path)
    assert [crop.id for crop in found.crops] == [1]
    assert "csc fetch-data --crops 2" in found.notes[0]
    with pytest.raises(FileMissing, match=r"crop 2; get them with: csc fetch-data --crops 2"):
        survey(drawn.catalog, ["mito"], data=tmp_path, crops="1,2")
    with pytest.raises(FileMissing, match=r"csc fetch-data --crops 1,2"):
        survey(drawn.catalog, ["mito"], data=tmp_path / "elsewhere")


def test_missing_em_is_told_with_the_line_that_gets_it(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, classes=("mito",), levels=1)
    em = tmp_path / "drawn" / "drawn.zarr" / "recon-1" / "em" / "fibsem-uint8"
    for chunk in (em / "s0").glob("*/*/[2-4]"):  # those of the second crop
        chunk.unlink()
    with pytest.raises(EMMissing, match=r"crop 2: labels are here, EM is not.*csc fetch-data --crops 2"):
        survey(drawn.catalog, ["mito"], data=tmp_path)
    shutil.rmtree(em)
    with pytest.raises(EMMissing, match=r"csc fetch-data --crops"):
        survey(drawn.catalog, ["mito"], data=tmp_path)


def test_a_class_that_nobody_annotated_or_knows_or_met_is_an_error(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, classes=("mito", "ecs", "ld"))
    with pytest.raises(CropNotFound, match=r"annotates er;.*csc get-counts --classes er"):
        survey(drawn.catalog, ["mito", "er"], data=tmp_path)
    for name in ("ecs", "ld"):
        with pytest.raises(SettingsError, match=rf"{name}: annotated, but not one voxel"):
            survey(drawn.catalog, ["mito", name], data=tmp_path)
    with pytest.raises(ClassNotFound, match=r"nearest: mito"):
        survey(drawn.catalog, ["mitos"], data=tmp_path)
    with pytest.raises(DatasetNotFound):
        survey(drawn.catalog, ["mito"], data=tmp_path, datasets=["drown"])
