"""Hostile submissions, each with its harmless twin of the same shape and structure.

An attack lies in the row crop7/er of the challenge of two crops, or in the file as a whole. `scope` tells
what it may cost: `file` (nothing is scored), `row` (crop7/er is not scored, the others as ever) or `nothing`
(all rows are scored as ever).
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from drawn_submissions import (
    NEAR,
    Files,
    array_files,
    drawn,
    perfect_files,
    place_of,
    write_folder,
    write_zip,
    zip_bytes,
)
from numcodecs.blosc import Blosc
from numcodecs.lz4 import LZ4
from numcodecs.zstd import Zstd

Make = Callable[[Path], Path]
"""Writes a submission into a folder, and tells where."""

MIB = 1 << 20
ROW = "crop7/er"
CHUNK = (16, 16, 16)
CHUNK_BYTES = 16**3
ZARRAY, ZATTRS, FIRST = f"{ROW}/.zarray", f"{ROW}/.zattrs", f"{ROW}/0.0.0"


@dataclass(frozen=True)
class Attack:
    """`code` is that of the problem that names it (empty: there is nothing to name)."""

    name: str
    bad: Make
    twin: Make
    code: str
    scope: Literal["file", "row", "nothing"]
    slow: bool = False

    def __str__(self) -> str:
        return self.name


def all_attacks() -> tuple[Attack, ...]:
    groups = (
        _names(),
        _zips(),
        _floods(),
        _members(),
        _chunks(),
        _metadata(),
        _json(),
        _levels(),
        _folders(),
    )
    return tuple(attack for group in groups for attack in group)


def zipped(files: Callable[[], Files], *, deflate: bool = False) -> Make:
    return lambda folder: write_zip(folder / "a.zip", files(), deflate=deflate)


def edited(files: Callable[[], Files], edit: Callable[[bytearray], bytes | bytearray]) -> Make:
    """A zip whose bytes are changed by hand."""

    def make(folder: Path) -> Path:
        path = folder / "a.zip"
        path.write_bytes(edit(bytearray(zip_bytes(files()))))
        return path

    return make


def row(array: np.ndarray | None = None, attributes: Any = place_of(NEAR), **zarray: Any) -> Files:
    """A good submission whose crop7/er is this."""
    array = drawn(NEAR) if array is None else array
    others = {name: data for name, data in perfect_files().items() if not name.startswith(ROW + "/")}
    return others | array_files(ROW, array, attributes, chunks=CHUNK) | _zarray(array, zarray)


def _zarray(array: np.ndarray, changes: dict[str, Any]) -> Files:
    good = json.loads(array_files(ROW, array, chunks=CHUNK)[ZARRAY])
    return {ZARRAY: json.dumps(good | changes).encode()}


def chunk(codec: str | None, data: bytes) -> Files:
    """A submission whose crop7/er is this one encoded chunk."""
    return row(compressor=codec and {"id": codec}) | {FIRST: data}


def flat(size: int = CHUNK_BYTES) -> bytes:
    return bytes(size)


@cache
def inflated(codec: str, size: int) -> bytes:
    """Zeros in a small place."""
    if codec == "zstd":
        return zstd_run(size // (128 << 10))
    encode: dict[str, Callable[[bytes], bytes]] = {
        "blosc": Blosc(cname="lz4").encode,
        "zlib": lambda data: zlib.compress(data, 1),
        "gzip": lambda data: gzip.compress(data, 1),
        "bz2": lambda data: bz2.compress(data, 1),
        "lz4": LZ4().encode,
    }
    return bytes(encode[codec](bytes(size)))


def zstd_run(blocks: int, length: int = 128 << 10, declared: int | None = None) -> bytes:
    """A zstd frame of runs of 0, written by hand: 4 bytes for up to 128 KiB."""
    head = bytes([0x00, 0x38]) if declared is None else bytes([0x80, 0x38]) + struct.pack("<I", declared)
    body = [struct.pack("<I", (i == blocks - 1) | 1 << 1 | length << 3) for i in range(blocks)]
    return b"\x28\xb5\x2f\xfd" + head + b"".join(block[:3] + b"\0" for block in body)


def _names() -> Iterator[Attack]:
    names = {
        "zip slip": ("../../evil", "notes/evil"),
        "zip slip below a crop": (f"{ROW}/../../../evil", f"{ROW}/a/b/c/evil"),
        "absolute path": ("/etc/passwd", "etc/passwd"),
        "backslashes": ("crop7\\er\\.zattrs", "crop7_er_.zattrs"),
        "drive letter": ("C:/evil", "C/evil"),
        "newline in a name": ("crop7/a\nb", "crop7/a b"),
        "escape codes in a name": ("crop7/\x1b[2J\x1b]0;owned\x07", "crop7/[2J]0;owned"),
        "8-bit escape codes in a name": ("crop7/\x9b2J", "crop7/é2J"),
        "right-to-left mark in a name": ("crop7/\u202egnp.exe", "crop7/gnp.exe"),
    }
    for name, (bad, good) in names.items():
        yield Attack(name, _with(bad), _with(good), "unsafe-name", "file")
    yield Attack(
        "markup in a class name", _with("crop7/<script>alert(1)<"), _with("crop7/a"), "stray", "nothing"
    )
    yield Attack("case twins", _with("crop7/Er/.zarray"), _with("crop7/Err/.zarray"), "case-twins", "file")
    yield Attack("duplicate names", _twice(FIRST), _twice("crop7/other"), "duplicate-member", "file")
    modes = {"symbolic link": 0o120777, "device": 0o060666, "pipe": 0o010666}
    for name, mode in modes.items():
        yield Attack(f"{name} as a member", _special(mode), _special(0o100644), "link", "file")


def _with(name: str) -> Make:
    return zipped(lambda: perfect_files() | {name: b"x"})


def _twice(name: str) -> Make:
    def make(folder: Path) -> Path:
        path = write_zip(folder / "a.zip", perfect_files())
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr(name, b"other")
        return path

    return make


def _special(mode: int) -> Make:
    def make(folder: Path) -> Path:
        path = write_zip(folder / "a.zip", perfect_files())
        member = zipfile.ZipInfo("crop7/extra")
        member.create_system, member.external_attr = 3, mode << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(member, "/etc/passwd")
        return path

    return make


def _zips() -> Iterator[Attack]:
    honest = zipped(perfect_files)
    whole: dict[str, Callable[[bytearray], bytes | bytearray]] = {
        "directory larger than the file": lambda data: _end(data, "<I", 12, 1 << 30),
        "more members promised than there are": lambda data: _end(data, "<HH", 8, 60_000, 60_000),
        "zip64 end that contradicts the plain one": _two_ends_64,
        "zip64 end beyond the file": lambda data: _end(data, "<I", 16, 0xFFFFFFFF),
        "zip64 member at the end of all offsets": _far_member,
        "data before the zip": lambda data: b"#!/bin/sh\n" + data,
        "bytes after the zip": lambda data: data + b"PK",
        "another zip in the comment": _zip_in_comment,
        "cut off": lambda data: data[: len(data) // 2],
    }
    for name, edit in whole.items():
        code = "truncated-zip" if name == "cut off" else "unreadable-file"
        yield Attack(name, edited(perfect_files, edit), honest, code, "file")
    comment = edited(perfect_files, lambda data: _commented(data, b"made by hand"))
    yield Attack(
        "end record in the comment",
        edited(perfect_files, _end_in_comment),
        comment,
        "unreadable-file",
        "file",
    )
    nested = zipped(lambda: {"submission.zip": zip_bytes(perfect_files())})
    yield Attack("zip inside a zip", nested, honest, "zip-inside", "file")
    yield Attack("overlapping members", _quoted_bomb, honest, "overlapping-members", "file")


def _end(data: bytearray, form: str, at: int, *values: int) -> bytearray:
    """Overwrite the end record at `at`."""
    struct.pack_into(form, data, data.rindex(b"PK\5\6") + at, *values)
    return data


def _two_ends_64(data: bytearray) -> bytes:
    """A plain end record of the real directory behind a 64-bit one of an empty directory."""
    at = data.rindex(b"PK\5\6")
    wide = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 0, 0, 0, at)
    return data[:at] + wide + struct.pack("<4sIQI", b"PK\6\7", 0, at, 1) + data[at:]


def _far_member(data: bytearray) -> bytearray:
    """A directory entry whose 64-bit offset is so large that its end wraps around to 0."""
    at = data.rindex(b"PK\1\2")
    name, end = struct.unpack_from("<H", data, at + 28)[0], data.rindex(b"PK\5\6")
    struct.pack_into("<H", data, at + 30, 12)
    struct.pack_into("<I", data, at + 42, 0xFFFFFFFF)
    size = struct.unpack_from("<I", data, end + 12)[0]
    struct.pack_into("<I", data, end + 12, size + 12)
    there = at + 46 + name
    return data[:there] + struct.pack("<HHQ", 1, 8, (1 << 64) - 20) + data[there:]


def _commented(data: bytearray, comment: bytes) -> bytes:
    return bytes(_end(data, "<H", 20, len(comment))) + comment


def _end_in_comment(data: bytearray) -> bytes:
    """An end record of the same directory, moved to the comment: the first or the last one?"""
    return _commented(data, bytes(data[data.rindex(b"PK\5\6") :]))


def _zip_in_comment(data: bytearray) -> bytes:
    """Behind the honest zip, as its comment, a second one whose offsets are right."""
    stream = io.BytesIO(bytes(data))
    stream.seek(0, os.SEEK_END)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.start_dir = len(data)
        archive.filelist.clear()
        archive.NameToInfo.clear()
        archive.writestr("crop7/.zgroup", b"{}")
    return _commented(data, stream.getvalue()[len(data) :])


def _quoted_bomb(folder: Path) -> Path:
    """Thousands of names for the same deflated bytes."""
    kernel = zlib.compress(bytes(4 * MIB), 9)[2:-4]
    entry = (kernel, 4 * MIB, zlib.crc32(bytes(4 * MIB)), 8)
    return write_raw(folder, {f"{ROW}/{i}": entry for i in range(30_000)}, shared=True)


def write_raw(folder: Path, entries: dict[str, tuple[bytes, int, int, int]], *, shared: bool = False) -> Path:
    """A zip of (packed, size, crc, method), written faster than zipfile can; or all names over one member."""
    bodies, directory, at = [], [], 0
    for i, (name, (packed, size, crc, method)) in enumerate(entries.items()):
        raw = name.encode()
        flags = 0 if name.isascii() else 0x800
        numbers = struct.pack("<HHIIIIHH", flags, method, 0, crc, len(packed), size, len(raw), 0)
        directory.append(b"PK\1\2\x14\x03\x14\0" + numbers + struct.pack("<HHHII", 0, 0, 0, 0, at) + raw)
        if not (shared and i):
            bodies.append(b"PK\3\4\x14\0" + numbers + raw + packed)
        at += 0 if shared else len(bodies[-1])
    start, listed = sum(map(len, bodies)), b"".join(directory)
    end = len(entries)
    tail = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(listed), start, 0)
    wide = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, end, end, len(listed), start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + len(listed), 1)
    path = folder / "a.zip"
    path.write_bytes(b"".join([*bodies, listed, wide, locator, tail]))
    return path


def _flood(names: Callable[[int], str], count: int) -> Make:
    stored = {name: (data, len(data), zlib.crc32(data), 0) for name, data in perfect_files().items()}
    empty = (b"", 0, 0, 0)
    return lambda folder: write_raw(folder, stored | {names(i): empty for i in range(count)})


def _floods() -> Iterator[Attack]:
    def in_row(i: int) -> str:
        return f"{ROW}/9.9.{i}"

    def long_name(i: int) -> str:
        return f"crop7/{i}\U0001f600{'x' * 60_000}"

    floods: dict[str, tuple[Callable[[int], str], int, str, Literal["file", "nothing"]]] = {
        "900,000 members": (in_row, 900_000, "unreadable-file", "file"),
        "300,000 members": (in_row, 300_000, "stray-chunk", "nothing"),
        "300,000 unknown classes": (lambda i: f"crop7/mito{i}/.zarray", 300_000, "unknown-class", "nothing"),
        "300,000 unknown crops": (lambda i: f"crop{i + 1000}/a", 300_000, "unknown-crop", "nothing"),
        "300,000 stores": (lambda i: f"a/b{i}.zarr/.zgroup", 300_000, "stray", "nothing"),
        "names of 60,000 letters": (long_name, 2_000, "unreadable-file", "file"),
    }
    for name, (names, count, code, scope) in floods.items():
        yield Attack(name, _flood(names, count), _flood(names, 2), code, scope, slow=True)


def _members() -> Iterator[Attack]:
    """Lies about a single member: chunk or metadata of one row."""
    honest = zipped(lambda: chunk(None, flat()), deflate=True)
    chunk_lies: dict[str, Make] = {
        "local header against the directory": _member_lie(FIRST, "<I", 24, 100, both=False),
        "claimed small, really large": _claimed(FIRST, flat(512 * MIB), CHUNK_BYTES),
        "claimed large, really small": _member_lie(FIRST, "<I", 24, CHUNK_BYTES + 9, both=True),
        "encrypted chunk": _member_lie(FIRST, "<H", 8, 1, both=True),
        "chunk in lzma": _member_lie(FIRST, "<H", 10, 14, both=True),
        "deflate bomb as a chunk": zipped(lambda: chunk(None, flat(512 * MIB)), deflate=True),
        "chunk of another checksum": _member_lie(FIRST, "<I", 16, 7, both=True),
    }
    for name, make in chunk_lies.items():
        yield Attack(name, make, honest, "unreadable-chunk", "row", slow="arge" in name or "bomb" in name)
    spaces = zipped(lambda: row() | {ZATTRS: b" " * (50 * MIB) + row()[ZATTRS]}, deflate=True)
    few = zipped(lambda: row() | {ZATTRS: b" " * 5000 + row()[ZATTRS]}, deflate=True)
    yield Attack("50 MB of spaces in JSON", spaces, few, "unreadable-metadata", "row", slow=True)
    encrypted = _member_lie(ZARRAY, "<H", 8, 1, both=True)
    yield Attack("encrypted metadata", encrypted, honest, "unreadable-metadata", "row")


def _member_lie(name: str, form: str, at: int, value: int, *, both: bool) -> Make:
    """Overwrite the directory's entry of a deflated member at `at`; with `both` its own header, too."""

    def make(folder: Path) -> Path:
        path = write_zip(folder / "a.zip", chunk(None, flat()), deflate=True)
        data = bytearray(path.read_bytes())
        struct.pack_into(form, data, data.rindex(name.encode()) - 46 + at, value)
        if both:
            struct.pack_into(form, data, data.index(name.encode()) - 30 + at - 2, value)
        path.write_bytes(data)
        return path

    return make


def _claimed(name: str, content: bytes, size: int) -> Make:
    def make(folder: Path) -> Path:
        files = {k: (d, len(d), zlib.crc32(d), 0) for k, d in chunk(None, b"").items()}
        squeezed = zlib.compress(content, 1)[2:-4]
        return write_raw(folder, files | {name: (squeezed, size, zlib.crc32(content[:size]), 8)})

    return make


def _chunks() -> Iterator[Attack]:
    for codec in ("blosc", "zstd", "zlib", "gzip", "bz2", "lz4"):
        bomb = zipped(lambda codec=codec: chunk(codec, inflated(codec, _BOMBS.get(codec, 512 * MIB))))
        twin = zipped(lambda codec=codec: chunk(codec, _encoded(codec)))
        yield Attack(f"{codec} bomb", bomb, twin, "unreadable-chunk", "row", slow=codec != "zstd")
    lies: dict[str, tuple[str | None, Callable[[], bytes]]] = {
        "zstd frame behind another": ("zstd", lambda: _encoded("zstd") + zstd_run(16_000)),
        "zstd frame that lies about its size": ("zstd", lambda: zstd_run(16_000, declared=CHUNK_BYTES)),
        "zstd frame that promises 2 GiB": ("zstd", lambda: zstd_run(1, CHUNK_BYTES, (1 << 31) - 1)),
        "zstd skippable frame": ("zstd", lambda: b"\x50\x2a\x4d\x18\4\0\0\0abcd" + _encoded("zstd")),
        "blosc blocks larger than memory": ("blosc", lambda: _blosc("<I", 8, 0x7FFFFFFF)),
        "blosc blocks of nothing": ("blosc", lambda: _blosc("<I", 8, 0)),
        "blosc numbers of no bytes": ("blosc", lambda: _blosc("<B", 3, 0)),
        "blosc that promises 2 GiB": ("blosc", lambda: _blosc("<I", 4, 0x7FFFFFFF)),
        "blosc longer than its file": ("blosc", lambda: _blosc("<I", 12, 0x7FFFFFFF)),
        "lz4 that promises 2 GiB": ("lz4", lambda: b"\xff\xff\xff\x7f" + _encoded("lz4")[4:]),
        "gzip member behind another": ("gzip", lambda: gzip.compress(flat()) * 2),
        "bz2 stream behind another": ("bz2", lambda: bz2.compress(flat()) * 2),
        "truncated chunk": ("zstd", lambda: _encoded("zstd")[:-3]),
        "chunk of another size": (None, lambda: flat(CHUNK_BYTES + 1)),
        "empty chunk": ("blosc", lambda: b""),
    }
    for name, (codec, data) in lies.items():
        bad = zipped(lambda codec=codec, data=data: chunk(codec, data()))
        twin = zipped(lambda codec=codec: chunk(codec, _encoded(codec)))
        yield Attack(name, bad, twin, "unreadable-chunk", "row")


_BOMBS = {"zstd": 2 << 30, "bz2": 128 * MIB}


def _encoded(codec: str | None) -> bytes:
    if codec is None:
        return flat()
    return bytes(Zstd().encode(flat())) if codec == "zstd" else inflated(codec, CHUNK_BYTES)


def _blosc(form: str, at: int, value: int) -> bytes:
    data = bytearray(_encoded("blosc"))
    struct.pack_into(form, data, at, value)
    return bytes(data)


def _metadata() -> Iterator[Attack]:
    twin = zipped(row)
    changes: dict[str, tuple[dict[str, Any], str]] = {
        "shape of a petabyte": ({"shape": [100_000] * 3}, "too-large"),
        "shape of more than all atoms": ({"shape": [10**30, 1, 1]}, "bad-shape"),
        "chunks of nothing": ({"chunks": [0, 16, 16]}, "bad-chunks"),
        "chunks below nothing": ({"chunks": [-1, 16, 16]}, "bad-chunks"),
        "chunks larger than memory": ({"chunks": [1 << 20] * 3}, "chunk-too-large"),
        "chunks far larger than the array": ({"chunks": [512, 512, 800]}, "chunk-too-large"),
        "chunks as fractions": ({"chunks": [16.5, 16, 16]}, "bad-chunks"),
        "chunks as true": ({"chunks": [True, 16, 16]}, "bad-chunks"),
        "one-voxel chunks": ({"shape": [60] * 3, "chunks": [1] * 3}, "too-many-chunks"),
        "four axes": ({"shape": [1, 10, 12, 14], "chunks": [1, 16, 16, 16]}, "bad-shape"),
        "pickle codec": ({"compressor": {"id": "pickle"}}, "bad-codec"),
        "codec as a text": ({"compressor": "zstd"}, "bad-codec"),
        "codec in a list": ({"compressor": [{"id": "zstd"}]}, "bad-codec"),
        "object dtype": ({"dtype": "|O"}, "bad-dtype"),
        "structured dtype": ({"dtype": [["a", "<u2"], ["b", "|O"]]}, "bad-dtype"),
        "dates": ({"dtype": "<M8[ns]"}, "bad-dtype"),
        "filters": ({"filters": [{"id": "pickle"}]}, "filters"),
        "filters as a text": ({"filters": ""}, "filters"),
        "huge fill value": ({"fill_value": 10**4000}, "bad-fill-value"),
        "NaN as fill value": ({"fill_value": "NaN"}, "bad-fill-value"),
        "lists as fill value": ({"fill_value": [[[0]]]}, "bad-fill-value"),
        "order of nobody": ({"order": "K"}, "bad-order"),
        "order as nothing": ({"order": ""}, "bad-order"),
        "separator that leads out": ({"dimension_separator": "/../"}, "bad-dimension_separator"),
        "another zarr format": ({"zarr_format": "2"}, "zarr-format"),
    }
    for name, (change, code) in changes.items():
        yield Attack(name, zipped(lambda change=change: row(**change)), twin, code, "row")
    sizes: dict[str, tuple[list[Any], str]] = {
        "voxels of 1e-300 nm": ([1e-300] * 3, "odd-voxel-size"),
        "voxels of 1e300 nm": ([1e300] * 3, "odd-voxel-size"),
        "voxels of -4 nm": ([-4, 4, 4], "odd-voxel-size"),
        "voxels of text": (["4", "4", "4"], "odd-voxel-size"),
        "voxels of a millimetre": ([1e6] * 3, "voxel-size-apart"),
        "voxels of an atom": ([0.01] * 3, "voxel-size-apart"),
        "voxels that grow a hundred times": ([40, 40, 4], "too-large"),
    }
    for name, (size, code) in sizes.items():
        bad = zipped(lambda size=size: row(attributes=place_of(NEAR) | {"voxel_size": size}))
        yield Attack(name, bad, twin, code, "row")
    far = zipped(lambda: row(attributes=place_of(NEAR) | {"translation": [1e300] * 3}))
    yield Attack("place beyond the universe", far, twin, "odd-offset", "row")
    consolidated = json.dumps({"metadata": {ZARRAY: {"shape": [1 << 40] * 3}}}).encode()
    bad = zipped(lambda: row() | {".zmetadata": consolidated})
    yield Attack("consolidated metadata that contradicts", bad, twin, "", "nothing")
    fine = np.repeat(np.repeat(np.repeat(drawn(NEAR), 4, 0), 4, 1), 4, 2)
    place = place_of(NEAR) | {"voxel_size": [1, 1, 1]}
    bad = zipped(lambda: row(fine, place))
    yield Attack("64 times finer than the crop", bad, twin, "other-voxel-size", "row")


def _json() -> Iterator[Attack]:
    good = row()[ZATTRS]
    start, twin = good[:-1], zipped(lambda: row() | {ZATTRS: good[:-1] + b', "note": [[1e99]]}'})
    texts: dict[str, bytes] = {
        "200,000 brackets": start + b', "note": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        "number of 100,000 digits": start + b', "note": ' + b"9" * 100_000 + b"}",
        "NaN in JSON": start + b', "note": NaN}',
        "keys that stand twice": start + b', "voxel_size": [1, 1, 1]}',
        "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "no text at all": bytes(range(256)),
        "a list": b"[1]",
    }
    for name, text in texts.items():
        yield Attack(name, zipped(lambda text=text: row() | {ZATTRS: text}), twin, "bad-json", "row")
    endless = good.replace(b"4.0", b"1e999", 1)
    yield Attack("1e999", zipped(lambda: row() | {ZATTRS: endless}), twin, "odd-voxel-size", "row")


def _levels() -> Iterator[Attack]:
    twin = zipped(lambda: _pyramid(["s0"]))
    spaces = zipped(lambda: _pyramid(["s0"] * 20_000))
    yield Attack("20,000 levels", spaces, twin, "too-many-levels", "row")
    out = zipped(lambda: _pyramid(["s0", "../../crop21/pm"]))
    yield Attack("level that leads out", out, twin, "missing-level", "row")
    escape = zipped(lambda: _pyramid(["s0", "\x1b[2J<b>\u202e" * 50]))
    yield Attack("level with escape codes", escape, twin, "missing-level", "row")
    odd = zipped(lambda: _pyramid(["s0", {"a": [1]}]))
    yield Attack("level that is no name", odd, twin, "missing-level", "row")
    yield Attack("group of 1,000 arrays", zipped(lambda: _group(1000)), twin, "too-many-levels", "row")


def _pyramid(paths: list[Any]) -> Files:
    steps = [
        {"type": "scale", "scale": NEAR.voxel_size_nm},
        {"type": "translation", "translation": NEAR.origin_nm},
    ]
    datasets = [{"path": path} for path in paths]
    datasets[0] |= {"coordinateTransformations": steps}
    attributes = json.dumps({"multiscales": [{"datasets": datasets}]}).encode()
    return _without_row() | array_files(f"{ROW}/s0", drawn(NEAR)) | {ZATTRS: attributes}


def _group(count: int) -> Files:
    array = array_files("a", drawn(NEAR))["a/.zarray"]
    return _without_row() | {f"{ROW}/s{i}/.zarray": array for i in range(count)}


def _without_row() -> Files:
    return {name: data for name, data in perfect_files().items() if not name.startswith(ROW + "/")}


def _folders() -> Iterator[Attack]:
    twin = _folder(lambda folder: None)
    yield Attack(
        "class folder that is a file",
        zipped(lambda: _without_row() | {ROW: b"x"}),
        twin,
        "missing-row",
        "row",
    )
    links = {"a device": "/dev/zero", "a link to itself": "0.0.0", "a link into nothing": "nowhere/0"}
    for name, target in links.items():
        bad = _folder(lambda folder, target=target: _replace(folder / FIRST, target))
        code = "" if name == "a link into nothing" else "unreadable-chunk"
        yield Attack(f"{name} in the place of a chunk", bad, twin, code, "row")
    pipe = _folder(lambda folder: _replace(folder / FIRST, None))
    yield Attack("a pipe in the place of a chunk", pipe, twin, "unreadable-chunk", "row")
    pipe = _folder(lambda folder: _replace(folder / ZARRAY, None))
    yield Attack("a pipe in the place of metadata", pipe, twin, "unreadable-metadata", "row")
    loop = _folder(lambda folder: (folder / "crop7" / "loop").symlink_to(folder))
    yield Attack("a link to the folder around it", loop, twin, "unknown-class", "nothing")
    lost = _folder(lambda folder: (folder / "crop7" / "loop").symlink_to("loop"))
    yield Attack("a link to itself", lost, twin, "stray", "nothing")
    bytes_ = _folder(lambda folder: Path(os.fsdecode(bytes(folder) + b"/crop7/\xff\x1b[2J")).write_bytes(b""))
    yield Attack("a name that is no text", bytes_, twin, "stray", "nothing")


def _folder(change: Callable[[Path], Any]) -> Make:
    def make(folder: Path) -> Path:
        path = write_folder(folder / "a.zarr", row())
        change(path)
        return path

    return make


def _replace(path: Path, target: str | None) -> None:
    """A link to `target` in the place of a file, or a pipe."""
    path.unlink()
    if target is None:
        os.mkfifo(path)
    else:
        path.symlink_to(target)
