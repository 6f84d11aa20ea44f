"""What is strange about one stored array: its type, chunks, fill value and voxels."""

from __future__ import annotations

import math

import numpy as np

from organelle.volumes.inspect_metadata import Findings
from organelle.volumes.inspect_records import LevelReport

LARGE_CHUNK = 64 * 2**20
SMALL_CHUNK = 16 * 2**10
MANY_CHUNKS = 10_000


def check_array(array: LevelReport, where: str, found: Findings) -> None:
    """Problems of an array that is stored, by its metadata."""
    if array.shape is not None and len(array.shape) != 3:
        found.error(
            "not-3d",
            where,
            f"it has {len(array.shape)} axes; stages read z, y, x only",
            "write one channel and one time point as a 3D volume",
        )
    if array.shape is not None and 0 in array.shape:
        found.error("empty-shape", where, f"its shape {array.shape} holds no voxel", "write it again")
    if array.dtype is None or np.dtype(array.dtype).kind not in "biuf":
        found.error(
            "dtype",
            where,
            f"it holds {array.dtype or 'a type that numpy does not know'}; stages read "
            "whole numbers, floats and bool",
            "convert it",
        )
    _check_fill(array, where, found)
    _check_chunk_size(array, where, found)


def check_count(array: LevelReport, where: str, found: Findings) -> None:
    """Problems with what is stored of it."""
    count = array.count
    if count is None:
        return
    if count.strange:
        found.warning(
            "strange-files",
            where,
            f"it holds files that are no chunks of it: {', '.join(count.strange)}",
            "leftovers of a copy that was cut off? remove them",
        )
    if count.stored == 0 and count.total:
        asked = "" if count.is_exact else f" of the {count.asked} that were asked for"
        found.warning(
            "nothing-stored",
            where,
            f"not one chunk{asked} is stored: every voxel reads as {_fill_of(array)}",
            "right for labels of a class that is absent; fetch or write an image",
        )
    elif count.stored < count.asked and not count.cut:
        found.note(
            "chunks-absent",
            where,
            f"chunks stored: {count}; the others read as {_fill_of(array)}: "
            "absent in labels, not imaged in EM",
            "fetch what you need of them",
        )
    if array.shards is not None:
        found.note(
            "sharded",
            where,
            f"files hold {array.shards} voxels in chunks of {array.chunks}",
            "all stages read it",
        )


def check_sample(array: LevelReport, where: str, found: Findings) -> None:
    """Problems with the values that were read."""
    sample = array.sample
    if sample is None:
        return
    if sample.nans:
        found.warning(
            "not-finite",
            where,
            f"{sample.nans:.1%} of the voxels read are NaN or infinite",
            "replace them: a network's answer near them is NaN",
        )
    if sample.low == sample.high and sample.low is not None:
        what = "0" if sample.low == 0 else f"{sample.low:g}, one and the same value"
        found.warning(
            "constant",
            where,
            f"every voxel read is {what}",
            "right for labels of an absent class; an image should be checked",
        )


def _check_fill(array: LevelReport, where: str, found: Findings) -> None:
    if array.fill_value not in (None, 0, False):
        found.warning(
            "fill-value",
            where,
            f"chunks that are not stored read as {array.fill_value!r}, not 0",
            "stages take absent chunks for not imaged; other programs see this value",
        )


def _check_chunk_size(array: LevelReport, where: str, found: Findings) -> None:
    if not array.chunks or not array.shape or 0 in array.shape or not array.voxel_bytes:
        return
    size = math.prod(array.chunks) * array.voxel_bytes
    number = math.prod(-(-n // c) for n, c in zip(array.shape, array.chunks, strict=True))
    if size > LARGE_CHUNK:
        found.warning(
            "large-chunks",
            where,
            f"a chunk of {array.chunks} voxels has {size / 2**20:.0f} MiB",
            "stages read whole chunks: write it again with chunks of 64 x 64 x 64",
        )
    elif size < SMALL_CHUNK and number > MANY_CHUNKS and array.shards is None:
        found.warning(
            "small-chunks",
            where,
            f"it consists of {number:,} chunks of {size:,} bytes",
            "reading many small files is slow: write it again with chunks of 64 x 64 x 64",
        )


def _fill_of(array: LevelReport) -> object:
    return array.fill_value if array.fill_value is not None else 0
