"""A crop from the cache is the crop; a changed source is read anew; a disk that fails costs only memory."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_world import make_spec, mask, noise, write_world

from organelle.catalog import Crop, em_folder, label_path
from organelle.sampling import CropCache, TrainingCrop, load_crop, load_crops
from organelle.volumes import create_volume, open_multiscale

SHAPE = (40, 40, 40)
GIB = 2**30


@pytest.fixture
def crop(tmp_path: Path) -> Crop:
    """EM of 40 voxels, labels in its middle; one EM chunk is missing."""
    labels = {"mito": mask((16, 16, 16)), "er": mask((16, 16, 16), 2)}
    crop = write_world(tmp_path / "data", noise(SHAPE), labels, label_corner_nm=(96.0, 96.0, 96.0))
    (em_folder(tmp_path / "data", "drawn") / "s0" / "0" / "0" / "0").unlink()
    return crop


def load(folder: Path, crop: Crop, cache: CropCache | None, **more: Any) -> TrainingCrop:
    model = make_spec((8, 8, 8), ("er", "mito"))
    return load_crop(folder / "data", crop, model, (96.0, 96.0, 96.0), cache=cache, **more)


def assert_same(one: TrainingCrop, other: TrainingCrop) -> None:
    assert (one.crop, one.classes, one.grid, one.label_start) == (
        other.crop,
        other.classes,
        other.grid,
        other.label_start,
    )
    for a, b in (
        (one.em, other.em),
        (one.em_present, other.em_present),
        *(
            (getattr(one.labels, n), getattr(other.labels, n))
            for n in ("codes", "present", "known", "counts")
        ),
        *zip(one.labels.anchors, other.labels.anchors, strict=True),
        *((one.ids[name], other.ids[name]) for name in one.ids),
    ):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert one.ids.keys() == other.ids.keys()


def is_mapped(array: np.ndarray) -> bool:
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return base is not None


def test_a_kept_crop_is_the_crop_and_is_mapped(crop: Crop, tmp_path: Path) -> None:
    plain = load(tmp_path, crop, None, ids_of=("mito",))
    for _ in range(2):
        cache = CropCache(tmp_path / "cache", GIB)
        kept = load(tmp_path, crop, cache, ids_of=("mito",))
        assert_same(kept, plain)
        assert is_mapped(kept.em)
        assert is_mapped(kept.labels.codes)
        assert not kept.em.flags.writeable
        assert not cache.notes
    assert kept.em_present.size
    assert len([p for p in (tmp_path / "cache").iterdir() if p.is_dir()]) == 1


def test_another_question_or_a_changed_source_is_answered_anew(crop: Crop, tmp_path: Path) -> None:
    cache = CropCache(tmp_path / "cache", GIB)
    first = load(tmp_path, crop, cache)
    load(tmp_path, crop, cache, relations=False)
    load(tmp_path, crop, cache, ids_of=("er",))
    assert len(list((tmp_path / "cache").glob("*/crop.json"))) == 3
    level = open_multiscale(em_folder(tmp_path / "data", "drawn"), writable=True).levels[0]
    level.write(level.grid.box, np.full(SHAPE, 9, np.uint8))
    assert (load(tmp_path, crop, cache).em == 9).all()
    assert not (first.em == 9).all()
    labels = open_multiscale(label_path(tmp_path / "data", crop, "mito"), writable=True).levels[0]
    labels.write(labels.grid.box, np.ones((16, 16, 16), np.uint8))
    anew = load(tmp_path, crop, cache)
    assert anew.labels.class_counts()[0][1] == 16**3
    assert_same(anew, load(tmp_path, crop, None))


def test_ids_are_exact_even_beyond_32_bits(crop: Crop, tmp_path: Path) -> None:
    path = label_path(tmp_path / "data", crop, "mito") / "s0"
    grid = open_multiscale(path.parent).levels[0].grid
    ids = np.random.default_rng(0).choice(np.array([0, 7, 2**32 + 1, 2**40 + 3], np.uint64), (16, 16, 16))
    shutil.rmtree(path)
    create_volume(path, grid, np.dtype(np.uint64)).write(grid.box, ids)
    path.parent.joinpath(".zattrs").write_text(
        path.parent.joinpath(".zattrs").read_text().replace("semantic_segmentation", "instance_segmentation")
    )
    found = load(tmp_path, crop, CropCache(tmp_path / "cache", GIB), ids_of=("mito",)).ids["mito"]
    assert found.dtype == np.uint32
    pairs = {(int(a), int(b)) for a, b in zip(ids.ravel(), found.ravel(), strict=True)}
    assert len(pairs) == 4
    assert (0, 0) in pairs
    assert len({b for _, b in pairs}) == 4


def test_ids_of_a_class_that_is_not_annotated_are_none(crop: Crop, tmp_path: Path) -> None:
    assert not load(tmp_path, crop, None, ids_of=("nuc",)).ids["nuc"].any()


def test_room_is_made_by_what_was_used_longest_ago_and_this_run_keeps_its_own(
    crop: Crop, tmp_path: Path
) -> None:
    load(tmp_path, crop, CropCache(tmp_path / "cache", GIB))
    (old,) = (p for p in (tmp_path / "cache").iterdir() if p.is_dir())
    size = sum(file.stat().st_size for file in old.iterdir())
    os.utime(old / "crop.json", (1, 1))
    cache = CropCache(tmp_path / "cache", int(1.5 * size))
    load(tmp_path, crop, cache, relations=False)
    assert not old.exists()
    third = load(tmp_path, crop, cache)
    assert len(list((tmp_path / "cache").glob("*/crop.json"))) == 1
    assert not is_mapped(third.em)
    assert any("--cache-size allows more" in note for note in cache.notes)
    tiny = CropCache(tmp_path / "other", 10)
    assert_same(load(tmp_path, crop, tiny), third)
    assert "larger than the cache may be" in tiny.notes[0]


def test_where_nothing_can_be_kept_crops_stay_in_memory(crop: Crop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = CropCache(tmp_path / "file" / "cache", GIB)
    assert_same(load(tmp_path, crop, cache), load(tmp_path, crop, None))
    assert "could not keep a crop" in cache.notes[0]


def test_a_damaged_entry_is_read_anew(crop: Crop, tmp_path: Path) -> None:
    plain = load(tmp_path, crop, CropCache(tmp_path / "cache", GIB))
    (entry,) = (tmp_path / "cache").glob("*/codes.npy")
    content = entry.read_bytes()
    entry.unlink()  # `plain` still has the old file mapped
    entry.write_bytes(content[:100])
    for _ in range(2):
        assert_same(load(tmp_path, crop, CropCache(tmp_path / "cache", GIB)), plain)
    assert entry.read_bytes() == content


def load_in_a_process(folder: Path, crop: Crop, found: Any) -> None:
    found.put(int(load(folder, crop, CropCache(folder / "cache", GIB)).em.astype(np.int64).sum()))


def test_processes_that_begin_together_keep_one_crop(crop: Crop, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    found = spawn.Queue()
    processes = [spawn.Process(target=load_in_a_process, args=(tmp_path, crop, found)) for _ in range(3)]
    for process in processes:
        process.start()
    sums = {found.get(timeout=120) for _ in processes}
    for process in processes:
        process.join()
    assert sums == {int(load(tmp_path, crop, None).em.astype(np.int64).sum())}
    assert len([p for p in (tmp_path / "cache").iterdir() if p.is_dir()]) == 1


def test_em_that_is_not_a_number_counts_as_missing(tmp_path: Path) -> None:
    em = noise(SHAPE).astype(np.float32)
    em[10:20, 18:22, 20] = np.nan
    em[5, 5, 5] = np.inf
    crop = write_world(tmp_path / "data", em, {"mito": mask(SHAPE)})
    (loaded,) = load_crops(tmp_path / "data", [crop], make_spec((8, 8, 8)))
    assert np.isfinite(loaded.em).all()
    np.testing.assert_array_equal(~loaded.em_present, ~np.isfinite(em))
    assert not loaded.labels.known[loaded.labels.codes[~np.isfinite(em)]].any()
