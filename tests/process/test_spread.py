"""Large volumes that many workers make together, block by block: the bytes of one worker alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from organelle.blocks import Ledger
from organelle.catalog import Catalog, Dataset, Region, prediction_path, processed_path
from organelle.classes import Kind
from organelle.errors import RecipeError, WorkError
from organelle.geometry import Grid, Voxels
from organelle.process import Cut, ProcessSettings, process, spread
from organelle.process.kept import load_result, load_table, save_result, save_table
from organelle.process.spread import SpreadVolume, Step, StepWork, WorkThrough
from organelle.settings import parse_settings
from organelle.volumes import write_multiscale

SHAPE = (20, 66, 66)
GRID = Grid((8, 8, 8), (44, 4, 20), SHAPE)
CATALOG = Catalog("drawn", {"liver": Dataset("liver")}, {}, {})
REGION = Region("liver")
NAMES = ["mito", "mito_lum", "mito_mem", "pm", "nuc", "mt", "ves", "ves_lum", "endo", "lyso"]
OFFSETS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 3)]
TILED = {"tile": [12, 30, 32], "halo_nm": 64}
RECIPES: dict[str, Any] = {
    "exact": [
        {"part": "smooth", "scale_nm": 9},
        {"part": "hysteresis", "low": 0.5, "high": 0.6},
        {"part": "close_gaps", "radius_nm": 9},
        {"part": "fill_holes"},
        {"part": "min_volume", "volume_nm3": 5000},
        {"part": "components"},
        {"part": "keep_largest"},
        {"part": "max_volume", "volume_nm3": 1e7},
        {"part": "grow", "distance_nm": 17},
        {"part": "vote", "against": ["endo"]},
    ],
    "split": [
        {"part": "threshold"},
        {"part": "split", "limit_nm": 60, "window_nm": 17, "without": ["pm"], **TILED},
    ],
    "watershed": [
        {"part": "threshold"},
        {"part": "watershed", "seeds": "mito_lum", "border": "mito_mem", "min_volume_nm3": 2000, **TILED},
    ],
    "mutex": [
        {"part": "threshold"},
        {"part": "mutex_watershed", "of": "mito", "offsets": OFFSETS, **TILED},
    ],
    "coarse": [{"part": "threshold"}, {"part": "join_parts", "scale_nm": 24, "gap_nm": 30}],
    "tubes": [{"part": "threshold"}, {"part": "tubes", "radius_nm": 12, "gap_nm": 40, "min_length_nm": 20}],
    "own": [{"part": "threshold"}, {"part": "components"}, {"part": "own_parts:Gathered"}],
}
"""Every part that reads the volume more than once, in some recipe."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions of smooth noise."""
    folder = tmp_path_factory.mktemp("predicted")
    affinities = ["mito.affinity_" + "_".join(map(str, offset)) for offset in OFFSETS]
    for seed, name in enumerate([*NAMES, *affinities]):
        noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 2)
        values = np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
        write_multiscale(
            prediction_path(folder, REGION, name),
            values,
            GRID,
            kind=Kind.IMAGE,
            attributes={"organelle": {"checkpoint_sha256": "a" * 64, "probability_scale": 255}},
        )
    return folder


def settings(parts: list[dict[str, Any]], *, alone: bool = False) -> ProcessSettings:
    """A recipe for mito, in blocks that are no chunks."""
    cut = {"block_shape": [10, 24, 40], "alone_voxels": 2**29 if alone else 1000}
    return parse_settings(ProcessSettings, {"mito": {"parts": parts}, **cut}, "test")


def made(work: Path, output: Path, chosen: ProcessSettings, **how: Any) -> dict[str, bytes]:
    """What is made of mito, to the byte."""
    report = process(
        CATALOG, None, work=work, output=output, settings=chosen, regions=[REGION], classes=["mito"], **how
    )
    assert len(report.results) + len(report.kept) == 1
    assert not any((output / "jobs").iterdir())
    return files(output)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block is done as by a worker that has just been started: it has to get to its step first."""
    monkeypatch.setattr(spread, "_latest", Forgetting())
    monkeypatch.setattr(StepWork, "_step", lambda self: spread._come_to(self.volume, self.number))


class Forgetting(dict[Any, Any]):
    """Remembers for one question only."""

    def __contains__(self, key: object) -> bool:
        return False


@pytest.mark.parametrize("name", RECIPES)
def test_every_part_makes_the_same_as_alone(work: Path, tmp_path: Path, name: str, forgetful: None) -> None:
    recipe = RECIPES[name]
    alone = made(work, tmp_path / "alone", settings(recipe, alone=True))
    assert made(work, tmp_path / "together", settings(recipe)) == alone
    stored = processed_path(tmp_path / "alone", REGION, "mito") / "s0"
    assert sum(path.stat().st_size for path in stored.rglob("*")) > 1000


def test_a_block_that_hangs_is_named_and_ends_only_its_worker(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, begin = "own_parts:HangsAtOneBlock", SpreadVolume.begin

    def begin_with_one_try(self: SpreadVolume) -> None:  # each takes as long as the limit
        begin(self)
        Ledger.open(self.folder / "0000.ledger", count=12, made_of={"step": 0, "part": part}, tries=1)

    monkeypatch.setattr(SpreadVolume, "begin", begin_with_one_try)
    parts = [{"part": "threshold"}, {"part": part}, {"part": "components"}]
    with pytest.raises(
        WorkError,
        match=r"(?s)mito: 1 block of 12 failed: own_parts:HangsAtOneBlock, step 0, at voxel \(0, 24, 40\): "
        r"it took longer than 1.5 s, .* it was in look",
    ):
        made(work, tmp_path, settings(parts), block_seconds=1.5)


def test_local_workers_share_the_blocks_of_a_volume(work: Path, tmp_path: Path) -> None:
    recipe = [{"part": "threshold"}, {"part": "components"}]
    alone = made(work, tmp_path / "alone", settings(recipe, alone=True))
    assert made(work, tmp_path / "two", settings(recipe), workers=2) == alone
    assert made(work, tmp_path / "one", settings(recipe)) == alone


@pytest.mark.parametrize("stop", [0, 3, 9, 14, 18, 19])
def test_a_volume_that_was_interrupted_goes_on(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    recipe = [{"part": "threshold"}, {"part": "components"}]
    alone = made(work, tmp_path / "alone", settings(recipe, alone=True))
    done: list[str] = []
    run = StepWork.run

    def stopping(self: StepWork, index: int) -> None:
        if len(done) == stop:
            done.append("stopped")
            raise KeyboardInterrupt
        name = self.name(index)
        run(self, index)
        done.append(name)

    monkeypatch.setattr(StepWork, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        made(work, tmp_path / "together", settings(recipe))
    assert made(work, tmp_path / "together", settings(recipe)) == alone
    assert len(done) == len(set(done)), "nothing is done twice"


def test_a_worker_that_was_killed_before_it_could_tell_is_followed_by_another(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = [{"part": "threshold"}, {"part": "components"}]
    alone = made(work, tmp_path / "alone", settings(recipe, alone=True))
    run = StepWork.run

    def twice(self: StepWork, index: int) -> None:
        run(self, index)
        self.at_hand.clear()
        spread._latest.clear()
        run(self, index)

    monkeypatch.setattr(StepWork, "run", twice)
    assert made(work, tmp_path / "together", settings(recipe)) == alone


def test_specks_stop_the_recipe_once_and_for_all(work: Path, tmp_path: Path) -> None:
    specks = settings([{"part": "threshold", "threshold": 0.75}, {"part": "components", "connectivity": 6}])
    few = specks.model_copy(update={"most_pieces": 3})
    with pytest.raises(RecipeError, match=r"liver/whole/mito: components found .* specks"):
        made(work, tmp_path / "out", few)
    assert not processed_path(tmp_path / "out", REGION, "mito").exists()


def test_a_block_that_fails_is_named_and_tried_again_by_the_same_command(work: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(work, tmp_path / "mine"))
    chunk = prediction_path(mine, REGION, "mito") / "s0" / "0" / "1" / "1"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:9])
    recipe = settings([{"part": "threshold"}, {"part": "components"}])
    with pytest.raises(
        WorkError,
        match=r"(?s)1 of 1 volumes failed.*mito: \d blocks of 12 failed: components, step 0, at voxel "
        r"\(0, 48, 40\): .*truncated or corrupt",
    ):
        made(mine, tmp_path / "out", recipe)
    chunk.write_bytes(whole)
    assert made(mine, tmp_path / "out", recipe) == made(work, tmp_path / "fine", recipe)


@pytest.mark.parametrize("step", [0, 3, 6])
def test_another_leader_that_comes_late_finds_it_done(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    recipe = settings([{"part": "threshold"}, {"part": "components"}])
    alone = made(work, tmp_path / "alone", recipe)
    have_done = SpreadVolume._have_done

    def overtaken(self: SpreadVolume, at: Step, work_through: WorkThrough) -> None:
        if at.number == step:
            monkeypatch.setattr(SpreadVolume, "_have_done", have_done)
            made(work, tmp_path / "out", recipe)  # another process with the same command
        have_done(self, at, work_through)

    monkeypatch.setattr(SpreadVolume, "_have_done", overtaken)
    assert made(work, tmp_path / "out", recipe) == alone


@given(
    shape=st.tuples(*[st.integers(0, 12)] * 3),
    block=st.tuples(*[st.integers(1, 7)] * 3),
    anchor=st.tuples(*[st.integers(-20, 20)] * 3),
)
def test_blocks_have_numbers(shape: Voxels, block: Voxels, anchor: Voxels) -> None:
    cut = Cut(shape, block, anchor)
    blocks = list(cut)
    assert [cut[number] for number in range(len(cut))] == blocks
    assert [cut.number(box.start) for box in blocks] == list(range(len(blocks)))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    value = {"ids": np.arange(1000), "none": np.empty((0, 3)), "mask": np.ones((2, 3), bool), "n": 7}
    for save, load in ((save_result, load_result), (save_table, load_table)):
        save(tmp_path / "kept", value)
        found = load(tmp_path / "kept")
        assert found["n"] == 7
        for name in ("ids", "none", "mask"):
            np.testing.assert_array_equal(found[name], value[name])
            assert found[name].dtype == value[name].dtype
    with pytest.raises(ValueError, match="read-only"):
        found["ids"][0] = 1
