"""Whether a zip still holds what would be packed, told without packing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from packed_challenge import CHALLENGE, write_most

from organelle.catalog import processed_path
from organelle.errors import FileMissing
from organelle.pack import PackSettings, changed_rows, lineage_path, pack, plan_pack
from organelle.volumes import open_multiscale


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A work folder with its zip `out.zip` beside it."""
    write_most(tmp_path / "work")
    pack(CHALLENGE, tmp_path / "work", tmp_path / "out.zip")
    return tmp_path


def changed(folder: Path, settings: PackSettings | None = None) -> tuple[str, ...]:
    plan = plan_pack(CHALLENGE, folder / "work")
    return changed_rows(plan, folder / "out.zip", catalog=CHALLENGE.name, settings=settings)


def test_what_was_just_packed_is_unchanged_wherever_both_lie_together(packed: Path, tmp_path: Path) -> None:
    assert changed(packed) == ()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("work", "out.zip", "out.lineage.json"):
        shutil.move(packed / name, moved / name)
    assert changed(moved) == ()


def test_only_the_rows_whose_source_is_another_are_named(packed: Path) -> None:
    filled = plan_pack(CHALLENGE, packed / "work").filled
    first, last = filled[0], filled[-1]
    shutil.rmtree(processed_path(packed / "work", first.crop, first.class_name))
    assert changed(packed) == (first.name,)
    image = open_multiscale(processed_path(packed / "work", last.crop, last.class_name), writable=True)
    level = image.levels[0]
    level.write(level.grid.box, np.zeros(level.grid.shape, level.dtype))  # it says nothing of its making
    assert changed(packed) == (first.name, last.name)


def test_another_zip_or_way_of_storing_changes_every_row(packed: Path) -> None:
    every = tuple(row.name for row in plan_pack(CHALLENGE, packed / "work").rows)
    assert changed(packed, PackSettings(chunk_voxels=64)) == every
    with (packed / "out.zip").open("ab") as stream:
        stream.write(b"!")
    assert changed(packed) == every


def test_a_zip_without_its_lineage_says_nothing(packed: Path) -> None:
    lineage_path(packed / "out.zip").unlink()
    with pytest.raises(FileMissing, match=r"out\.lineage\.json"):
        changed(packed)
