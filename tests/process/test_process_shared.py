"""Recipes followed by several processes, interrupted and taken up again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from organelle.blocks import Ledger
from organelle.catalog import Catalog, Crop, Dataset, prediction_path, processed_path
from organelle.classes import Kind, all_classes
from organelle.errors import RecipeError, WorkError
from organelle.geometry import Grid
from organelle.process import ProcessSettings, apply_recipe, plan_process, process
from organelle.process.job import Wave, in_waves
from organelle.settings import parse_settings
from organelle.volumes import open_multiscale, write_multiscale

GRID = Grid((8, 8, 8), (4, 4, 4), (20, 22, 24))
CROPS = [Crop(n, "liver", GRID, ("mito", "nuc", "er"), is_test=True) for n in (1, 2)]
CATALOG = Catalog("drawn", {"liver": Dataset("liver")}, {}, {crop.id: crop for crop in CROPS})
PLAIN = parse_settings(ProcessSettings, {"mito": {"threshold": 0.5}, "nuc": {"threshold": 0.5}}, "test")
ON_OBJECTS = parse_settings(
    ProcessSettings,
    {
        "mito": {
            "parts": [
                {"part": "threshold"},
                {"part": "components"},
                {"part": "restrict", "to": "nuc", "finished": True},
            ]
        },
        "nuc": {"threshold": 0.5},
    },
    "test",
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    for crop in CROPS:
        for name in crop.classes:
            write_multiscale(
                prediction_path(tmp_path, crop, name),
                rng.integers(0, 256, GRID.shape, dtype=np.uint8),
                GRID,
                kind=Kind.IMAGE,
                attributes={"organelle": {"checkpoint_sha256": "a" * 64, "probability_scale": 255}},
            )
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_local_processes_write_the_same_bytes_and_what_uses_objects_comes_after_them(
    work: Path, tmp_path: Path
) -> None:
    plan = plan_process(CATALOG, [1], work=work, settings=ON_OBJECTS, classes=["mito"])
    assert [[task.class_name for task in wave] for wave in in_waves(plan.tasks)] == [["nuc"], ["mito"]]
    one = process(CATALOG, [1], work=work, output=tmp_path / "one", settings=ON_OBJECTS)
    two = process(CATALOG, [1], work=work, output=tmp_path / "two", settings=ON_OBJECTS, workers=2)
    assert [(r.path.name, r.objects) for r in one.results] == [(r.path.name, r.objects) for r in two.results]
    assert {path.name for path in two.written} == {"mito", "nuc", "er"}
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert not list((tmp_path / "two" / "jobs").iterdir())


def test_an_interrupted_run_goes_on(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process(CATALOG, "test", work=work, output=tmp_path / "once", settings=PLAIN)
    done: list[str] = []
    run = Wave.run

    def stopping(self: Wave, index: int) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        run(self, index)
        done.append(self.name(index))

    monkeypatch.setattr(Wave, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        process(CATALOG, "test", work=work, output=tmp_path / "twice", settings=PLAIN)
    monkeypatch.setattr(Wave, "run", run)
    report = process(CATALOG, "test", work=work, output=tmp_path / "twice", settings=PLAIN)
    assert len(report.kept) == 2
    assert files(tmp_path / "once") == files(tmp_path / "twice")


def test_a_volume_that_fails_is_named_and_the_others_are_finished(work: Path) -> None:
    chunk = next((prediction_path(work, CROPS[0], "nuc") / "s0").rglob("0/0/0"))
    chunk.write_bytes(chunk.read_bytes()[:9])
    with pytest.raises(
        WorkError, match=r"(?s)1 of 6 volumes failed.*crop1.*nuc.*truncated or corrupt.*5 are finished"
    ):
        process(CATALOG, "test", work=work, settings=PLAIN)
    assert processed_path(work, CROPS[1], "nuc").is_dir()
    assert not processed_path(work, CROPS[0], "nuc").exists()


def test_a_recipe_that_hangs_is_named_and_the_others_are_finished(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Ledger.open.__kwdefaults__, "tries", 1)  # each takes as long as the limit
    parts = [{"part": "threshold"}, {"part": "own_parts:WaitsForEver"}]
    hanging = parse_settings(ProcessSettings, {"mito": {"parts": parts}}, "test")
    with pytest.raises(WorkError, match=r"(?s)1 of 2 volumes failed.*mito: it took longer than 2 s.*apply"):
        process(CATALOG, [2], work=work, settings=hanging, classes=["mito", "er"], block_seconds=2)
    assert processed_path(work, CROPS[1], "er").is_dir()


def test_a_recipe_that_is_stopped_leaves_the_others_finished(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(task: object, *_: object, **__: object) -> None:
        raise RecipeError(f"{task.title}: specks")  # type: ignore[attr-defined]

    from organelle.process import making

    genuine = making.process_one
    monkeypatch.setattr(
        making,
        "process_one",
        lambda task, *a, **k: (stop if task.class_name == "nuc" else genuine)(task, *a, **k),
    )
    with pytest.raises(RecipeError, match=r"crop1.*specks"):
        process(CATALOG, "test", work=work, settings=PLAIN)
    assert open_multiscale(processed_path(work, CROPS[1], "mito")).levels[0].read().any()


def test_what_was_removed_after_a_run_that_was_cut_off_is_made_again(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Wave.run

    def stopping(self: Wave, index: int) -> None:
        if index == 3:
            raise KeyboardInterrupt
        run(self, index)

    monkeypatch.setattr(Wave, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        process(CATALOG, "test", work=work, settings=PLAIN)
    monkeypatch.setattr(Wave, "run", run)
    done = [
        path for crop in CROPS for name in crop.classes if (path := processed_path(work, crop, name)).is_dir()
    ]
    shutil.rmtree(done[0])
    process(CATALOG, "test", work=work, settings=PLAIN)
    assert all(processed_path(work, crop, name).is_dir() for crop in CROPS for name in crop.classes)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (2, 1, 40), (3, 3, 3)])
@pytest.mark.parametrize("size", [(8, 8, 8), (50.5, 4.6, 4.6)])
def test_every_built_in_recipe_takes_hardly_a_voxel(
    shape: tuple[int, int, int], size: tuple[float, float, float]
) -> None:
    names = [c.name for c in all_classes()]
    rng = np.random.default_rng(4)
    for values in (np.zeros(shape), np.ones(shape), rng.random(shape)):
        probabilities = dict.fromkeys(names, values.astype(np.float32))
        for name in names:
            labels = apply_recipe(probabilities, name, ProcessSettings().recipe(name, names), size)
            assert labels.shape == shape
            assert labels.any() <= values.any()
