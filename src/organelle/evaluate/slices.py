"""Pictures of a row: EM, truth and prediction in the three slices that show most of the truth."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from organelle.catalog import em_path
from organelle.classes import Kind
from organelle.errors import FileMissing, FormatError
from organelle.evaluate.records import STOPPED, UNREADABLE
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.truth import Truth
from organelle.geometry import Box, Grid
from organelle.metrics import matched_labels
from organelle.scenes import Overlay, busiest_slice, png_bytes, slice_picture
from organelle.stores import Place
from organelle.submission import Submission, align
from organelle.volumes import Multiscale, open_multiscale, resample

Array = np.ndarray[Any, np.dtype[Any]]

WIDEST = 400
"""Pixels; smaller slices are drawn voxel by voxel, so that a page of many crops stays small."""

GREY = 96
"""What EM that is not here is drawn as."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice through a crop, as PNG files.

    Attributes:
        axis: The axis that the slice stands on, `z`, `y` or `x`.
        index: Which slice, in voxels of the crop.
        count: How many slices there are along the axis.
        shape_nm: Height and width of the slice.
    """

    axis: str
    index: int
    count: int
    shape_nm: tuple[float, float]
    em: bytes
    truth: bytes
    prediction: bytes

    @property
    def record(self) -> dict[str, Any]:
        """As JSON values."""
        pictures = {name: b64encode(getattr(self, name)).decode() for name in ("em", "truth", "prediction")}
        return asdict(self) | pictures

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Plane:
        """The inverse of `record`, also after a way through JSON."""
        pictures = {name: b64decode(record[name]) for name in ("em", "truth", "prediction")}
        return cls(**dict(record) | pictures | {"shape_nm": tuple(record["shape_nm"])})


def open_em(data: Place | str | None, dataset: str) -> Multiscale | None:
    """The EM of a dataset, None when it is not below `data`."""
    if data is None:
        return None
    try:
        return open_multiscale(em_path(data, dataset))
    except FileMissing:
        return None


def draw_planes(
    planned: PlannedRow, status: str, truth: Truth, submission: Submission, em: Multiscale | None
) -> tuple[Plane, Plane, Plane]:
    """The z, y and x slice of a row with most truth in it (without truth: most prediction).

    An object that was found has the same colour in truth and prediction.

    Args:
        planned: The row, on its grid.
        status: Of the row when it was scored: what could not be read is drawn as nothing.
        truth: As it was evaluated.
        submission: As it was evaluated.
        em: Of the crop's dataset; None: grey.
    """
    grid = planned.grid
    assert grid is not None
    labels = truth.read(planned.crop_id, planned.class_name, grid).labels
    prediction = _prediction(planned, status, grid, submission)
    if planned.kind is Kind.INSTANCE:
        prediction = matched_labels(prediction, labels)
    shown = labels if labels.any() else prediction > 0
    z, y, x = (
        _draw(planned.class_name, axis, busiest_slice(shown, axis), grid, labels, prediction, em)
        for axis in range(3)
    )
    return z, y, x


def _prediction(planned: PlannedRow, status: str, grid: Grid, submission: Submission) -> Array:
    """What was scored; nothing where nothing was handed in or it cannot be read."""
    absent = status in ("missing", UNREADABLE, STOPPED)
    submitted = None if absent else submission.array(planned.crop_id, planned.class_name)
    return np.zeros(grid.shape, np.uint8) if submitted is None else align(submitted, grid, planned.kind)


def _draw(
    class_name: str, axis: int, index: int, grid: Grid, truth: Array, prediction: Array, em: Multiscale | None
) -> Plane:
    grey = em_slice(em, grid, axis, index)
    sizes = [v for a, v in enumerate(grid.voxel_size_nm) if a != axis]
    height, width = (n * v for n, v in zip(grey.shape, sizes, strict=True))
    pixels = min(WIDEST, round(width / min(sizes)))
    layers = (labels.take(index, axis) for labels in (truth, prediction))
    overlays = (Overlay(class_name, np.where(layer > 0, layer, 0)) for layer in layers)
    plain = slice_picture(grey, voxel_size_nm=sizes, width=pixels)
    with_truth, with_prediction = (
        slice_picture(grey, overlay, voxel_size_nm=sizes, width=pixels) for overlay in overlays
    )
    return Plane(
        "zyx"[axis],
        index,
        grid.shape[axis],
        (height, width),
        png_bytes(np.ascontiguousarray(plain[..., 0])),
        png_bytes(with_truth),
        png_bytes(with_prediction),
    )


def em_slice(em: Multiscale | None, grid: Grid, axis: int, index: int) -> Array:
    """EM on the grid in one of its slices (2D); `GREY` where there is none."""
    start, shape = [0, 0, 0], list(grid.shape)
    start[axis], shape[axis] = index, 1
    target = grid.subgrid(Box((start[0], start[1], start[2]), (shape[0], shape[1], shape[2])))
    values: Array = np.full(target.shape, GREY, np.uint8) if em is None else _read_em(em, target)
    return np.asarray(np.take(values, 0, axis))


def _read_em(em: Multiscale, target: Grid) -> Array:
    level = em.level(target.voxel_size_nm) or em.nearest_level(target.voxel_size_nm)
    reach = [v + s for v, s in zip(target.voxel_size_nm, level.grid.voxel_size_nm, strict=True)]
    box = level.grid.box_of(target.extent.grow(reach), snap="outer").intersect(level.grid.box)
    try:
        values = level.read(box)
    except FormatError:
        return np.full(target.shape, GREY, np.uint8)
    values[~level.present(box)] = GREY
    return resample(values, level.grid.subgrid(box), target, Kind.IMAGE, fill=GREY)
