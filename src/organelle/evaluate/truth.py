"""The ground truth of the test crops: a zarr-2 group `crop{N}/{class}` of plain arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import numpy as np

from organelle.errors import (
    ChunkError,
    FileMissing,
    FormatError,
    GridMismatch,
    ScoringError,
    require_folder,
)
from organelle.geometry import Grid, Nm

if TYPE_CHECKING:
    from organelle.volumes import Volume

Array = np.ndarray[Any, np.dtype[Any]]

MASK = "_mask"
"""`{class}_mask` beside a class tells where it is scored; a mask is no class."""

_CROP = re.compile(r"crop(0|[1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Truth:
    """Which crops and classes a truth store holds; `classes[951] == ("cell", "pm")`."""

    path: Path
    classes: Mapping[int, tuple[str, ...]]

    def read(self, crop_id: int, class_name: str, grid: Grid) -> TruthArray:
        """The labels of one class, which must have the shape of `grid`, and their mask.

        Raises:
            ScoringError: labels or mask of another shape, labels that are negative, NaN or fractions, a mask
                that is not 0 and 1, a chunk that cannot be decoded, or something in the place of an array.
        """
        folder = self.path / f"crop{crop_id}"
        volume = _open(folder / class_name, grid)
        mask_path = folder / f"{class_name}{MASK}"
        mask = _read_mask(mask_path, grid) if mask_path.exists() else None
        labels = _read(volume)
        _refuse_odd_labels(labels)
        return TruthArray(labels, mask, _voxel_size(volume) or grid.voxel_size_nm)


@dataclass(frozen=True, slots=True, eq=False)
class TruthArray:
    """Labels (z, y, x), where they count (bool, None: everywhere), and the voxel size that they claim."""

    labels: Array
    mask: Array | None
    voxel_size_nm: Nm


def open_truth(path: Path | str) -> Truth:
    """List the crops and classes of the truth store at `path`; no voxel is read.

    Raises:
        FileMissing: nothing there.
        ScoringError: a file, or a folder without a single crop.
    """
    if Path(path).is_file():
        raise ScoringError(_no_folder(Path(path)))
    root = require_folder(path, "ground truth")
    numbers = sorted(
        int(match[1]) for p in root.iterdir() if p.is_dir() and (match := _CROP.fullmatch(p.name))
    )
    classes = {number: _classes(root / f"crop{number}") for number in numbers}
    if not any(classes.values()):
        raise ScoringError(f"{root} holds no ground truth: no folder crop{{N}}/{{class}}{_elsewhere(root)}")
    return Truth(root, classes)


def _classes(crop: Path) -> tuple[str, ...]:
    return tuple(
        sorted(
            p.name
            for p in crop.iterdir()
            if p.is_dir() and not p.name.endswith(MASK) and not p.name.startswith(".")
        )
    )


def _no_folder(path: Path) -> str:
    if is_zipfile(path):
        return (
            f"the ground truth {path} is a zip, but it is read from a folder: unpack it first. "
            "If this is the submission, the two paths were exchanged"
        )
    return f"the ground truth {path} is a file; expected the folder of a zarr-2 group crop{{N}}/{{class}}"


def _elsewhere(root: Path) -> str:
    """What lies there instead, and whether crops stand one folder further up or down."""
    if _CROP.fullmatch(root.resolve().name):
        return "; it is a single crop: name the folder that it lies in"
    if (root / ".zarray").is_file():
        return "; it is a single zarr array"
    folders = [p for p in sorted(root.iterdir()) if p.is_dir()]
    inside = [p.name for p in folders if any(_CROP.fullmatch(c.name) for c in p.iterdir())]
    return f"; crops stand in its folder {' and '.join(inside)}" if inside else f"; it holds {_listing(root)}"


def _listing(root: Path) -> str:
    names = sorted(p.name for p in root.iterdir())
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "") if names else "nothing"


def _open(path: Path, grid: Grid) -> Volume:
    from organelle.volumes import open_volume

    try:
        return open_volume(path, grid)
    except (FileMissing, FormatError, GridMismatch) as error:
        raise ScoringError(f"the truth cannot be used: {error}") from error


def _read(volume: Volume) -> Array:
    try:
        return volume.read()
    except ChunkError as error:
        what = str(error).rpartition("; ")[0]  # a chunk of the truth must not be deleted to get rid of this
        raise ScoringError(f"the truth cannot be used: {what}; copy or write it again") from error


def _refuse_odd_labels(labels: Array) -> None:
    """Labels that the metric would silently take for background, or for objects that nobody drew."""
    if labels.dtype.kind in "if" and labels.size and (least := labels.min()) < 0:
        raise ScoringError(f"the truth holds the negative id {least:g}; ids start at 1, background is 0")
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.floor(labels)):
        raise ScoringError(
            f"the truth is {labels.dtype} and holds fractions or NaN, but labels are whole numbers; "
            "store an unsigned integer"
        )


def _read_mask(path: Path, grid: Grid) -> Array:
    mask = _read(_open(path, grid))
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ScoringError(f"{path} holds other values than 0 and 1; a mask is 1 where the class is scored")
    return mask.astype(bool)


def _voxel_size(volume: Volume) -> Nm | None:
    """The voxel size in the array's own attributes, if they hold three numbers."""
    size = volume.attributes.get("voxel_size")
    if isinstance(size, list) and len(size) == 3 and all(isinstance(n, int | float) for n in size):
        return float(size[0]), float(size[1]), float(size[2])
    return None
