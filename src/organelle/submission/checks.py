"""What can be wrong with one array: where it lies, what else lies beside it, and its values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from organelle.classes import Kind
from organelle.errors import ChunkError
from organelle.geometry import TOLERANCE_VOXELS, Grid, Voxels
from organelle.submission.alignment import (
    MOST_APART,
    MOST_OVERSAMPLED,
    covered_box,
    excess_shape,
    is_far_apart,
    scored_shift,
)
from organelle.submission.pieces import fills_its_dtype
from organelle.submission.problems import Problem
from organelle.submission.stored import StoredArray

SHOWN_NAMES = 5
_ON_THE_GRID = "Write it on the crop's own grid: csc pack-results does."


def check_grid(array: StoredArray, target: Grid) -> Iterator[Problem]:
    """Whether voxel size, shape and offset meet the crop, as the scorer will lay them on it."""
    if is_far_apart(array.voxel_size_nm, target):
        found, expected = f"voxels of {array.voxel_size_nm} nm", f"{target.voxel_size_nm} nm"
        remedy = f"They are not read if more than {MOST_APART} times finer or coarser. {_ON_THE_GRID}"
        yield Problem("voxel-size-apart", array.place, found, expected, remedy)
        return
    if (shape := excess_shape(array.shape, array.voxel_size_nm, target)) is not None:
        found, expected = f"{math.prod(shape):,} voxels", f"at most {MOST_OVERSAMPLED} a crop voxel"
        yield Problem("too-large", array.place, found, expected, _ON_THE_GRID)
    if array.voxel_size_nm is None:
        yield _no_voxel_size(array, target)
        return
    if not np.allclose(array.voxel_size_nm, target.voxel_size_nm):
        remedy = f"It is rescaled, which may move it by up to a voxel. {_ON_THE_GRID}"
        found, expected = f"{array.voxel_size_nm} nm", f"{target.voxel_size_nm} nm"
        yield Problem("other-voxel-size", array.place, found, expected, remedy, "warning")
    else:
        yield from _check_offset(array, target)
    if array.translation_nm is None:
        remedy = f"It is taken to start at the crop's first voxel; write the attribute. {_ON_THE_GRID}"
        yield Problem("no-offset", array.place, "no offset", f"{target.origin_nm} nm", remedy, "warning")
    yield from _check_cover(array, target)


def check_members(array: StoredArray) -> Iterator[Problem]:
    """Files in the array's folder that are no chunk of it; with separator `/` only the first level."""
    folder = f"{array.place}/" if array.place else ""
    folders, files = array.tree.children(folder)
    chunks, others = (files, folders) if array.spec.separator == "." else (folders, files)
    known, numbers = {".zarray", ".zattrs"}, _chunk_numbers(array)
    strays = [n for n in chunks if n not in known and not _is_chunk(n, numbers)]
    strays += [n for n in others if n not in known]
    if strays:
        found = ", ".join(map(repr, strays[:SHOWN_NAMES])) + (", ..." if len(strays) > SHOWN_NAMES else "")
        expected = f"chunks 0 to {array.spec.key(_last(array.spec.chunk_grid))} ({len(strays)} are not)"
        yield Problem("stray-chunk", array.place, found, expected, "They are ignored.", "warning")


def check_dtype(array: StoredArray, kind: Kind) -> Iterator[Problem]:
    """Whether the type of the voxels is one of labels."""
    if array.dtype.kind == "f":
        expected = "0 and 1" if kind is Kind.SEMANTIC else "whole-number ids"
        remedy = "Threshold (csc process): every value above 0 counts as inside."
        yield Problem("float-labels", array.place, str(array.dtype), expected, remedy)


def check_stored(array: StoredArray, kind: Kind) -> Iterator[Problem]:
    """Every stored voxel: chunk by chunk, one read of the array."""
    seen = _look(array)
    yield from _damaged(array, seen)
    yield from _odd_values(array, kind, seen)


def _check_offset(array: StoredArray, target: Grid) -> Iterator[Problem]:
    """Offsets at the crop's voxel size that lie between its voxels, or that the scorer rounds away."""
    if array.translation_nm is None:
        return
    index = target.to_index(array.translation_nm)
    nearest = tuple(round(i) for i in index)
    shift = scored_shift(array.translation_nm, target)
    found = (
        f"an offset of {array.translation_nm} nm, {tuple(round(i, 3) for i in index)} voxels from the crop"
    )
    if any(abs(i - n) > TOLERANCE_VOXELS for i, n in zip(index, nearest, strict=True)):
        code, expected = "off-lattice", "a whole number of voxels"
    elif nearest != shift:
        code, expected = "offset-rounded", f"what the scorer uses: {shift} voxels (it rounds down)"
    else:
        return
    yield Problem(code, array.place, found, expected, _ON_THE_GRID, "warning")


def _check_cover(array: StoredArray, target: Grid) -> Iterator[Problem]:
    covered = covered_box(array.shape, array.voxel_size_nm, array.translation_nm, target)
    if covered == target.box:
        return
    where = f"{array.shape} voxels of {array.voxel_size_nm} nm at {array.translation_nm} nm"
    expected = f"{target.shape} voxels of {target.voxel_size_nm} nm at {target.origin_nm} nm"
    if covered.is_empty:
        yield Problem("outside", array.place, f"{where}: nothing of the crop", expected, _ON_THE_GRID)
    else:
        share = 100 * covered.size / target.box.size
        remedy = f"The rest counts as 0. {_ON_THE_GRID}"
        yield Problem("partial-cover", array.place, f"{where}: {share:.1f} % of the crop", expected, remedy)


def _no_voxel_size(array: StoredArray, target: Grid) -> Problem:
    fits = array.shape == target.shape
    return Problem(
        code="no-voxel-size",
        place=array.place,
        found=f"no voxel size; shape {array.shape}",
        expected=f"voxel_size {target.voxel_size_nm} nm; shape {target.shape}",
        remedy="Write the attributes voxel_size, translation and shape (z y x, nm)."
        + ("" if fits else " It is cropped or padded around the centre."),
        severity="warning" if fits else "error",
    )


@dataclass
class _Seen:
    """What one pass over an array's chunks met; 0 counts as seen."""

    low: float = 0
    high: float = 0
    not_finite: int = 0
    damaged: list[str] = field(default_factory=list)


def _look(array: StoredArray) -> _Seen:
    seen = _Seen()
    for tile in array.tiles():
        try:
            stored = array.chunk(tile)
        except ChunkError as error:
            seen.damaged.append(str(error))
            continue
        voxels = np.asarray(array.spec.fill) if stored is None else stored
        if voxels.dtype.kind == "f":
            finite = voxels[np.isfinite(voxels)]
            seen.not_finite += voxels.size - finite.size
            voxels = finite
        if voxels.size:
            seen.low, seen.high = min(seen.low, voxels.min()), max(seen.high, voxels.max())
    return seen


def _damaged(array: StoredArray, seen: _Seen) -> Iterator[Problem]:
    if seen.damaged:
        found = f"{seen.damaged[0]} ({len(seen.damaged)} chunks)"
        yield Problem("unreadable-chunk", array.place, found, "chunks that decode", "Copy or pack it again.")


def _odd_values(array: StoredArray, kind: Kind, seen: _Seen) -> Iterator[Problem]:
    if seen.not_finite:
        remedy = "Write 0 there: each NaN voxel of an instance class would count as an object."
        yield Problem("not-finite", array.place, f"{seen.not_finite} NaN or infinite", "numbers", remedy)
    if seen.low < 0:
        remedy = "Write the background as 0: other values of an instance class count as objects."
        yield Problem("negative-values", array.place, f"values down to {seen.low}", "0 and above", remedy)
    if kind is Kind.INSTANCE and fills_its_dtype(array.dtype, seen.high):
        remedy = "Larger ids are lost or merged: store ids in a wider type (csc pack-results chooses it)."
        found, expected = f"ids up to {seen.high} in {array.dtype}", f"ids below {seen.high}"
        yield Problem("ids-fill-dtype", array.place, found, expected, remedy, "warning")
    if kind is Kind.SEMANTIC and array.dtype.kind != "f" and seen.high > 1:
        remedy = "Everything above 0 counts as inside: threshold first if these are probabilities."
        yield Problem("not-binary", array.place, f"values up to {seen.high}", "0 and 1", remedy, "warning")


def _chunk_numbers(array: StoredArray) -> list[set[str]]:
    """Along each axis the numbers of chunks; of a folder per z (separator `/`) only those along z."""
    counts = array.spec.chunk_grid if array.spec.separator == "." else array.spec.chunk_grid[:1]
    return [set(map(str, range(count))) for count in counts]


def _is_chunk(name: str, numbers: list[set[str]]) -> bool:
    """Whether a file `2.0.1` (or with separator `/` a folder `2`) belongs to the array."""
    parts = name.split(".")
    return len(parts) == len(numbers) and all(map(set.__contains__, numbers, parts))


def _last(counts: Voxels) -> Voxels:
    z, y, x = (n - 1 for n in counts)
    return z, y, x
