"""Pictures of a fault: EM, truth and prediction in the three slices through its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from organelle.classes import Kind
from organelle.evaluate.explain import read_prediction, read_truth
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.slices import Plane, em_slice
from organelle.evaluate.truth import Truth
from organelle.geometry import Box, Grid
from organelle.metrics import Fault, connected_components, matched_labels, wrong_pieces
from organelle.scenes import Overlay, png_bytes, slice_picture
from organelle.submission import Submission
from organelle.volumes import Multiscale

Array = np.ndarray[Any, np.dtype[Any]]
Planes = tuple[Plane, Plane, Plane]

CONTEXT = 1.6
"""The window is so much wider than the fault."""

NARROWEST, WIDEST = 64, 320
"""Edge of the window in the finest voxels; of a larger fault the surroundings of its place are shown."""

PIXELS = 200
"""Of a picture's width; smaller windows are enlarged, larger ones shrunk."""

OTHERS = (150, 150, 150)
"""Objects that do not take part in the fault are grey."""

WRONG = (255, 72, 40)
"""The wrong voxels of a semantic class."""


def draw_faults(
    planned: PlannedRow,
    faults: Sequence[Fault],
    truth: Truth,
    submission: Submission,
    em: Multiscale | None,
) -> tuple[Planes, ...]:
    """The z, y and x slice through the place of each fault of one row, as PNG files.

    Objects that take part are coloured, a found one alike in truth and prediction; the others are grey. In
    a semantic class the voxels of the fault are red. Ticks at the edges point to the place.

    Args:
        planned: The row.
        faults: Some of those that `explain_row` found in it.
        truth: As it was evaluated.
        submission: As it was evaluated.
        em: Of the crop's dataset; None: grey.

    Raises:
        SubmissionError, ScoringError: the row cannot be read any more.
    """
    assert planned.grid is not None
    sides = read_prediction(planned, truth, submission), read_truth(planned, truth)
    layers = (_objects if planned.kind is Kind.INSTANCE else _voxels)(*sides)
    return tuple(_planes(planned.class_name, planned.grid, fault, layers, em) for fault in faults)


def window_of(fault: Fault, grid: Grid) -> Box:
    """A cube, as far as the crop reaches, around the place of a fault with some of what surrounds it."""
    finest = min(grid.voxel_size_nm)
    longest = max(n * v for n, v in zip(fault.box.shape, grid.voxel_size_nm, strict=True))
    edge = min(max(CONTEXT * longest, NARROWEST * finest), WIDEST * finest)
    start, stop = [], []
    whole = longest * CONTEXT <= edge  # then the middle of the box, not of the place
    for axis, size in enumerate(grid.voxel_size_nm):
        n = min(max(1, round(edge / size)), grid.shape[axis])
        middle = fault.box.start[axis] + fault.box.shape[axis] // 2 if whole else fault.voxel[axis]
        first = min(max(middle - n // 2, 0), grid.shape[axis] - n)
        start.append(first)
        stop.append(first + n)
    return Box.between(start, stop)


class _Layers:
    """What is painted on one side, per fault: labels of what takes part, and of everything else."""

    def __init__(self, shown: tuple[Array, Array], numbers: tuple[Array, Array], kind: Kind) -> None:
        self._shown, self._numbers, self._kind = shown, numbers, kind

    def overlays(self, side: int, class_name: str, fault: Fault, place: Any) -> tuple[Overlay, Overlay]:
        """Of truth (0) or prediction (1) in one slice."""
        shown, numbers = self._shown[side][place], self._numbers[side][place]
        wanted = fault.components if side or self._kind is Kind.SEMANTIC else fault.truth
        own = np.isin(numbers, wanted)
        if self._kind is Kind.SEMANTIC:
            there = Overlay(class_name, np.where(shown > 0, 1, 0))
            return there, Overlay(class_name, (own & (shown > 0)).astype(np.uint8), WRONG)
        others = Overlay(class_name, np.where(own, 0, shown), OTHERS)
        return others, Overlay(class_name, np.where(own, shown, 0))


def _objects(prediction: Array, truth: Array) -> _Layers:
    components, _ = connected_components(prediction)
    return _Layers((truth, matched_labels(prediction, truth)), (truth, components), Kind.INSTANCE)


def _voxels(prediction: Array, truth: Array) -> _Layers:
    pieces, _ = wrong_pieces(prediction, truth)
    return _Layers((truth, prediction), (pieces, pieces), Kind.SEMANTIC)


def _planes(class_name: str, grid: Grid, fault: Fault, layers: _Layers, em: Multiscale | None) -> Planes:
    window = window_of(fault, grid)
    z, y, x = (_plane(class_name, grid, window, axis, fault, layers, em) for axis in range(3))
    return z, y, x


def _plane(
    class_name: str,
    grid: Grid,
    window: Box,
    axis: int,
    fault: Fault,
    layers: _Layers,
    em: Multiscale | None,
) -> Plane:
    place: list[Any] = list(window.slices())
    place[axis] = fault.voxel[axis]
    across = [a for a in range(3) if a != axis]
    sizes = [grid.voxel_size_nm[a] for a in across]
    grey = em_slice(em, grid.subgrid(window), axis, fault.voxel[axis] - window.start[axis])
    height, width = (n * v for n, v in zip(grey.shape, sizes, strict=True))
    at = [(fault.voxel[a] - window.start[a] + 0.5) / window.shape[a] for a in across]
    pictures = [slice_picture(grey, voxel_size_nm=sizes, width=PIXELS, scale_bar=True)]
    for side in (0, 1):
        overlays = layers.overlays(side, class_name, fault, tuple(place))
        pictures.append(slice_picture(grey, *overlays, voxel_size_nm=sizes, width=PIXELS))
    for picture in pictures:
        _mark(picture, at)
    plain, there, found = pictures
    return Plane(
        "zyx"[axis],
        fault.voxel[axis],
        grid.shape[axis],
        (height, width),
        png_bytes(np.ascontiguousarray(plain[..., 0])),
        png_bytes(there),
        png_bytes(found),
    )


def _mark(picture: Array, at: Sequence[float]) -> None:
    """White ticks with a dark rim at the four edges, in line with the place (y, x as parts of the whole)."""
    for axis in (0, 1):
        lines = picture if axis == 0 else picture.swapaxes(0, 1)
        middle = min(int(at[axis] * len(lines)), len(lines) - 1)
        for value, half in ((0, 2), (255, 1)):
            rows = slice(max(middle - half, 0), middle + half + 1 - (half == 1))
            lines[rows, :9] = lines[rows, -9:] = value
