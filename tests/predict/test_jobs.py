"""Prediction as work in blocks: shared, interrupted, taken up again, and the same bytes in the end."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from drawn_networks import EM_GRID, TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.blocks import PatchGrid, Tiling
from organelle.catalog import Catalog, Dataset, Region, em_path, prediction_path
from organelle.errors import EMMissing, OutputExists, SettingsError, WorkError
from organelle.geometry import Box, Extent
from organelle.predict import PredictSettings, estimate, plan_predict, predict
from organelle.predict.job import PredictJob
from organelle.volumes import open_multiscale

SMALL = PredictSettings(memory_gb=1e-6)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("organelle.predict.plan.CHUNK", 8)
    monkeypatch.setattr("organelle.predict.plan.DEPTH", 16)


@pytest.fixture
def checkpoint(checkpoint):
    """Whatever the network: blocks are shared and taken up again alike."""
    return partial(checkpoint, **TINY)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


triples = st.tuples(*[st.integers(1, 12)] * 3)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(-9, 9)] * 3), triples, triples, st.tuples(*[st.integers(1, 5)] * 3))
def test_numbered_blocks_are_the_region_cut_into_tiles(start, shape, block, stride):
    region = Box(start, shape)
    tiling = Tiling(region, block)
    boxes = [tiling[i] for i in range(len(tiling))]
    assert boxes == [tile.shift(start) for tile in Box((0, 0, 0), shape).tiles(block)]
    grid = PatchGrid(tuple(s + 2 for s in stride), stride)
    assert tiling.patches(grid) == sum(grid.count(box) for box in boxes)
    with pytest.raises(IndexError):
        tiling[len(tiling)]


def test_an_interrupted_run_goes_on_at_the_block_where_it_stopped(
    data, catalog, checkpoint, tmp_path, monkeypatch
):
    path = checkpoint()
    predict(path, catalog, [1, 2], data=data, work=tmp_path / "once", settings=SMALL)
    done: list[int] = []
    run = PredictJob.run

    def stopping(self: PredictJob, index: int) -> None:
        if len(done) == 5:
            raise KeyboardInterrupt
        run(self, index)
        done.append(index)

    monkeypatch.setattr(PredictJob, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        predict(path, catalog, [1, 2], data=data, work=tmp_path / "twice", settings=SMALL)
    assert not (tmp_path / "twice" / "predictions").exists()
    first = done.copy()
    done.clear()
    monkeypatch.setattr(PredictJob, "run", lambda self, index: (run(self, index), done.append(index)))
    report = predict(path, catalog, [1, 2], data=data, work=tmp_path / "twice", settings=SMALL)
    assert not set(first) & set(done)
    assert len(first) + len(done) == report.plan.blocks == 22
    assert files(tmp_path / "twice") == files(tmp_path / "once")


def test_a_block_that_fails_is_named_and_the_other_crops_are_finished(
    data, catalog, checkpoint, tmp_path, monkeypatch
):
    run = PredictJob.run

    def failing(self: PredictJob, index: int) -> None:
        if "crop2 at voxel (0, 0, 8)" in self.name(index):
            raise MemoryError
        run(self, index)

    monkeypatch.setattr(PredictJob, "run", failing)
    with pytest.raises(WorkError, match=r"(?s)1 of 22 blocks.*crop2 at voxel \(0, 0, 8\).*not enough memory"):
        predict(checkpoint(), catalog, [1, 2], data=data, work=tmp_path, settings=SMALL)
    assert prediction_path(tmp_path, catalog.crop(1), "er").is_dir()
    assert not prediction_path(tmp_path, catalog.crop(2), "er").exists()
    monkeypatch.setattr(PredictJob, "run", run)
    report = predict(checkpoint(), catalog, [1, 2], data=data, work=tmp_path, settings=SMALL)
    assert prediction_path(tmp_path, catalog.crop(2), "er") in report.written
    assert [p.name for p in (tmp_path / "jobs").iterdir()] == []


def test_a_disk_that_is_full_when_volumes_are_made_is_named(data, catalog, checkpoint, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("organelle.predict.job.create_multiscale", full)
    with pytest.raises(WorkError, match="No space left on device"):
        predict(checkpoint(), catalog, [1], data=data, work=tmp_path, classes=["er"])
    monkeypatch.undo()
    report = predict(checkpoint(), catalog, [1], data=data, work=tmp_path, classes=["er"])
    assert report.written[0].is_dir()


def test_who_comes_when_all_is_done_does_nothing(data, catalog, checkpoint, tmp_path, monkeypatch):
    """As a task of a job array that planned before the others finished."""
    path = checkpoint()
    late = plan_predict(path, catalog, [1], data=data, work=tmp_path)
    predict(path, catalog, [1], data=data, work=tmp_path)
    before = files(tmp_path)
    plans = iter([late])
    genuine = plan_predict
    monkeypatch.setattr(
        "organelle.predict.run.plan_predict", lambda *args, **how: next(plans, None) or genuine(*args, **how)
    )
    report = predict(path, catalog, [1], data=data, work=tmp_path)
    assert len(report.kept) == 3
    assert report.written == ()
    assert files(tmp_path) == before


def test_overwriting_begins_anew_and_replaces(data, catalog, checkpoint, tmp_path):
    path = checkpoint()
    (first,) = predict(path, catalog, [1], data=data, work=tmp_path, classes=["er"]).written
    (first / "litter").write_text("of another time")
    report = predict(path, catalog, [1], data=data, work=tmp_path, classes=["er"], overwrite=True)
    assert report.written == (first,)
    assert not (first / "litter").exists()


def test_a_region_is_what_crops_in_it_are(data, catalog, checkpoint, tmp_path):
    path = checkpoint()
    region = Region.parse("liver:150-300,240-420,330-500")
    report = predict(path, catalog, [1], data=data, work=tmp_path, regions=[region], classes=["er"])
    crop, box = (open_multiscale(p).levels[0] for p in report.written)
    assert report.written[1] == tmp_path / "predictions/liver.zarr/nm_150-300_240-420_330-500/er"
    common = crop.grid.extent.intersect(box.grid.extent)
    np.testing.assert_array_equal(crop.read(crop.grid.box_of(common)), box.read(box.grid.box_of(common)))
    assert box.read().any()


def test_a_whole_dataset_needs_no_crop(data, catalog, checkpoint, tmp_path):
    report = predict(
        checkpoint(), catalog, None, data=data, work=tmp_path, regions=[Region("liver")], classes=["er"]
    )
    assert report.written[0].parts[-2:] == ("whole", "er")
    assert open_multiscale(report.written[0]).levels[0].grid == EM_GRID


def test_where_there_is_no_em_nothing_is_predicted_and_it_is_said(
    data, catalog, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr("organelle.predict.plan.CHUNK", 16)
    monkeypatch.setattr("organelle.predict.plan.MOST_LOOKED_AT", 0)  # as in a volume too large to look first
    shutil.rmtree(em_path(data, "liver") / "s0" / "1")
    region = Region("liver")
    report = predict(
        checkpoint(),
        catalog,
        None,
        data=data,
        work=tmp_path,
        regions=[region],
        classes=["er"],
        settings=SMALL,
    )
    values = open_multiscale(report.written[0]).levels[0].read()
    assert not values[16:32].any()
    assert (values[:16] > 0).mean() > 0.9
    assert (values[32:] > 0).mean() > 0.9
    assert "liver/whole: 40.0% of it has no EM here and was left out" in report.warnings[0]


def test_regions_that_are_none_are_refused(data, catalog, checkpoint, tmp_path):
    for text in ("liver:", "liver:1-2", "liver:3-2,0-1,0-1", "liver:a-b,0-1,0-1"):
        with pytest.raises(SettingsError, match=r"write DATASET, or DATASET:Z0-Z1,Y0-Y1,X0-X1 in nm"):
            Region.parse(text)
    for text, told in (("kidney", "no EM of kidney"), ("liver:9000-9100,0-10,0-10", "has nothing of")):
        with pytest.raises(EMMissing, match=told):
            predict(checkpoint(), catalog, None, data=data, work=tmp_path, regions=[Region.parse(text)])


def test_what_a_network_tells_beside_masks_is_written_too(data, catalog, checkpoint, tmp_path):
    path = checkpoint(
        classes=["mito"],
        targets=[{"kind": "distance", "class": "mito"}, {"kind": "affinities", "class": "mito"}],
    )
    report = predict(path, catalog, [1], data=data, work=tmp_path)
    names = [p.name for p in report.written]
    assert names == ["mito", "mito.distance", *(f"mito.affinity_{o}" for o in ("1_0_0", "0_1_0", "0_0_1"))]
    distance = open_multiscale(report.written[1])
    assert distance.attributes["organelle"]["value_scale"] == 127.5
    assert distance.attributes["organelle"]["value_offset"] == -1
    assert distance.levels[0].dtype == np.uint8


def test_a_plan_of_a_terabyte_is_a_matter_of_arithmetic(data, catalog, checkpoint, tmp_path):
    """The EM of jrc_mus-liver-zon-1 is 189 x 172 x 397 um at 8 nm; only its metadata is here."""
    shape = (49625, 21500, 23625)
    node = em_path(data, "liver")
    for level, factor in (("s0", 1), ("s1", 2)):
        array = json.loads((node / level / ".zarray").read_text())
        array |= {"shape": [n // factor for n in shape], "chunks": [128, 128, 128]}
        (node / level / ".zarray").write_text(json.dumps(array))
    path = checkpoint(patch_shape=[96, 96, 96], stride=[72, 72, 72])
    plan = plan_predict(path, catalog, None, data=data, work=tmp_path / "work", regions=[Region("liver")])
    cost = estimate(plan, patch_seconds=0.1, workers=100)
    assert cost.voxels == np.prod(shape, dtype=object)
    assert cost.output_bytes == 3 * cost.voxels
    assert cost.patches >= np.prod([n // 72 for n in shape], dtype=object)
    assert cost.blocks == len(plan.crops[0].blocks) > 1000
    assert cost.memory_bytes <= 2e9
    assert cost.seconds == pytest.approx(cost.patches / 1000)
    assert not (tmp_path / "work").exists()


def test_a_catalog_of_nothing_but_its_datasets_serves_regions(data, checkpoint, tmp_path):
    bare = Catalog("bare", {"liver": Dataset("liver")}, {}, {})
    region = Region("liver", Extent((100, 200, 300), (100, 100, 100)))
    report = predict(checkpoint(), bare, None, data=data, work=tmp_path, regions=[region], classes=["er"])
    again = predict(checkpoint(), bare, None, data=data, work=tmp_path, regions=[region], classes=["er"])
    assert again.kept == report.written
    with pytest.raises(OutputExists):
        predict(checkpoint(seed=3), bare, None, data=data, work=tmp_path, regions=[region], classes=["er"])
