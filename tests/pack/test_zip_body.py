"""Bodies of members get the directory that Python's own zipfile would have written."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from organelle.errors import FormatError
from organelle.pack.zip_body import LOCAL, append_body, cut_body, members, write_directory
from organelle.submission import ZarrZip


def drawn_zip(path: Path, names: list[str]) -> Path:
    with ZarrZip(path) as archive:
        for name in names:
            archive.write_chunk(name, [0, 0, 1], name.encode() * 30)
    return path


def test_zips_put_one_after_the_other_are_the_zip_written_at_once(tmp_path: Path) -> None:
    parts = [drawn_zip(tmp_path / name, [name, f"{name}é"]) for name in ("a", "b", "c")]
    whole = drawn_zip(tmp_path / "whole", ["a", "aé", "b", "bé", "c", "cé"])
    body = io.BytesIO()
    for part in parts:
        append_body(part, body)
    write_directory(body)
    assert body.getvalue() == whole.read_bytes()


def test_what_is_cut_out_of_a_body_is_the_zip_that_went_in(tmp_path: Path) -> None:
    part = drawn_zip(tmp_path / "b", ["b", "bb"])
    body = io.BytesIO()
    append_body(drawn_zip(tmp_path / "a", ["a"]), body)
    start = body.tell()
    append_body(part, body)
    cut_body(body, start, body.tell(), tmp_path / "cut")
    assert (tmp_path / "cut").read_bytes() == part.read_bytes()


def test_an_empty_body_is_an_empty_zip() -> None:
    body = io.BytesIO()
    write_directory(body)
    assert zipfile.ZipFile(body).namelist() == []


def test_more_members_than_16_bits_count_read_as_zipfile_writes_them() -> None:
    count = (1 << 16) + 3
    expected = io.BytesIO()
    with zipfile.ZipFile(expected, "w") as archive:
        for i in range(count):
            member = zipfile.ZipInfo(str(i))
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, b"")
    with zipfile.ZipFile(expected) as archive:
        body = io.BytesIO(expected.getvalue()[: archive.start_dir])  # type: ignore[attr-defined]
    write_directory(body)
    assert body.getvalue() == expected.getvalue()


def test_places_beyond_two_gigabytes_are_found(tmp_path: Path) -> None:
    small = drawn_zip(tmp_path / "small", ["far"])
    size = (1 << 31) + 5
    with (tmp_path / "large").open("w+b") as body:  # a hole: no disk is filled
        body.write(LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, 33, 0, size, size, 4, 0) + b"near")
        body.truncate(body.tell() + size)
        append_body(small, body)
        write_directory(body)
    with zipfile.ZipFile(tmp_path / "large") as archive:
        assert archive.namelist() == ["near", "far/0.0.1"]
        assert archive.read("far/0.0.1") == b"far" * 30


def test_what_is_no_row_of_stored_members_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "deflated", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1000))
    with pytest.raises(FormatError, match="not stored whole"):
        append_body(tmp_path / "deflated", io.BytesIO())
    torn = io.BytesIO(drawn_zip(tmp_path / "torn", ["a"]).read_bytes()[:40])
    with pytest.raises(FormatError, match="byte 0"):
        list(members(torn, 40))
    noise = io.BytesIO(np.random.default_rng(0).bytes(100))
    assert list(members(noise)) == []
    with pytest.raises(FormatError, match="no member"):
        list(members(noise, 100))
    assert struct.calcsize(LOCAL.format) == 30
