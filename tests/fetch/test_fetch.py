from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from drawn_bucket import CATALOG, CROPS, tree

from organelle.catalog import em_path, label_path, load_catalog
from organelle.errors import CropNotFound, EMMissing, FileMissing, OutputExists, SettingsError, TransferError
from organelle.fetch import FetchPlan, Padding, fetch_data, plan_fetch, read_padding, transfer
from organelle.geometry import Box
from organelle.volumes import open_multiscale


def chunks_of(plan: FetchPlan, level: str) -> set[str]:
    keys = (o.key.partition(f"fibsem-uint8/{level}/") for o in plan.objects)
    return {chunk for _, here, chunk in keys if here and not chunk.startswith(".")}


def test_the_plan_holds_the_chunks_that_touch_the_crop_and_no_finer_levels(bucket: Path) -> None:
    plan = plan_fetch(bucket, CATALOG, [1])
    assert plan.crops[0].em_levels == ("s0", "s1", "s2")
    assert [chunks_of(plan, f"s{k}") for k in range(3)] == [{"0/0/0"}] * 3
    coarse = plan_fetch(bucket, CATALOG, [2])
    assert coarse.crops[0].em_levels == ("s1", "s2")
    assert chunks_of(coarse, "s0") == set()
    assert chunks_of(coarse, "s1") == {"1/1/1"}
    assert not any("/s0/." in o.key and "em/" in o.key for o in coarse.objects)
    all_levels = plan_fetch(bucket, CATALOG, [2], all_resolutions=True)
    assert chunks_of(all_levels, "s0") == {"2/2/2"}


def test_padding_reaches_equally_far_at_every_level(bucket: Path) -> None:
    def along_z(padding: int) -> list[set[str]]:
        plan = plan_fetch(bucket, CATALOG, [1], padding_voxels=padding)
        return [{chunk[0] for chunk in chunks_of(plan, f"s{k}")} for k in range(2)]

    assert along_z(6) == [{"0"}, {"0"}]
    assert along_z(7) == [{"0", "1"}, {"0"}]
    assert along_z(23) == [{"0", "1", "2"}, {"0", "1"}]
    assert along_z(1000) == [set("0123"), {"0", "1"}]


def test_padding_in_nm_reaches_as_far_as_the_voxels_that_fill_it(bucket: Path) -> None:
    def objects(**padding: float) -> object:
        return plan_fetch(bucket, CATALOG, [1], **padding).objects  # type: ignore[arg-type]

    assert objects(padding_nm=48.0) == objects() != objects(padding_nm=49.0)
    crop1 = plan_fetch(bucket, CATALOG, [1], padding_nm=56.0)
    assert crop1.objects == plan_fetch(bucket, CATALOG, [1], padding_voxels=7).objects
    assert chunks_of(plan_fetch(bucket, CATALOG, [2], padding_nm=16), "s1") == chunks_of(
        plan_fetch(bucket, CATALOG, [2], padding_voxels=1), "s1"
    )


@pytest.mark.parametrize(
    ("text", "padding"),
    [
        ("64", Padding(64)),
        ("0", Padding()),
        ("500nm", Padding(nm=500.0)),
        (" 12.5 nm ", Padding(nm=12.5)),
        ("3 voxels", Padding(3)),
    ],
)
def test_padding_is_read_with_its_unit(text: str, padding: Padding) -> None:
    assert read_padding(text) == padding
    assert bool(padding) == (text != "0")


@pytest.mark.parametrize("text", ["-1", "1.5", "64 px", "", "nm", "1e3nm", "500 um"])
def test_other_padding_is_refused_with_both_forms_shown(text: str) -> None:
    with pytest.raises(SettingsError, match=r"neither a number of voxels \(64\) nor of nanometres \(500nm\)"):
        read_padding(text)


def test_sizes_are_those_of_the_files_each_counted_once(bucket: Path) -> None:
    plan = plan_fetch(bucket, CATALOG, "*")
    assert len({o.key for o in plan.objects}) == len(plan.objects)
    assert plan.bytes == sum((bucket / o.key).stat().st_size for o in plan.objects)
    assert sum(c.em_bytes + c.label_bytes for c in plan.crops) > plan.bytes
    assert plan.crops[2].labels == ()


def test_labels_come_with_all_levels_or_only_the_classes_wanted(bucket: Path) -> None:
    def labels(classes: Sequence[str] | None) -> set[str]:
        plan = plan_fetch(bucket, CATALOG, [1], classes=classes)
        parts = [o.key.split("/crop1/")[1].split("/") for o in plan.objects if "/crop1/" in o.key]
        return {"/".join(part[:2]) for part in parts if len(part) > 2}

    assert labels(None) == {"mito/s0", "mito/s1", "er/s0", "er/s1"}
    assert labels(["er"]) == {"er/s0", "er/s1"}


def test_what_arrives_is_equal_and_can_be_read(bucket: Path, tmp_path: Path) -> None:
    report = fetch_data(bucket, CATALOG, [1], tmp_path / "data")
    here = tree(tmp_path / "data")
    assert set(here) == {o.key for o in report.plan.objects}
    assert all(here[key] == (bucket / key).read_bytes() for key in here)
    assert (report.moved, report.skipped) == (len(here), 0)
    source = open_multiscale(em_path(bucket, "d1"))
    for level, twin in zip(
        open_multiscale(em_path(tmp_path / "data", "d1")).levels, source.levels, strict=True
    ):
        box = level.grid.box_of(CROPS[1].extent, snap="outer").intersect(level.grid.box)
        assert level.is_complete(box)
        np.testing.assert_array_equal(level.read(box), twin.read(box))
    assert (
        not open_multiscale(em_path(tmp_path / "data", "d1"))
        .levels[0]
        .is_complete(Box((0, 0, 0), (17, 1, 1)))
    )


def test_levels_that_were_not_taken_are_not_pretended(bucket: Path, tmp_path: Path) -> None:
    fetch_data(bucket, CATALOG, [2], tmp_path / "data")
    assert [level.name for level in open_multiscale(em_path(tmp_path / "data", "d1")).levels] == ["s1", "s2"]
    fetch_data(bucket, CATALOG, [3], tmp_path / "data")
    assert [level.name for level in open_multiscale(em_path(tmp_path / "data", "d1")).levels] == [
        "s0",
        "s1",
        "s2",
    ]


def test_append_moves_only_what_is_missing_or_of_another_size(bucket: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = fetch_data(bucket, CATALOG, [1], data)
    again = fetch_data(bucket, CATALOG, [1], data)
    assert (again.moved, again.moved_bytes, again.skipped) == (0, 0, first.moved)
    victim = data / first.plan.objects[0].key
    victim.write_bytes(b"cut off")
    other = data / first.plan.objects[1].key
    other.unlink()
    assert fetch_data(bucket, CATALOG, [1], data).moved == 2
    assert victim.read_bytes() == (bucket / first.plan.objects[0].key).read_bytes()


def test_notes_that_something_else_wrote_are_passed_over(bucket: Path, tmp_path: Path) -> None:
    report = fetch_data(bucket, CATALOG, [1], tmp_path / "data")
    with (tmp_path / "data" / ".organelle-fetch.jsonl").open("ab") as notes:
        notes.write(
            b'\n{"key": ["a"], "bytes": 1, "etag": null, "digest": "", "source": ""}\n[1]\n\xff\x00\n'
        )
        notes.write(b"[" * 100_000)
    again = fetch_data(bucket, CATALOG, [1], tmp_path / "data", verify=True)
    assert (again.moved, again.skipped) == (0, report.moved)


def test_overwrite_touches_only_the_crops_named(bucket: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    fetch_data(bucket, CATALOG, "1 2", data)
    mine = label_path(data, CROPS[2], "er") / "notes.txt"
    mine.write_text("my own")
    for file in data.rglob("s0/0/0/0"):
        file.write_bytes(bytes(file.stat().st_size))
    fetch_data(bucket, CATALOG, [1], data, access_mode="append")
    fetch_data(bucket, CATALOG, [1], data, access_mode="overwrite")
    for number, is_restored in ((1, True), (2, False)):
        chunk = label_path(data, CROPS[number], "er") / "s0" / "0" / "0" / "0"
        assert any(chunk.read_bytes()) == is_restored
    assert mine.read_text() == "my own"


def test_absent_chunks_are_noted_and_stay_absent(bucket: Path, tmp_path: Path) -> None:
    gone = em_path(bucket, "d1") / "s0" / "0" / "0" / "0"
    gone.unlink()
    report = fetch_data(bucket, CATALOG, [3], tmp_path / "data")
    assert report.plan.absent == (gone.relative_to(bucket).as_posix(),)
    em = open_multiscale(em_path(tmp_path / "data", "d1")).levels[0]
    assert em.present(Box((8, 8, 8), (16, 8, 8)))[:8].sum() == 0
    assert em.present(Box((8, 8, 8), (16, 8, 8)))[8:].all()


def test_a_crop_without_em_or_labels_is_an_error_before_anything_moves(bucket: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    label_path(bucket, CROPS[2], "er").rename(tmp_path / "er")
    with pytest.raises(FileMissing, match="crop2: the table says er is annotated"):
        fetch_data(bucket, CATALOG, "1 2", data)
    for k in range(3):
        (em_path(bucket, "d1") / f"s{k}" / "0" / "0" / "0").unlink()
    with pytest.raises(EMMissing, match=r"crop1: .*holds no EM chunk at its place"):
        fetch_data(bucket, CATALOG, [1], data)
    em_path(bucket, "d1").rename(tmp_path / "em")
    with pytest.raises(EMMissing, match="crop1 of d1 has no EM"):
        fetch_data(bucket, CATALOG, [1], data)
    assert not data.exists()


def test_bad_input_is_explained(bucket: Path, tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="nearest: bucket"):
        plan_fetch(tmp_path / "buckets", CATALOG, [1])
    with pytest.raises(SettingsError, match="not ftp://"):
        plan_fetch("ftp://somewhere", CATALOG, [1])
    with pytest.raises(CropNotFound, match="nearest: 3"):
        plan_fetch(bucket, CATALOG, [4])
    with pytest.raises(SettingsError, match="at least 0 voxels"):
        plan_fetch(bucket, CATALOG, [1], padding_voxels=-1)
    with pytest.raises(SettingsError, match="the source itself"):
        fetch_data(bucket, CATALOG, [1], bucket)
    with pytest.raises(SettingsError, match="neither"):
        fetch_data(bucket, CATALOG, [1], tmp_path / "data", access_mode="replace")  # type: ignore[arg-type]
    (tmp_path / "data").write_text("a file")
    with pytest.raises(OutputExists, match="cannot be a folder"):
        fetch_data(bucket, CATALOG, [1], tmp_path / "data")


def test_an_object_that_vanishes_is_named(bucket: Path, tmp_path: Path) -> None:
    plan = plan_fetch(bucket, CATALOG, [1])
    (bucket / plan.objects[0].key).unlink()
    with pytest.raises(TransferError, match=rf"1 of .*\n{plan.objects[0].key}: vanished while"):
        transfer(plan, tmp_path / "data")
    assert set(tree(tmp_path / "data")) == {o.key for o in plan.objects[1:]}


def test_the_real_sample_arrives_whole(shared: Path, tmp_path: Path) -> None:
    catalog, bucket = load_catalog(shared / "sample"), shared / "sample" / "bucket"
    report = fetch_data(bucket, catalog, "902 961", tmp_path)
    assert report.plan.absent == ()
    for number in (902, 961):
        real = catalog.crop(number)
        em = open_multiscale(em_path(tmp_path, real.dataset)).level(real.voxel_size_nm)
        assert em is not None
        assert em.is_complete(em.grid.box_of(real.extent))
