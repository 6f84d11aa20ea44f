from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from organelle.catalog import Catalog, Crop, Dataset, label_path, load_catalog, processed_path
from organelle.classes import kind_of
from organelle.errors import (
    ChunkError,
    ClassNotFound,
    CropNotFound,
    FileMissing,
    FormatError,
    GridMismatch,
    OutputExists,
    ScoringError,
    SettingsError,
)
from organelle.evaluate import Result, TruthReport, evaluate, make_truth, open_truth, public_record
from organelle.geometry import Grid
from organelle.pack import pack
from organelle.submission import validate
from organelle.volumes import open_multiscale, open_volume, write_labels, write_multiscale

GRID = Grid((8.0, 4.0, 4.0), (804.0, 1602.0, 2402.0), (12, 14, 16))


@dataclass
class Bench:
    """One training crop, number 7, whose labels a test draws; crop 9 is a test crop."""

    root: Path
    classes: tuple[str, ...] = ()
    grid: Grid = field(default=GRID)

    @property
    def crop(self) -> Crop:
        return Crop(7, "fly", self.grid, self.classes)

    @property
    def catalog(self) -> Catalog:
        hidden = Crop(9, "fly", self.grid, ("mito",), is_test=True)
        return Catalog("bench", {"fly": Dataset("fly"), "cow": Dataset("cow")}, {7: self.crop}, {9: hidden})

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def out(self) -> Path:
        return self.root / "home"

    def draw(self, name: str, labels: np.ndarray, grid: Grid | None = None, **options) -> None:
        self.classes = (*self.classes, name)
        write_labels(label_path(self.data, self.crop, name), labels, grid or GRID, name, **options)

    def make(self, crops: str | int = 7, **options) -> TruthReport:
        return make_truth(self.catalog, crops, data=self.data, out=self.out, **options)

    def stored(self, name: str) -> np.ndarray:
        return open_volume(self.out / "truth.zarr" / "crop7" / name).read()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def blocks(*ids: int, dtype: str = "uint32") -> np.ndarray:
    """A plate for each id, apart from each other along x."""
    labels = np.zeros(GRID.shape, dtype)
    for n, number in enumerate(ids):
        labels[2:9, 2:9, 3 * n : 3 * n + 2] = number
    return labels


def hand_in(report: TruthReport, change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Result:
    """Pack `change(truth, known)` of every row and score it."""
    catalog = load_catalog(report.path)
    work = report.path.parent / "work"
    shutil.rmtree(work, ignore_errors=True)
    truth = open_truth(report.store)
    for crop, name in catalog.rows():
        there = truth.read(crop.id, name, crop.grid)
        known = np.ones(crop.grid.shape, bool) if there.mask is None else there.mask
        labels = change(there.labels.astype(np.uint32), known)
        write_multiscale(processed_path(work, crop, name), labels, crop.grid, kind=kind_of(name))
    packed = pack(catalog, work, work / "submission.zip")
    assert validate(packed.path, catalog).ok
    return evaluate(packed.path, report.store, catalog, workers=0)


def scores(result: Result) -> list[float]:
    """Every number between 0 and 1 that a participant sees."""
    record = public_record(result)
    per_class = [score for numbers in record["label_scores"].values() for score in numbers.values()]
    return [record["overall_score"], *per_class]


def noise_in_unknown(truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 500, truth.shape)
    return np.where(known, truth, noise).astype(truth.dtype)


def one_voxel_more(truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    changed = truth.copy()
    changed[tuple(np.argwhere(known & (truth == 0))[0])] = 1 + truth.max()
    return changed


@pytest.mark.soak
def test_truth_scores_itself_and_unknown_voxels_cost_nothing(tiny_challenge: Path, tmp_path: Path) -> None:
    source = load_catalog(tiny_challenge)
    report = make_truth(source, "13,14", data=tiny_challenge / "bucket", out=tmp_path / "home")
    assert all(row.unknown for row in report.rows)
    assert set(scores(hand_in(report, lambda truth, _: truth))) == {1.0}
    assert set(scores(hand_in(report, noise_in_unknown))) == {1.0}
    assert max(scores(hand_in(report, one_voxel_more))) < 1


def test_the_tables_are_a_catalog_of_what_was_written(tiny_challenge: Path, tmp_path: Path) -> None:
    source = load_catalog(tiny_challenge)
    chosen = ("mito", "pm", "ves")
    data = tiny_challenge / "bucket"
    report = make_truth(source, [14, 11], data=data, out=tmp_path / "home", classes=chosen)
    catalog = load_catalog(report.path)
    assert sorted(p.name for p in report.path.iterdir()) == [
        "datasets.csv",
        "test_crops.csv",
        "train_crops.csv",
        "truth.zarr",
    ]
    assert catalog.train_crops == {}
    assert catalog.datasets == source.datasets
    assert [(crop.id, name) for crop, name in catalog.rows()] == [
        (r.crop_id, r.class_name) for r in report.rows
    ]
    assert list(catalog.test_crops) == [14, 11]
    for crop in catalog.test_crops.values():
        expected = tuple(name for name in source.crop(crop.id).classes if name in chosen)
        assert crop == replace(source.crop(crop.id), classes=expected, is_test=True)
        assert open_truth(report.store).classes[crop.id] == tuple(sorted(expected))
        volume = open_volume(report.store / crop.name / "pm")
        assert volume.grid == crop.grid
        assert volume.attributes == {
            "voxel_size": list(crop.grid.voxel_size_nm),
            "translation": list(crop.grid.origin_nm),
            "shape": list(crop.grid.shape),
        }


def test_unknown_is_zero_in_truth_and_in_the_mask(bench: Bench) -> None:
    semantic = blocks(1, 1, dtype="uint8")
    semantic[:4] = 255
    instance = blocks(3, 700)
    instance[:, :5] = 255
    bench.draw("er", semantic)
    bench.draw("mito", instance)
    er, mito = bench.make().rows
    assert (er.unknown, mito.unknown) == (4 * 14 * 16, 12 * 5 * 16)
    assert (er.objects, mito.objects) == (None, 2)
    assert np.array_equal(bench.stored("er"), semantic == 1)
    assert np.array_equal(bench.stored("er_mask"), semantic != 255)
    assert np.array_equal(bench.stored("mito"), np.where(instance == 255, 0, instance))
    assert np.array_equal(bench.stored("mito_mask"), instance != 255)


@pytest.mark.parametrize(
    ("ids", "dtype"), [((), "uint8"), ((4, 254, 255), "uint8"), ((2, 256), "uint16"), ((1, 2687), "uint16")]
)
def test_ids_stay_in_the_smallest_type_and_255_is_one(bench: Bench, ids: tuple[int, ...], dtype: str) -> None:
    bench.draw("ves", blocks(*ids, dtype="uint64"), unknown=False)
    (row,) = bench.make().rows
    assert (row.objects, row.unknown, row.dtype, row.notes) == (len(ids), 0, dtype, ())
    assert bench.stored("ves").dtype == dtype
    assert np.array_equal(bench.stored("ves"), blocks(*ids))
    assert not (bench.out / "truth.zarr" / "crop7" / "ves_mask").exists()


@pytest.mark.parametrize("largest", [2688, 70_000, 2**40])
def test_ids_that_reach_the_number_of_voxels_are_numbered_anew(bench: Bench, largest: int) -> None:
    bench.draw("ves", blocks(largest, 5, 900, dtype="uint64"), unknown=False)
    bench.draw("er", blocks(1, dtype="uint8"))
    report = bench.make()
    assert np.array_equal(bench.stored("ves"), blocks(3, 1, 2))
    assert report.rows[0].dtype == "uint8"
    (note,) = report.rows[0].notes
    assert f"ids went up to {largest}, so its 3 objects are numbered anew" in note
    assert set(scores(hand_in(report, lambda truth, _: truth))) == {1.0}


def test_a_class_without_a_known_voxel_is_left_out(bench: Bench) -> None:
    bench.draw("mito", blocks(1, 2))
    bench.draw("er", np.full(GRID.shape, 255, "uint8"))
    report = bench.make()
    assert [row.class_name for row in report.rows] == ["mito"]
    assert [str(left) for left in report.left_out] == ["crop7/er: every voxel is unknown"]
    assert load_catalog(bench.out).crop(7).classes == ("mito",)
    assert list(load_catalog(bench.out).datasets) == ["fly", "cow"]
    assert not (bench.out / "truth.zarr" / "crop7" / "er").exists()


def test_only_scored_classes_unless_others_are_named(bench: Bench) -> None:
    bench.draw("mito", blocks(1))
    bench.draw("nechrom", blocks(1, dtype="uint8"))
    assert [row.class_name for row in bench.make().rows] == ["mito"]
    named = bench.make(classes=["nechrom", "ld"], overwrite=True)
    assert [row.class_name for row in named.rows] == ["nechrom"]
    assert [str(left) for left in named.left_out] == ["crop7/ld: not annotated"]


def test_objects_in_pieces_are_told(bench: Bench) -> None:
    labels = blocks(1, 2, 2)
    labels[5] = 255
    bench.draw("mito", labels)
    (note,) = bench.make().rows[0].notes
    assert "2 objects, 6 pieces" in note


def test_labels_without_ids_that_are_scored_as_objects_are_told(bench: Bench) -> None:
    bench.draw("mito", blocks(1))
    for path in label_path(bench.data, bench.crop, "mito").rglob(".zattrs"):
        path.write_text(path.read_text().replace("instance_segmentation", "semantic_segmentation"))
    (row,) = bench.make().rows
    assert row.objects is None
    assert "scored as objects, so all of it is one object" in row.notes[0]


def test_labels_on_another_grid_are_laid_on_the_crops(bench: Bench) -> None:
    """Twice as fine, and lacking the first two planes of the crop, which are therefore unknown."""
    part = GRID.subgrid(replace(GRID.box, start=(2, 0, 0), shape=(10, 14, 16)))
    coarse = blocks(3, 700)
    fine = coarse[2:].repeat(2, 0).repeat(2, 1).repeat(2, 2)
    bench.draw("mito", fine, part.rescaled([v / 2 for v in GRID.voxel_size_nm]))
    (row,) = bench.make().rows
    assert row.unknown == 2 * 14 * 16
    assert "resampled from voxels of (4.0, 2.0, 2.0) nm" in row.notes[0]
    coarse[:2] = 0
    assert np.array_equal(bench.stored("mito"), coarse)
    assert np.array_equal(
        bench.stored("mito_mask"), np.arange(12)[:, None, None].repeat(14, 1).repeat(16, 2) > 1
    )


def test_a_part_on_the_same_lattice_keeps_its_place(bench: Bench) -> None:
    part = GRID.subgrid(replace(GRID.box, start=(-3, 0, 0), shape=(10, 14, 16)))
    labels = np.zeros(part.shape, "uint8")
    labels[5] = 1
    bench.draw("er", labels, part)
    (row,) = bench.make().rows
    assert row.notes == ()
    assert row.unknown == 5 * 14 * 16
    assert np.argwhere(bench.stored("er"))[:, 0].tolist() == [2] * 14 * 16


def test_labels_that_are_too_coarse_are_refused(bench: Bench) -> None:
    bench.draw("mito", blocks(1), levels=2)
    shutil.rmtree(label_path(bench.data, bench.crop, "mito") / "s0")
    with pytest.raises(GridMismatch, match=r"none finer.*csc fetch-data --crops 7"):
        bench.make()


@pytest.mark.parametrize(
    ("values", "problem"), [((0.5, 1), "fractions"), ((np.nan, 1), "fractions"), ((-2, 1), "-2")]
)
def test_what_is_no_label_is_refused(bench: Bench, values: tuple[float, float], problem: str) -> None:
    bench.draw("mito", np.resize(np.array(values, "float32"), GRID.shape), unknown=False)
    with pytest.raises(FormatError, match=problem):
        bench.make()
    assert not bench.out.exists()


def test_a_broken_chunk_leaves_nothing_behind(bench: Bench) -> None:
    for name in ("er", "mito"):
        bench.draw(name, blocks(1, dtype="uint8"))
    chunk = label_path(bench.data, bench.crop, "mito") / "s0" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:9])
    with pytest.raises(ChunkError, match="truncated"):
        bench.make()
    assert [p.name for p in bench.root.iterdir()] == ["data"]


def test_names_that_are_not_known(bench: Bench) -> None:
    bench.draw("mito", blocks(1))
    with pytest.raises(CropNotFound, match=r"crop 8 .*nearest: 7"):
        bench.make("8")
    with pytest.raises(ClassNotFound, match=r"'mitos' .*nearest: mito"):
        bench.make(classes=["mitos"])
    with pytest.raises(ScoringError, match="test crops have none: 9"):
        bench.make("7,9")
    with pytest.raises(SettingsError, match=r"truth\.zarr should be the folder"):
        make_truth(bench.catalog, 7, data=bench.data, out=bench.root / "truth.zarr")


def test_labels_that_are_not_here(bench: Bench) -> None:
    bench.draw("mito", blocks(1))
    with pytest.raises(FileMissing, match=r"labels of crops 7: .*csc fetch-data --crops 7"):
        make_truth(bench.catalog, 7, data=bench.root / "elsewhere", out=bench.out)
    bench.classes = ("mito", "er")
    with pytest.raises(FileMissing, match=r"annotated with er.*csc fetch-data --crops 7"):
        bench.make()
    assert not bench.out.exists()
    assert bench.make(classes=["mito"]).rows


def test_nothing_to_write(bench: Bench) -> None:
    bench.draw("nechrom", np.full(GRID.shape, 255, "uint8"))
    with pytest.raises(ScoringError, match="crop7: none of its annotated classes is scored"):
        bench.make()
    with pytest.raises(
        ScoringError, match=r"(?s)crop7/ld: not annotated.*crop7/nechrom: every voxel is unknown"
    ):
        bench.make(classes=["nechrom", "ld"])
    assert [p.name for p in bench.root.iterdir()] == ["data"]


def test_nothing_is_replaced_unasked_and_nothing_else_ever(bench: Bench) -> None:
    bench.draw("mito", blocks(1, 2))
    bench.make()
    before = (bench.out / "test_crops.csv").stat().st_mtime_ns
    with pytest.raises(OutputExists, match="--overwrite"):
        bench.make()
    assert (bench.out / "test_crops.csv").stat().st_mtime_ns == before
    bench.make(overwrite=True)
    (bench.out / "precious").touch()
    with pytest.raises(OutputExists, match="also holds precious"):
        bench.make(overwrite=True)
    assert (bench.out / "precious").exists()
    assert open_truth(bench.out / "truth.zarr").classes == {7: ("mito",)}
    shutil.rmtree(bench.out)
    bench.out.touch()
    with pytest.raises(OutputExists, match="is a file"):
        bench.make(overwrite=True)


def test_the_report_tells_all(bench: Bench) -> None:
    bench.draw("ves", blocks(70_000, 5), unknown=False)
    console = Console(width=400, file=io.StringIO(), record=True)
    console.print(bench.make(classes=["ves", "ld"]))
    text = console.export_text()
    assert "1 classes of 1 crops, 0 with unknown voxels masked" in text
    assert "note: crop7/ves: its ids went up to 70000" in text
    assert "left out: crop7/ld: not annotated" in text


def test_the_stored_labels_are_only_read(bench: Bench) -> None:
    labels = blocks(9, 12)
    bench.draw("mito", labels)
    bench.make()
    assert np.array_equal(
        open_multiscale(label_path(bench.data, bench.crop, "mito")).levels[0].read(), labels
    )
