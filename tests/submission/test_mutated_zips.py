"""Whatever is done to a valid zip, the answer is a report or a clear error, never a crash.

The zip holds every codec, a deflated member, levels and both separators. Bytes are changed anywhere, or only
where it matters: headers, directory, metadata, chunks. Where chunks or metadata are changed, the zip around
them is made anew, so that its checksums do not catch the change first.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import numcodecs
import numpy as np
import pytest
from attacks import CHUNK, write_raw
from drawn_submissions import (
    CHALLENGE,
    NEAR,
    Files,
    array_files,
    drawn,
    perfect_files,
    place_of,
    write_zip,
    zip_bytes,
)

from organelle.classes import kind_of
from organelle.errors import OrganelleError
from organelle.submission import align, open_submission, validate

CODECS = ("blosc", "zstd", "zlib", "gzip", "lz4", "bz2")
ODD_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
ODD_VALUES = ("0", "-1", "1e999", "null", "true", "[]", "{}", '"\\u001b"', "9" * 30, '"<"', "0.5", "[[1]]")


@cache
def valid() -> Files:
    files = perfect_files()
    for codec in CODECS:
        files |= encoded(f"crop7/{codec}", codec)
    files |= encoded("crop7/er", "blosc", cname="zstd", shuffle=2)
    files |= encoded("crop7/mito", "zstd", checksum=True)
    level = array_files("crop21/levels/s0", drawn(NEAR), chunks=CHUNK)
    steps = [
        {"type": "scale", "scale": NEAR.voxel_size_nm},
        {"type": "translation", "translation": [1, 2, 3]},
    ]
    datasets = [{"path": "s0", "coordinateTransformations": steps}]
    attributes = json.dumps({"multiscales": [{"datasets": datasets}]}).encode()
    return files | level | {"crop21/levels/.zattrs": attributes}


def encoded(folder: str, codec: str, **options: object) -> Files:
    """One chunk of drawn labels, 4 KiB."""
    voxels = np.pad(drawn(NEAR, ids=3), [(0, w - n) for n, w in zip(NEAR.shape, CHUNK, strict=True)])
    data = bytes(numcodecs.get_codec({"id": codec, **options}).encode(voxels))
    files = array_files(folder, drawn(NEAR), place_of(NEAR), chunks=CHUNK, compressor={"id": codec})
    return {name: content for name, content in files.items() if not name[-1].isdigit()} | {
        f"{folder}/0.0.0": data
    }


def change_bytes(data: bytes, rng: random.Random, *, times: int = 3, first: int | None = None) -> bytes:
    """A few edits: bits flipped, bytes dropped or doubled, odd numbers written; `first` keeps to the head."""
    for _ in range(rng.randint(1, times)):
        at, length = rng.randrange(min(first or len(data), len(data)) or 1), rng.choice((1, 1, 2, 4, 16))
        part, form = data[at : at + length], rng.choice(("<B", "<H", "<I"))
        number = struct.pack(form, rng.choice(ODD_NUMBERS) % (1 << 8 * struct.calcsize(form)))
        flipped = bytes(b ^ 1 << rng.randrange(8) for b in part)
        random_bytes = rng.randbytes(len(part))
        new = rng.choice((flipped, b"", part * 2, random_bytes, number))
        cut = len(number) if new is number else length
        data = data[:at] + new + data[at + cut :]
    return data


def anywhere(folder: Path, rng: random.Random) -> Path:
    return written(folder, change_bytes(zip_bytes(valid()), rng, times=6))


def directory(folder: Path, rng: random.Random) -> Path:
    data = zip_bytes(valid())
    start = data.index(b"PK\1\2")
    return written(folder, data[:start] + change_bytes(data[start:], rng))


def end_records(folder: Path, rng: random.Random) -> Path:
    """The end of a zip with 64-bit records."""
    path = write_raw(folder, {name: (d, len(d), zlib.crc32(d), 0) for name, d in valid().items()})
    data = path.read_bytes()
    return written(folder, data[:-98] + change_bytes(data[-98:], rng))


def local_headers(folder: Path, rng: random.Random) -> Path:
    data = zip_bytes(valid())
    starts = [i for i in range(len(data)) if data.startswith(b"PK\3\4", i)]
    at = rng.choice(starts)
    return written(folder, data[:at] + change_bytes(data[at : at + 40], rng) + data[at + 40 :])


def metadata(folder: Path, rng: random.Random) -> Path:
    """JSON whose bytes are changed, or one value of which is another one."""
    name = rng.choice([n for n in valid() if n.endswith((".zarray", ".zattrs"))])
    data = valid()[name]
    if rng.random() < 0.5:
        return write_zip(folder / "a.zip", valid() | {name: change_bytes(data, rng)})
    places = [i for i, letter in enumerate(data) if letter in b":[,"]
    at = rng.choice(places) + 1
    rest = data[at:].lstrip()
    cut = next((i for i, letter in enumerate(rest) if letter in b",]}"), 0)
    return write_zip(
        folder / "a.zip", valid() | {name: data[:at] + rng.choice(ODD_VALUES).encode() + rest[cut:]}
    )


def chunks(folder: Path, rng: random.Random) -> Path:
    """Every codec's chunk, changed in its head more often than elsewhere."""
    files = dict(valid())
    for name in files:
        if name.endswith("0.0.0"):
            files[name] = change_bytes(files[name], rng, first=rng.choice((20, 40, None)))
    return write_zip(folder / "a.zip", files, deflate=rng.random() < 0.3)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "a.zip"
    path.write_bytes(data)
    return path


MUTATIONS: tuple[Callable[[Path, random.Random], Path], ...] = (
    anywhere,
    directory,
    end_records,
    local_headers,
    metadata,
    chunks,
)


def read_everything(path: Path) -> int:
    """Validate, read and align all that is there; returns how many arrays could be read."""
    report = validate(path, CHALLENGE)
    assert all(str(problem).isprintable() for problem in report.problems)
    read = 0
    with suppress(OrganelleError), open_submission(path) as submission:
        for crop, class_name in submission.names():
            with suppress(OrganelleError):
                found = submission.array(crop, class_name)
                if found is not None:
                    align(found, NEAR, kind_of("er"))
                    read += 1
    return read


def play(folder: Path, mutation: Callable[[Path, random.Random], Path], seeds: range) -> None:
    whole = read_everything(write_zip(folder / "a.zip", valid()))
    read = []
    for seed in seeds:
        path = mutation(folder, random.Random(f"{mutation.__name__} {seed}"))
        try:
            read.append(read_everything(path))
        except Exception as error:
            raise AssertionError(f"{mutation.__name__}, seed {seed}: {error!r}") from error
    assert min(read) < whole, "no change was noticed"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_mutated_zips(mutation: Callable[[Path, random.Random], Path], tmp_path: Path) -> None:
    play(tmp_path, mutation, range(20))


@pytest.mark.soak
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_mutated_zips_by_the_thousand(
    mutation: Callable[[Path, random.Random], Path], tmp_path: Path
) -> None:
    play(tmp_path, mutation, range(1000, 2000))
