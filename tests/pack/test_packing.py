"""Every row is in the file, on the crop's grid, with its ids; the bytes are always the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from packed_challenge import CHALLENGE, FINE, drawn_ids, write_most, write_processed

from organelle.catalog import load_catalog, processed_path
from organelle.classes import Kind
from organelle.errors import ChunkError, FileMissing, GridMismatch, OutputExists, SubmissionError
from organelle.geometry import Grid
from organelle.pack import PackSettings, pack, plan_pack
from organelle.submission import ZarrZip, align, open_submission, validate
from organelle.submission.alignment import scored_shift
from organelle.volumes import write_multiscale

SMALL = PackSettings(chunk_voxels=32)


def test_every_row_reads_back_in_both_readers(tmp_path: Path) -> None:
    expected = write_most(tmp_path)
    report = pack(CHALLENGE, tmp_path, tmp_path / "out.zip", settings=SMALL)

    assert validate(tmp_path / "out.zip", CHALLENGE).problems == ()
    group = zarr.open_group(zarr.storage.ZipStore(tmp_path / "out.zip", mode="r"), mode="r", zarr_format=2)
    with open_submission(tmp_path / "out.zip") as submission:
        assert submission.names() == tuple(sorted((c.id, n) for c, n in CHALLENGE.rows()))
        for crop, class_name in CHALLENGE.rows():
            name = f"{crop.name}/{class_name}"
            ours, theirs = submission.array(crop.id, class_name), group[name]
            assert ours is not None
            assert isinstance(theirs, zarr.Array)
            assert ours.levels[0].grid == crop.grid
            assert theirs.attrs.asdict() == {
                "voxel_size": list(crop.voxel_size_nm),
                "translation": list(crop.grid.origin_nm),
                "shape": list(crop.grid.shape),
            }
            np.testing.assert_array_equal(ours.read(), expected[name])
            np.testing.assert_array_equal(np.asarray(theirs[...]), expected[name])
    group.store.close()
    assert [row.crop for row in report.rows] == [7, 7, 7, 9, 9]


def test_the_scorer_leaves_packed_arrays_as_they_are(tmp_path: Path) -> None:
    write_most(tmp_path)
    pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
    with open_submission(tmp_path / "out.zip") as submission:
        for row in plan_pack(CHALLENGE, tmp_path).rows:
            packed = submission.array(row.crop.id, row.class_name)
            assert packed is not None
            np.testing.assert_array_equal(align(packed, row.crop.grid, row.kind), packed.read())


def test_the_scorer_moves_nothing_that_lies_on_a_real_test_crop() -> None:
    crops = load_catalog().test_crops.values()
    assert {scored_shift(crop.grid.origin_nm, crop.grid) for crop in crops} == {(0, 0, 0)}


@pytest.mark.parametrize(
    ("highest", "stored", "dtype"),
    [
        (1, "bool", "uint8"),
        (255, "uint32", "uint8"),
        (256, "uint32", "uint16"),
        (300, "int16", "uint16"),
        (65_535, "uint16", "uint16"),
        (65_536, "int32", "uint32"),
        ((1 << 24) + 5, "uint32", "uint32"),
        ((1 << 32) - 1, "int64", "uint32"),
        ((1 << 53) + 1, "uint64", "uint64"),
    ],
)
def test_ids_survive_in_the_smallest_type(tmp_path: Path, highest: int, stored: str, dtype: str) -> None:
    ids = drawn_ids(FINE, highest, stored)
    write_processed(tmp_path, 7, "mito", ids, FINE)
    report = pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
    row = report.rows[0]
    assert (row.dtype, row.voxels) == (dtype, np.count_nonzero(ids))
    assert row.ids == len(np.unique(ids[ids > 0]))
    with open_submission(tmp_path / "out.zip") as submission:
        packed = submission.array(7, "mito")
        assert packed is not None
        np.testing.assert_array_equal(packed.read(), ids)


def test_same_bytes_twice_and_with_more_workers_also_of_a_finer_source_in_a_single_chunk(
    tmp_path: Path,
) -> None:
    write_most(tmp_path)
    fine = Grid((1.0, 1.0, 2.0), (800.5, 1600.5, 2401.0), (164, 136, 102))
    ids = drawn_ids(fine, 300, "uint64")
    path = processed_path(tmp_path, CHALLENGE.crop(7), "ves")
    write_multiscale(path, ids, fine, kind=Kind.INSTANCE, chunks=fine.shape)
    for name, workers in (("a", 1), ("b", 2)):
        pack(CHALLENGE, tmp_path, tmp_path / name / "out.zip", workers=workers, settings=SMALL)
        time.sleep(0.01)
    for file in ("out.zip", "out.lineage.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_members_are_stored_dated_alike_and_only_where_something_is(tmp_path: Path) -> None:
    ids = np.zeros(FINE.shape, np.uint8)
    ids[35, 32, 5] = 1
    write_processed(tmp_path, 7, "mito", ids, FINE)
    pack(CHALLENGE, tmp_path, tmp_path / "out.zip", settings=SMALL)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        members = archive.infolist()
    assert {(m.compress_type, m.date_time) for m in members} == {(zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))}
    assert [m.filename for m in members if not m.filename.rpartition("/")[2].startswith(".")] == [
        "crop7/mito/1.1.0"
    ]
    names = [m.filename for m in members]
    assert names[:4] == [".zgroup", "crop7/.zgroup", "crop7/mito/.zarray", "crop7/mito/.zattrs"]


def test_report_says_where_each_row_came_from(tmp_path: Path) -> None:
    from rich.console import Console

    expected = write_most(tmp_path)
    report = pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
    assert [row.class_name for row in report.zeros] == ["ves", "cell"]
    mito, er, ves, _, cell = report.rows
    assert mito.source == tmp_path / "processed" / "jrc_a.zarr" / "crop7" / "mito"
    assert (er.ids, er.voxels) == (None, int(expected["crop7/er"].sum()))
    assert (ves.ids, ves.voxels, ves.stored_bytes) == (0, 0, 0)
    assert cell.dtype == "uint8"
    assert report.to_dict()["rows"][2]["source"] is None

    console = Console(width=160, record=True, quiet=False, file=(tmp_path / "log").open("w"))
    console.print(report)
    console.print(plan_pack(CHALLENGE, tmp_path))
    text = console.export_text()
    console.file.close()
    assert "3 of 5 rows filled" in text
    assert re.search(r"3 +\S+ +mito, er, pm", text)
    assert re.search(r"2 +zeros +ves, cell", text)
    assert "3 of 5 rows have a source" in text
    assert "zeros" in text


def test_the_zip_is_what_one_writer_writes_from_beginning_to_end(tmp_path: Path) -> None:
    expected = write_most(tmp_path)
    pack(CHALLENGE, tmp_path, tmp_path / "out.zip", settings=SMALL)
    with ZarrZip(tmp_path / "at once.zip", chunk_voxels=32) as archive:
        archive.write_group("")
        for crop in CHALLENGE.test_crops.values():
            archive.write_group(f"{crop.name}/")
            for class_name in crop.classes:
                name = f"{crop.name}/{class_name}"
                labels = expected[name]
                archive.write_labels(name, crop.grid, labels.astype(np.min_scalar_type(labels.max())))
    assert (tmp_path / "out.zip").read_bytes() == (tmp_path / "at once.zip").read_bytes()


class TestRefusals:
    """Nothing half-written stands under the final name, whatever goes wrong."""

    def test_an_output_that_exists(self, tmp_path: Path) -> None:
        write_most(tmp_path)
        (tmp_path / "out.zip").write_bytes(b"precious")
        with pytest.raises(OutputExists):
            pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
        assert (tmp_path / "out.zip").read_bytes() == b"precious"
        pack(CHALLENGE, tmp_path, tmp_path / "out.zip", overwrite=True)
        assert validate(tmp_path / "out.zip", CHALLENGE).ok

    def test_nothing_processed(self, tmp_path: Path) -> None:
        with pytest.raises(FileMissing, match="csc process"):
            pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
        (tmp_path / "processed").mkdir()
        with pytest.raises(SubmissionError, match="no volume for any of the 5 rows"):
            pack(CHALLENGE, tmp_path, tmp_path / "out.zip")

    def test_probabilities_instead_of_labels(self, tmp_path: Path) -> None:
        write_processed(tmp_path, 7, "er", np.zeros(FINE.shape, "float32"), FINE)
        with pytest.raises(SubmissionError, match=r"crop7/er.*float32[\s\S]*csc process"):
            pack(CHALLENGE, tmp_path, tmp_path / "out.zip")

    def test_negative_ids(self, tmp_path: Path) -> None:
        write_processed(tmp_path, 7, "mito", np.full(FINE.shape, -1, "int32"), FINE)
        with pytest.raises(SubmissionError, match="negative ids"):
            pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
        assert [p.name for p in tmp_path.iterdir()] == ["processed"]

    def test_all_sources_that_do_not_cover_their_crop(self, tmp_path: Path) -> None:
        from organelle.geometry import Grid

        short = Grid(FINE.voxel_size_nm, FINE.origin_nm, (39, 33, 50))
        moved = Grid(FINE.voxel_size_nm, (802.0, 1606.0, 2402.0), FINE.shape)
        write_processed(tmp_path, 7, "mito", np.ones(short.shape, "uint8"), short)
        write_processed(tmp_path, 7, "er", np.ones(moved.shape, "uint8"), moved)
        with pytest.raises(GridMismatch) as caught:
            pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
        assert "crop7/mito" in str(caught.value)
        assert "crop7/er" in str(caught.value)

    def test_a_truncated_chunk(self, tmp_path: Path) -> None:
        write_most(tmp_path)
        chunk = tmp_path / "processed/jrc_a.zarr/crop7/er/s0/0/0/0"
        chunk.write_bytes(chunk.read_bytes()[:20])
        with pytest.raises(ChunkError, match="er"):
            pack(CHALLENGE, tmp_path, tmp_path / "out.zip")
        assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["processed"]

    def test_a_killed_run(self, tmp_path: Path) -> None:
        write_most(tmp_path)
        program = """
            import sys, time
            sys.path.insert(0, sys.argv[2])
            from packed_challenge import CHALLENGE
            from organelle.pack import pack, row
            write = row.ZarrZip.write_chunk
            def slow(self, *arguments):
                write(self, *arguments)
                print("chunk", flush=True)
                time.sleep(30)
            row.ZarrZip.write_chunk = slow
            pack(CHALLENGE, sys.argv[1], sys.argv[1] + "/out.zip")
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            assert run.stdout.readline() == b"chunk\n"
            os.kill(run.pid, signal.SIGKILL)
        visible = [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")]
        assert visible == ["processed"]
        assert pack(CHALLENGE, tmp_path, tmp_path / "out.zip").path.is_file()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out.lineage.json", "out.zip", "processed"]
