"""A pack that ended early goes on where it was, with the same bytes; what has changed is packed again."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from packed_challenge import CHALLENGE, FINE, drawn_ids, write_most, write_processed

from organelle.errors import ChunkError, OutputExists
from organelle.pack import PackReport, PackSettings, pack, plan_pack
from organelle.pack import run as pack_run
from organelle.pack.row import row_tasks
from organelle.pack.unfinished import Unfinished

SMALL = PackSettings(chunk_voxels=32)


def packed(work: Path, name: str, *, workers: int = 1, overwrite: bool = False) -> PackReport:
    return pack(CHALLENGE, work, work / name, settings=SMALL, workers=workers, overwrite=overwrite)


@pytest.fixture(scope="module")
def packed_work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources, and `whole.zip`, packed without a break."""
    work = tmp_path_factory.mktemp("packed")
    write_most(work)
    packed(work, "whole.zip")
    return work


@pytest.fixture
def work(packed_work: Path, tmp_path: Path) -> Path:
    """A copy with the same dates."""
    return shutil.copytree(packed_work, tmp_path / "work")


def stop_after(work: Path, rows: int) -> None:
    """Pack `rows` rows, and be interrupted."""
    tasks = row_tasks(plan_pack(CHALLENGE, work), SMALL)
    with Unfinished(work / "out.zip", tasks) as unfinished:
        for task in pack_run._here(unfinished.left[:rows], unfinished.folder):
            unfinished.add(task)
        raise KeyboardInterrupt


def interrupted(work: Path, rows: int) -> Path:
    """Let a pack end after `rows` rows; returns its folder."""
    with pytest.raises(KeyboardInterrupt):
        stop_after(work, rows)
    return work / ".out.zip.packing"


def content(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.parametrize(("rows", "workers"), [(1, 2), (3, 1), (5, 1)])
def test_it_goes_on_where_it_was(work: Path, rows: int, workers: int) -> None:
    folder = interrupted(work, rows)
    report = packed(work, "out.zip", workers=workers)
    assert report.taken_up == rows
    assert content(work / "out.zip") == content(work / "whole.zip")
    assert not folder.exists()
    assert f"{rows} rows were finished before" in report.remarks[0]


def test_nothing_is_left_of_a_pack_that_finished_no_row(work: Path) -> None:
    assert not interrupted(work, 0).exists()


def test_a_row_whose_source_changed_is_packed_again_and_those_behind_it_are_kept(work: Path) -> None:
    folder = interrupted(work, 5)
    write_processed(work / "new", 7, "er", (drawn_ids(FINE, 5) > 2).astype("uint8"), FINE)
    for file in (work / "new").rglob("*/er/s0/**/*"):
        if file.is_file():
            (work / "processed" / file.relative_to(work / "new" / "processed")).write_bytes(file.read_bytes())
    report = packed(work, "out.zip")
    assert report.taken_up == 4
    assert content(work / "out.zip") == content(packed(work, "again.zip").path)
    assert content(work / "out.zip") != content(work / "whole.zip")
    assert not folder.exists()


def damage_body(folder: Path) -> None:
    body = bytearray(content(folder / "body"))
    body[len(body) // 2] ^= 1
    (folder / "body").write_bytes(body)


def cut_body_short(folder: Path) -> None:
    os.truncate(folder / "body", (folder / "body").stat().st_size - 1)


def tear_journal(folder: Path) -> None:
    journal = folder / "rows.jsonl"
    journal.write_text(journal.read_text()[:-20])


def forget_journal(folder: Path) -> None:
    (folder / "rows.jsonl").unlink()


def lie_in_journal(folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"row": "crop7/mito"}\n[]\nnull\n')


def write_behind_the_rows(folder: Path) -> None:
    with (folder / "body").open("ab") as stream:
        stream.write(b"half a row")
    (folder / "crop9.cell.77.part").write_bytes(b"half")
    (folder / "crop9.cell.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (damage_body, range(4)),
        (cut_body_short, range(3, 4)),
        (tear_journal, range(3, 4)),
        (forget_journal, range(1)),
        (lie_in_journal, range(1)),
        (write_behind_the_rows, range(4, 5)),
    ],
)
def test_damage_is_noticed(work: Path, damage: Callable[[Path], None], kept: range) -> None:
    damage(interrupted(work, 4))
    report = packed(work, "out.zip")
    assert report.taken_up in kept
    assert content(work / "out.zip") == content(work / "whole.zip")


def test_rows_that_wait_are_taken_up_unless_damaged(work: Path) -> None:
    folder = work / ".out.zip.packing"
    folder.mkdir()
    tasks = row_tasks(plan_pack(CHALLENGE, work), SMALL)
    assert len(list(pack_run._here(tasks[3:], folder))) == 2
    with (folder / "crop9.cell.zip").open("r+b") as stream:
        stream.write(b"x")
    assert packed(work, "out.zip").taken_up == 1
    assert content(work / "out.zip") == content(work / "whole.zip")


def test_other_settings_take_up_nothing(work: Path) -> None:
    interrupted(work, 4)
    other = PackSettings(chunk_voxels=40)
    report = pack(CHALLENGE, work, work / "out.zip", settings=other)
    assert report.taken_up == 0
    assert content(work / "out.zip") == content(pack(CHALLENGE, work, work / "b.zip", settings=other).path)


def test_an_error_keeps_what_is_finished(work: Path) -> None:
    chunk = work / "processed/larva.zarr/crop9/pm/s0/0/0/0"
    good = chunk.read_bytes()
    chunk.write_bytes(good[:20])
    with pytest.raises(ChunkError, match="pm"):
        packed(work, "out.zip")
    chunk.write_bytes(good)
    assert packed(work, "out.zip").taken_up == 3
    assert content(work / "out.zip") == content(work / "whole.zip")


def test_two_packs_of_one_file_do_not_meet(work: Path) -> None:
    folder = work / ".out.zip.packing"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputExists, match="another process is packing"):
            packed(work, "out.zip")
    assert packed(work, "out.zip").path.is_file()


def test_a_lineage_that_was_left_before_the_zip_had_its_name_is_no_obstacle(work: Path) -> None:
    whole = json.loads((work / "whole.lineage.json").read_text())
    whole["submission"]["file"] = "out.zip"
    interrupted(work, 5)
    (work / "out.lineage.json").write_text(json.dumps(whole))
    assert packed(work, "out.zip").path.is_file()


def test_the_lineage_of_another_submission_is_not_overwritten(work: Path) -> None:
    (work / "out.lineage.json").write_text('{"precious": 1}')
    with pytest.raises(OutputExists, match=r"out\.lineage\.json"):
        packed(work, "out.zip")
    interrupted(work, 2)
    with pytest.raises(OutputExists, match="lineage of another submission"):
        packed(work, "out.zip")
    assert (work / "out.lineage.json").read_text() == '{"precious": 1}'
    assert not (work / "out.zip").exists()
    assert packed(work, "out.zip", overwrite=True).taken_up == 5


LIMITED = """
    import resource, sys
    sys.path.insert(0, sys.argv[2])
    from pathlib import Path
    from packed_challenge import CHALLENGE
    from organelle.pack import PackSettings, pack
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    for workers in (1, 2):
        try:
            pack(CHALLENGE, sys.argv[1], f"{sys.argv[1]}/{workers}.zip", workers=workers,
                 settings=PackSettings(chunk_voxels=32))
        except OSError as error:
            print(error)
"""


def test_no_room_for_the_file_whether_it_is_written_here_or_by_children(work: Path) -> None:
    limit = (work / "whole.zip").stat().st_size // 2
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(work), str(Path(__file__).parent)]
    done = subprocess.run([*command, str(limit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("File too large") == 2, done.stdout
    for name in ("1.zip", "2.zip"):
        assert not (work / name).exists()
        assert packed(work, name).path.is_file()
        assert content(work / name) == content(work / "whole.zip")


def test_what_killed_writers_left_is_in_nobodys_way(work: Path) -> None:
    folder = interrupted(work, 2)
    (folder / ".rows.jsonl.abcdefgh.part").mkdir()
    (folder / ".rows.jsonl.abcdefgh.part" / "rows.jsonl").write_text("{")
    (folder / "row.part").write_text("half")
    packed(work, "out.zip")
    assert (work / "out.zip").read_bytes() == (work / "whole.zip").read_bytes()
    assert not folder.exists()
