"""A challenge of two test crops that differ, so that figures of one crop are no figures of the board."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import zarr

from organelle.catalog import load_catalog, write_tables

TRUTH = "hidden-truth.zarr"
FIRST, SECOND = 21, 22


def make_two_crops(challenge: Path, folder: Path, *, marked: int = 0, turned: int = 0) -> Path:
    """Make it in `folder` of the tiny challenge: a second crop, which is the first one turned round.

    Args:
        challenge: the tiny one.
        folder: tables and truth of the new one.
        marked: is added to the numbers of the vesicles of the second crop.
        turned: the axis along which it is turned round.
    """
    truth = folder / TRUTH
    shutil.copytree(challenge / "truth.zarr", truth)
    catalog = load_catalog(challenge)
    crop = catalog.test_crops[FIRST]
    write_tables(replace(catalog, test_crops={FIRST: crop, SECOND: replace(crop, id=SECOND)}), folder)
    source = zarr.open_group(truth / f"crop{FIRST}", mode="r")
    for name, array in source.arrays():
        values = array[...]
        values = values[tuple(slice(None, None, -1 if axis == turned else 1) for axis in range(3))]
        if name == "ves":
            values = (values.astype("uint32") + marked) * (values > 0)
        target = zarr.create_array(
            truth / f"crop{SECOND}" / name,
            shape=values.shape,
            dtype=values.dtype,
            zarr_format=2,
            attributes=dict(array.attrs),
        )
        target[...] = values
    return folder
