"""No change to the metadata of a volume makes `inspect_image` raise, or look at it for long."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from organelle.classes import Kind
from organelle.geometry import Grid
from organelle.volumes import write_multiscale
from organelle.volumes.inspect import inspect_image
from organelle.volumes.inspect_display import inspection_record, inspection_text

GRID = Grid((8, 8, 8), (0, 0, 0), (20, 24, 28))
ARRAY = np.ones(GRID.shape, np.uint8)
VALUES = [
    None, True, 0, -1, -5, 1, 1.5, 2**70, 10**400, 1e308, float("nan"), float("inf"), "", "x", "../..",
    "/etc", "\0", "s0", "nanometer", "<u1", "|O", [["a", "<u1"]], [], {}, [[]], [1, 2, 3], ["z", "y", "x"],
    {"a": 1},
]  # fmt: skip

Spot = tuple[str | int, ...]


def spots(record: Any, path: Spot = ()) -> Iterator[Spot]:
    yield path
    keys = record if isinstance(record, dict) else range(len(record)) if isinstance(record, list) else ()
    for key in keys:
        yield from spots(record[key], (*path, key))


def changed(record: Any, path: Spot, value: Any, *, remove: bool) -> Any:
    if not path:
        return value
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    if remove:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return record


def drawn(folder: Path) -> list[Path]:
    """Two images; the files of their metadata."""
    write_multiscale(folder / "v2", ARRAY, GRID, kind=Kind.IMAGE, levels=2, chunks=(8, 8, 8))
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [8, 8, 8]}]}
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
    group = zarr.create_group(folder / "v3", zarr_format=3, attributes={"ome": ome})
    group.create_array("0", data=ARRAY, chunks=(4, 4, 4), shards=(8, 8, 8))
    names = ["v2/.zattrs", "v2/.zgroup", "v2/s0/.zarray", "v2/s0/.zattrs", "v3/zarr.json", "v3/0/zarr.json"]
    return [folder / name for name in names]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_changes_of_metadata(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    files = drawn(tmp_path)
    sound = {file: file.read_text() if file.exists() else "{}" for file in files}
    for _ in range(1000):
        file = rng.choice(files)
        record = json.loads(sound[file])
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            value = json.loads(json.dumps(rng.choice(VALUES)))
            record = changed(record, rng.choice(list(spots(record))), value, remove=rng.random() < 0.15)
        file.write_text(json.dumps(record))
        started = time.process_time()
        for place in {tmp_path / file.relative_to(tmp_path).parts[0], file.parent}:
            found = inspect_image(place, sampled_chunks=0)
            json.dumps(inspection_record(found), allow_nan=False)
            assert inspection_text(found)
            assert not [p for p in found.problems if "cannot be made sense of" in p.what], record
        assert time.process_time() - started < 2, record
        file.write_text(sound[file])
