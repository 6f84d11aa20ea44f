"""How many chunks of an array are stored, within bounded time, from names and sizes alone."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from organelle.stores import Place
from organelle.stores.places import Remote
from organelle.volumes.inspect_metadata import METADATA_FILES
from organelle.volumes.inspect_records import ChunkCount, LevelReport

MOST_FILES = 100_000
"""Files of one array that are counted; beyond that the count is a bound."""

MOST_ASKED = 64
"""Chunks of a remote array that are asked for, one request each."""

MOST_STRANGE = 5

Index = tuple[int, ...]


@dataclass(frozen=True)
class Stored:
    """What was counted, and the indices of the chunks (or shards) that were found."""

    count: ChunkCount
    found: tuple[Index, ...]


def count_chunks(place: Place, array: LevelReport) -> Stored | None:
    """Count the chunks of an array; None if its shape or chunks are not known.

    A folder is walked, at most `MOST_FILES` files of it. In a remote store `MOST_ASKED` chunks, spread
    evenly over the array, are asked for.
    """
    pieces = array.shards or array.chunks
    if array.shape is None or pieces is None or len(pieces) != len(array.shape):
        return None
    grid = tuple(-(-n // c) for n, c in zip(array.shape, pieces, strict=True))
    if isinstance(place, Remote):
        return _ask(place, array, grid)
    return _walk(place, array, grid)


def spread(total: int, most: int) -> list[int]:
    """At most `most` of the numbers below `total`, evenly spread: the middle of each part."""
    count = min(total, most)
    return [(2 * k + 1) * total // (2 * count) for k in range(count)]


def chunk_key(array: LevelReport, index: Index) -> str:
    """The name of a chunk below its array: `0/1/2`, `0.1.2`, `c/0/1/2`."""
    return (array.separator or ".").join([*_prefix(array), *map(str, index)]) or "0"


def _prefix(array: LevelReport) -> list[str]:
    return [array.key_prefix] if array.key_prefix else []


def _ask(place: Remote, array: LevelReport, grid: Index) -> Stored:
    total = math.prod(grid)
    wanted = [_unravel(n, grid) for n in spread(total, MOST_ASKED)]
    keys = [(place / chunk_key(array, index)).key for index in wanted]
    heads = list(place.source.each(keys, place.source.head))
    found = tuple(index for index, head in zip(wanted, heads, strict=True) if head is not None)
    size = sum(head.bytes for head in heads if head is not None)
    return Stored(ChunkCount(total, len(wanted), len(found), size), found)


@dataclass
class _Tally:
    files: int = 0
    bytes: int = 0
    found: list[Index] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)


def _walk(place: Path, array: LevelReport, grid: Index) -> Stored:
    tally = _Tally()
    cut = False
    for file in _files(place, len(grid) + 1):
        tally.files += 1
        if tally.files > MOST_FILES:
            cut = True
            break
        name = file.path[len(str(place)) + 1 :]
        index = _index_of(name, array, grid)
        if index is not None:
            tally.found.append(index)
            tally.bytes += file.stat(follow_symlinks=True).st_size
        elif name not in METADATA_FILES and len(tally.strange) < MOST_STRANGE:
            tally.strange.append(name)
    total = math.prod(grid)
    count = ChunkCount(total, total, len(tally.found), tally.bytes, cut, tuple(tally.strange))
    return Stored(count, tuple(sorted(tally.found)))


def _files(folder: Path, depth: int) -> Iterator[os.DirEntry[str]]:
    """All files below a folder, as deep as chunks can lie."""
    waiting = [(str(folder), 0)]
    while waiting:
        here, level = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if not entry.is_dir():
                    yield entry
                elif level < depth:
                    waiting.append((entry.path, level + 1))


def _index_of(name: str, array: LevelReport, grid: Index) -> Index | None:
    """The index of the chunk that a file's name gives; None for a file that is no chunk of this array."""
    parts = name.replace(os.sep, "/").split(array.separator or ".")
    before = _prefix(array)
    if parts[: len(before)] != before:
        return None
    parts = parts[len(before) :]
    if len(parts) != len(grid) or not all(p.isascii() and p.isdigit() and len(p) < 16 for p in parts):
        return None
    index = tuple(map(int, parts))
    return index if all(i < n for i, n in zip(index, grid, strict=True)) else None


def _unravel(number: int, grid: Sequence[int]) -> Index:
    index: list[int] = []
    for n in reversed(grid):
        number, rest = divmod(number, n)
        index.append(rest)
    return tuple(reversed(index))
