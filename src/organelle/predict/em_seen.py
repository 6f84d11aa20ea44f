"""Which EM a prediction was made of, so that it is noticed when other EM stands there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from organelle.geometry import Box
from organelle.volumes import Volume

MOST_READ = 2**30
"""Stored bytes up to which a region's EM is told by its content; beyond, by the sizes of its chunks."""

MOST_LISTED = 2**36
"""Voxels up to which a region's chunks are looked at."""

EMSeen = Mapping[str, str]
"""Hashes by what they are of: `metadata`, and `content` or `sizes` of the stored chunks."""


def em_seen(level: Volume, box: Box) -> EMSeen:
    """What tells the EM in `box` of a level from other EM; dates have no part in it.

    - Here, up to `MOST_READ` stored bytes: what the chunk (or shard) files of the box hold.
    - Here, up to `MOST_LISTED` voxels: which chunk files there are, and their sizes. Compressed EM of equal
      sizes throughout is the same; EM stored without compression cannot be told by this.
    - Else, and on a server: place and size of the voxels, and how they are stored, alone.
    """
    seen = {"metadata": _hash(json.dumps(_metadata(level), sort_keys=True, default=str).encode())}
    inside = box.intersect(level.grid.box)
    if not isinstance(level.path, Path) or inside.size > MOST_LISTED:
        return seen
    files = [file for file in level.files(inside) if isinstance(file, Path)]
    sizes = [file.stat().st_size if file.is_file() else -1 for file in files]
    if sum(sizes) > MOST_READ:
        return seen | {"sizes": _hash(json.dumps(sizes).encode())}
    return seen | {"content": _content(files, sizes)}


def is_other_em(seen: EMSeen, before: EMSeen) -> bool:
    """Whether two that say the same kind of thing say different things; what only one says does not count."""
    return any(seen[kind] != before[kind] for kind in seen.keys() & before.keys())


def _metadata(level: Volume) -> dict[str, object]:
    grid = level.grid
    return {
        "voxel_size_nm": grid.voxel_size_nm,
        "origin_nm": grid.origin_nm,
        "shape": grid.shape,
        "chunks": level.chunks,
        "dtype": level.dtype.str,
    }


def _content(files: Sequence[Path], sizes: Sequence[int]) -> str:
    digest = hashlib.sha256()
    for file, size in zip(files, sizes, strict=True):
        digest.update(b"%d\0" % size)
        if size > 0:
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()[:32]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
