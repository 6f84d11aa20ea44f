from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from organelle.errors import FileMissing, FormatError, OutputExists, SettingsError
from organelle.files import read_json, sha256, whole, write_json


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    final = tmp_path / "new" / "result.txt"
    with whole(final) as part:
        part.write_text("done")
        assert not final.exists()
    assert final.read_text() == "done"
    assert list(final.parent.iterdir()) == [final]


def test_after_an_error_the_old_file_is_still_there_and_nothing_else(tmp_path: Path) -> None:
    final = tmp_path / "result.txt"
    final.write_text("old")
    with pytest.raises(FileNotFoundError), whole(final, overwrite=True) as part:
        copy_in_two(part)
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize("address", ["s3://bucket/x.json", "https://server.example/x.json", "file:///x.json"])
def test_an_address_does_not_become_a_folder_of_its_name(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (address, Path(address)):
        with pytest.raises(SettingsError, match="is an address; results go to a folder"):
            write_json(name, {})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_not_overwritten_unasked(tmp_path: Path) -> None:
    final = write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(OutputExists, match="--overwrite"):
        write_json(final, {"x": 2})
    assert read_json(final) == {"x": 1}
    write_json(final, {"x": 2}, overwrite=True)
    assert read_json(final) == {"x": 2}


@pytest.mark.parametrize(("old", "new"), [("file", "file"), ("file", "folder"), ("folder", "folder")])
def test_a_file_or_folder_replaces_another(tmp_path: Path, old: str, new: str) -> None:
    final = tmp_path / "thing"
    make(final, old, "old")
    with whole(final, overwrite=True) as part:
        make(part, new, "new")
    assert (final if new == "file" else final / "inner").read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


def test_a_file_never_replaces_a_folder_or_a_pipe(tmp_path: Path) -> None:
    make(tmp_path / "thing", "folder", "old")
    with pytest.raises(OutputExists, match="is a folder"):
        write_json(tmp_path / "thing", {}, overwrite=True)
    assert (tmp_path / "thing" / "inner").read_text() == "old"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputExists, match="no file that could be replaced"):
        write_json(tmp_path / "pipe", {}, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pipe", "thing"]


def test_a_block_that_writes_nothing_leaves_the_old_folder(tmp_path: Path) -> None:
    make(tmp_path / "thing", "folder", "old")
    with pytest.raises(FileMissing, match="nothing was written"), whole(tmp_path / "thing", overwrite=True):
        pass
    assert (tmp_path / "thing" / "inner").read_text() == "old"


def test_a_killed_process_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    code = (
        "import sys, time; from organelle.files import whole\n"
        "with whole(sys.argv[1]) as part:\n"
        "    part.write_text('half'); print('writing', flush=True); time.sleep(60)\n"
    )
    final = tmp_path / "result.txt"
    with subprocess.Popen([sys.executable, "-c", code, str(final)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not final.exists()
    write_json(final, "the next run is not in its way")


def test_a_killed_process_leaves_the_old_folder(tmp_path: Path) -> None:
    code = (
        "import sys, time; from organelle.files import whole\n"
        "with whole(sys.argv[1], overwrite=True) as part:\n"
        "    part.mkdir(); (part / 'inner').write_text('half'); print('writing', flush=True)\n"
        "    time.sleep(60)\n"
    )
    final = tmp_path / "thing"
    make(final, "folder", "old")
    with subprocess.Popen([sys.executable, "-c", code, str(final)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.kill()
    assert (final / "inner").read_text() == "old"


@pytest.mark.parametrize("text", ["{", "[1, 2", "\udcff", "[" * 100_000, "1" * 5_000])
def test_broken_json_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FormatError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_missing_json_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_nan_never_gets_into_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"score": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_hash_depends_on_names_and_bytes_and_not_on_times(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        make(folder, "folder", "same")
        time.sleep(0.01)
    assert sha256(one) == sha256(two)
    (two / "inner").rename(two / "other")
    assert sha256(one) != sha256(two)
    (one / "inner").write_text("changed")
    assert sha256(one / "inner") != sha256(two / "other")
    assert json.dumps(sha256(one)).isascii()


def test_the_hash_of_a_folder_knows_where_files_end_and_takes_any_name(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, files in ((one, {"a": b"xb\0y"}), (two, {"a": b"x", "b": b"y"})):
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
    assert sha256(one) != sha256(two)
    before = sha256(two)
    (two / os.fsdecode(b"\xff")).write_bytes(b"")
    assert sha256(two) != before


def copy_in_two(part: Path) -> None:
    part.write_text("half")
    (part.parent / "the other half").read_text()


def make(path: Path, kind: str, text: str) -> None:
    if kind == "folder":
        path.mkdir()
        path = path / "inner"
    path.write_text(text)
