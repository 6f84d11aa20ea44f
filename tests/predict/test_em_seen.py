"""A prediction knows which EM it was made of: other EM is noticed, another date or place is not."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_networks import EM_GRID

from organelle.catalog import em_path
from organelle.errors import OutputExists
from organelle.geometry import Box
from organelle.predict import em_seen as seeing
from organelle.predict import plan_predict, predict
from organelle.stores import as_place
from organelle.volumes import open_multiscale

sys.path.insert(0, str(Path(__file__).parent.parent / "fetch"))
from bucket_servers import serve

CLASSES = ["mito"]


@pytest.fixture
def made(data, catalog, checkpoint, tmp_path):
    """How crop 1 was predicted."""
    how = {"data": data, "work": tmp_path / "work", "classes": CLASSES}
    predict(checkpoint(), catalog, [1], **how)
    return how


def change(data, start):
    """Other grey in one chunk."""
    level = open_multiscale(em_path(data, "liver"), writable=True).levels[0]
    box = Box(start, (16, 16, 16)).intersect(level.grid.box)
    level.write(box, 255 - level.read(box))


def test_other_em_in_the_crop_is_noticed_and_predicted_when_asked(made, catalog, checkpoint):
    change(made["data"], (16, 16, 16))
    with pytest.raises(OutputExists, match=r"mito was predicted from other EM; .*--overwrite"):
        plan_predict(checkpoint(), catalog, [1], **made)
    predict(checkpoint(), catalog, [1], overwrite=True, **made)
    assert plan_predict(checkpoint(), catalog, [1], **made).patches == 0


def test_em_that_was_lacking_and_is_here_now_is_other_em(data, catalog, checkpoint, tmp_path):
    level = open_multiscale(em_path(data, "liver")).levels[0]
    lacking = next(file for file in level.files(Box((16, 16, 16), (1, 1, 1))) if file.is_file())
    kept = lacking.read_bytes()
    lacking.unlink()
    how = {"data": data, "work": tmp_path / "work", "classes": CLASSES}
    predict(checkpoint(), catalog, [1], **how)
    lacking.write_bytes(kept)
    with pytest.raises(OutputExists, match="from other EM"):
        plan_predict(checkpoint(), catalog, [1], **how)


def test_neither_dates_nor_places_nor_em_elsewhere_count(made, catalog, checkpoint, tmp_path):
    elsewhere = Path(shutil.copytree(made["data"], tmp_path / "copy"))
    for file in elsewhere.rglob("*"):
        os.utime(file, (0, 0))
    change(elsewhere, (32, 32, 32))
    assert max(EM_GRID.box_of(catalog.crop(1).extent).stop) < 32
    assert plan_predict(checkpoint(), catalog, [1], **{**made, "data": elsewhere}).patches == 0


def test_em_of_a_server_is_told_by_its_metadata_alone(made, catalog, checkpoint):
    with serve(made["data"]) as server:
        there = {**made, "data": as_place(server.url)}
        assert plan_predict(checkpoint(), catalog, [1], **there).patches == 0


def test_large_regions_are_told_by_the_sizes_of_their_chunks(
    data, catalog, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(seeing, "MOST_READ", 1000)
    how = {"data": data, "work": tmp_path / "work", "classes": CLASSES}
    predict(checkpoint(), catalog, [1], **how)
    assert plan_predict(checkpoint(), catalog, [1], **how).patches == 0
    level = open_multiscale(em_path(data, "liver"), writable=True).levels[0]
    level.write(Box((16, 16, 16), (16, 16, 16)), np.full((16, 16, 16), 7, np.uint8))
    with pytest.raises(OutputExists, match="from other EM"):
        plan_predict(checkpoint(), catalog, [1], **how)
    monkeypatch.setattr(seeing, "MOST_LISTED", 1000)
    assert plan_predict(checkpoint(), catalog, [1], **how).patches == 0
