"""Archives made or broken to do harm: none is restored, and nothing is written elsewhere."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from organelle.errors import FormatError
from organelle.portal.backup import restore

SUBMISSION = f"submissions/aa/{'a' * 64}.zip"
Entry = tuple[str, bytes, dict[str, Any]]


def note(**changes: object) -> Entry:
    record = {"form": 1, "version": "1", "submissions": 1, "bytes": 5003} | changes
    return "backup.json", json.dumps(record).encode(), {}


DATABASE: Entry = ("portal.sqlite3", b"abc", {})
KEY: Entry = ("secret.key", b"k" * 60, {})
FILE: Entry = (SUBMISSION, b"z" * 5000, {})
WHOLE = (note(), DATABASE, KEY, FILE)


def written(path: Path, *entries: Entry, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content, values in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for key, value in values.items():
                setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    return name, b"", {"type": kind, "linkname": target}


def deep_links(target: Path) -> list[Entry]:
    """Links whose full path is longer than a path may be: checks that resolve names give up half way."""
    letters = "abcdefghijklmnop"
    entries, path, folder = [], "", "d" * 247
    for letter in letters:
        entries += [(f"{path}{folder}", b"", {"type": tarfile.DIRTYPE}), link(f"{path}{letter}", folder)]
        path += f"{folder}/"
    long = f"{'/'.join(letters)}/{'l' * 254}"
    out = f"{long}/{'../' * (len(target.parts) + 1)}{target.relative_to('/')}"
    return [*entries, link(long, "../" * len(letters)), link("out", out), ("out/evil", b"evil", {})]


def test_the_whole_one_is_restored(tmp_path):
    restore(written(tmp_path / "all.tar", *WHOLE), tmp_path / "second")
    assert (tmp_path / "second" / SUBMISSION).read_bytes() == b"z" * 5000


@pytest.mark.parametrize(
    "entry",
    [
        ("../evil", b"evil", {}),
        ("/evil", b"evil", {}),
        ("evil.py", b"evil", {}),
        ("uploads/evil.part", b"evil", {}),
        ("submissions/../../evil.zip", b"evil", {}),
        ("submissions/aa/evil.zip", b"evil", {}),
        ("secret.key", b"evil", {}),
        link("portal.toml", "secret.key"),
        link("portal.toml", "/etc/passwd"),
        link("portal.toml", "secret.key", tarfile.LNKTYPE),
        ("portal.toml", b"", {"type": tarfile.DIRTYPE}),
        ("portal.toml", b"", {"type": tarfile.FIFOTYPE}),
        ("portal.toml", b"", {"type": tarfile.CHRTYPE}),
    ],
)
def test_what_no_backup_holds_is_not_restored(tmp_path, entry):
    source = written(tmp_path / "bad.tar", *WHOLE, entry)
    with pytest.raises(FormatError, match="bad"):
        restore(source, tmp_path / "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar"]


def test_links_that_are_too_deep_to_be_followed_lead_nowhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    source = written(tmp_path / "bad.tar", *WHOLE, *deep_links(tmp_path / "elsewhere"))
    with pytest.raises(FormatError):
        restore(source, tmp_path / "second")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"form": "x"}', b"\xff\xfe", b"[" * 200_000, b'{"form": 1, "bytes": 1}'],
)
def test_notes_that_cannot_be_read(tmp_path, content):
    source = written(tmp_path / "bad.tar", ("backup.json", content, {}), *WHOLE[1:])
    with pytest.raises(FormatError, match="no backup of a portal"):
        restore(source, tmp_path / "second")


def test_a_newer_version_is_named(tmp_path):
    source = written(tmp_path / "new.tar", note(form=2, version="9.9"), *WHOLE[1:])
    with pytest.raises(FormatError, match="organelle 9"):
        restore(source, tmp_path / "second")


def test_wherever_it_is_cut_nothing_comes_of_it(tmp_path):
    content = written(tmp_path / "all.tar", *WHOLE).read_bytes()
    end = content.rindex(b"z") + 1
    for length in range(0, end, 256):
        (tmp_path / "cut.tar").write_bytes(content[:length])
        with pytest.raises(FormatError):
            restore(tmp_path / "cut.tar", tmp_path / "second")
        assert not (tmp_path / "second").exists()


@pytest.mark.parametrize("gone", [DATABASE, KEY, FILE])
def test_what_every_portal_has_must_be_there(tmp_path, gone):
    source = written(tmp_path / "bad.tar", *(entry for entry in WHOLE if entry is not gone))
    with pytest.raises(FormatError, match="cut off"):
        restore(source, tmp_path / "second")


@pytest.mark.parametrize("packed", ["w:gz", "w:bz2", "w:xz"])
def test_packed_archives_are_not_unpacked(tmp_path, packed):
    source = written(tmp_path / "packed.tar", *WHOLE, mode=packed)
    with pytest.raises(FormatError, match="packed"):
        restore(source, tmp_path / "second")
