"""Slices of EM with labels over them, in true proportions, as RGB arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from organelle.classes import Kind, kind_of
from organelle.errors import GridMismatch
from organelle.scenes.colours import Colour, colour_of, label_colours
from organelle.scenes.text import HEIGHT, WIDTH, write_text

Picture = npt.NDArray[np.uint8]
"""RGB, shape (y, x, 3)."""

GAP = 4
"""Pixels between two panels and around captions."""

SWATCH = 10
"""Side of the square of colour beside a name."""


@dataclass(frozen=True)
class Overlay:
    """Labels of one class in a slice (y, x), 0 = nothing: every object, or the class, in its colour.

    `colour` paints all objects alike; their outlines still tell them apart.
    """

    class_name: str
    labels: npt.NDArray[Any]
    colour: Colour | None = None

    def colours(self, shown: npt.NDArray[Any]) -> Picture:
        """RGB per pixel of `shown`: per object for an instance class, else the colour of the class."""
        if self.colour is None and kind_of(self.class_name) is Kind.INSTANCE:
            ids, index = np.unique(shown, return_inverse=True)
            return label_colours(ids)[index.reshape(shown.shape)]
        colour = self.colour or colour_of(self.class_name)
        return np.broadcast_to(np.array(colour, np.uint8), (*shown.shape, 3))


@dataclass(frozen=True)
class Mosaic(Overlay):
    """Several classes in one layer, each pixel in one colour: `labels` are rows of `palette` (n, 3)."""

    palette: Picture | None = None

    def colours(self, shown: npt.NDArray[Any]) -> Picture:
        """RGB per pixel of `shown`."""
        painted: Picture = np.zeros((1, 3), np.uint8) if self.palette is None else self.palette
        return np.take(painted, shown, axis=0)


def mosaic(layers: Mapping[str, npt.NDArray[Any]]) -> Mosaic:
    """Classes laid over each other, later ones on top, each in its colour and with every object outlined.

    Args:
        layers: class name to labels (y, x), 0 = nothing; all of one shape, at least one.
    """
    first = next(iter(layers.values()))
    labels = np.zeros(first.shape, np.int64)
    colours: list[Colour] = [(0, 0, 0)]
    for name, ids in layers.items():
        there = ids != 0
        objects, number = np.unique(ids[there], return_inverse=True)
        labels[there] = len(colours) + number
        colours += [colour_of(name)] * len(objects)
    return Mosaic("all", labels, palette=np.array(colours, np.uint8))


def slice_picture(
    em: npt.NDArray[Any],
    *overlays: Overlay,
    voxel_size_nm: Sequence[float] = (1.0, 1.0),
    width: int | None = None,
    opacity: float = 0.35,
    scale_bar: bool = False,
) -> Picture:
    """A slice of EM in grey, with each overlay as a translucent colour inside a crisp outline.

    Args:
        em: grey values (y, x); uint8 is shown as it is, other types are stretched from their smallest
            to their largest value.
        *overlays: labels on the same pixels, later ones on top.
        voxel_size_nm: y, x; pixels of the picture are square, so anisotropic slices are stretched.
        width: of the picture in pixels; default: the finer voxel size is one pixel.
        opacity: of the colour inside the outline, 0 to 1.
        scale_bar: draw one of a round length, with its length above it.

    Returns:
        uint8 (y, x, 3).
    """
    if em.ndim != 2 or not em.size:
        raise GridMismatch(f"a slice has two axes and at least one pixel, not the shape {em.shape}")
    pixel = _pixel_size(em.shape, voxel_size_nm, width)
    shape = [max(1, round(n * v / pixel)) for n, v in zip(em.shape, voxel_size_nm, strict=True)]
    grey = _stretch(_grey(em), shape)
    picture: npt.NDArray[np.float64] = np.repeat(grey[..., None], 3, axis=2)
    for overlay in overlays:
        if overlay.labels.shape != em.shape:
            raise GridMismatch(
                f"labels of {overlay.class_name} have the shape {overlay.labels.shape}, the EM {em.shape}"
            )
        picture = _paint(picture, overlay, _nearest(overlay.labels, shape), opacity)
    finished = np.rint(picture).astype(np.uint8)
    return _with_scale_bar(finished, pixel) if scale_bar else finished


def comparison(
    em: npt.NDArray[Any],
    class_name: str,
    truth: npt.NDArray[Any],
    prediction: npt.NDArray[Any],
    *,
    voxel_size_nm: Sequence[float] = (1.0, 1.0),
    width: int | None = None,
) -> Picture:
    """EM, truth and prediction of one class in one slice (all y, x), side by side with captions."""
    layers: list[list[Overlay]] = [[], [Overlay(class_name, truth)], [Overlay(class_name, prediction)]]
    panels = [
        slice_picture(em, *layer, voxel_size_nm=voxel_size_nm, width=width, scale_bar=not layer)
        for layer in layers
    ]
    return side_by_side(panels, ["EM", f"{class_name}: truth", f"{class_name}: prediction"])


def side_by_side(pictures: Sequence[Picture], captions: Sequence[str] = ()) -> Picture:
    """Pictures in one row on white, top-aligned, with a caption (black, one line) above each."""
    if not pictures:
        raise GridMismatch("there is no picture to put side by side")
    head = HEIGHT + GAP if any(captions) else 0
    height = head + max(len(p) for p in pictures)
    width = sum(p.shape[1] for p in pictures) + GAP * (len(pictures) - 1)
    sheet = np.full((height, width, 3), 255, np.uint8)
    left = 0
    for number, picture in enumerate(pictures):
        panel = sheet[:, left : left + picture.shape[1]]
        panel[head : head + len(picture)] = picture
        if number < len(captions):
            _stamp(panel, write_text(captions[number]), (GAP // 2, 0), 0)
        left += picture.shape[1] + GAP
    return sheet


def stacked(pictures: Sequence[Picture], gap: int = GAP) -> Picture:
    """Pictures below each other on white, left-aligned."""
    if not pictures:
        raise GridMismatch("there is no picture to stack")
    width = max(p.shape[1] for p in pictures)
    height = sum(len(p) for p in pictures) + gap * (len(pictures) - 1)
    sheet = np.full((height, width, 3), 255, np.uint8)
    top = 0
    for picture in pictures:
        sheet[top : top + len(picture), : picture.shape[1]] = picture
        top += len(picture) + gap
    return sheet


def text_line(text: str, width: int, *, scale: int = 1) -> Picture:
    """One line of black text on white, `width` pixels wide; what does not fit is cut off."""
    line = np.full((HEIGHT * scale, width, 3), 255, np.uint8)
    _stamp(line, write_text(text, scale=scale), (0, 0), 0)
    return line


def scale_line(pixel_nm: float, width: int, *, most_pixels: int) -> Picture:
    """A black bar of a round length, at most `most_pixels` long, with its length behind it, on white."""
    length, pixels = _round_length(most_pixels, pixel_nm)
    line = np.full((HEIGHT, width, 3), 255, np.uint8)
    line[HEIGHT // 2 - 1 : HEIGHT // 2 + 2, :pixels] = 0
    _stamp(line, write_text(_length_text(length)), (0, pixels + GAP), 0)
    return line


def legend(class_names: Sequence[str], width: int) -> Picture:
    """A swatch and the name of each class, in as many lines as `width` needs; at least one line high."""
    room = max((len(name) for name in class_names), default=1) * WIDTH + SWATCH + 3 * GAP
    across = max(1, width // room)
    rows = [class_names[i : i + across] for i in range(0, len(class_names), across)] or [[]]
    height = max(HEIGHT, SWATCH) + GAP
    sheet = np.full((height * len(rows), width, 3), 255, np.uint8)
    for top, row in enumerate(rows):
        for column, name in enumerate(row):
            y, x = top * height, column * room
            sheet[y : y + SWATCH, x : x + SWATCH] = colour_of(name)
            _stamp(sheet, write_text(name), (y + 1, x + SWATCH + GAP), 0)
    return sheet


def busiest_slice(labels: npt.NDArray[Any], axis: int = 0) -> int:
    """Index along `axis` of the slice where most voxels are labelled; the middle when none is."""
    others = tuple(a for a in range(labels.ndim) if a != axis)
    counts = np.count_nonzero(labels, axis=others)
    return int(counts.argmax()) if counts.any() else labels.shape[axis] // 2


def _pixel_size(shape: Sequence[int], voxel_size_nm: Sequence[float], width: int | None) -> float:
    """Side of one picture pixel in nm."""
    return min(voxel_size_nm) if width is None else shape[1] * voxel_size_nm[1] / width


def _grey(em: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    values = em.astype(float)
    if em.dtype == np.uint8:
        return values
    low, high = float(values.min()), float(values.max())
    return (values - low) * (255 / (high - low) if high > low else 0)


def _stretch(values: npt.NDArray[np.float64], shape: Sequence[int]) -> npt.NDArray[np.float64]:
    """Linear interpolation to `shape`, one axis after the other."""
    for axis, n in enumerate(shape):
        at = np.clip((np.arange(n) + 0.5) * values.shape[axis] / n - 0.5, 0, values.shape[axis] - 1)
        low = at.astype(int)
        part = np.expand_dims(at - low, 1 - axis)
        high = np.minimum(low + 1, values.shape[axis] - 1)
        values = values.take(low, axis) * (1 - part) + values.take(high, axis) * part
    return values


def _nearest(labels: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[Any]:
    rows, columns = (
        ((np.arange(n) + 0.5) * m / n).astype(int) for m, n in zip(labels.shape, shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def _paint(
    picture: npt.NDArray[np.float64], overlay: Overlay, shown: npt.NDArray[Any], opacity: float
) -> npt.NDArray[np.float64]:
    inside = shown != 0
    strength = np.where(inside, opacity, 0.0)
    strength[inside & _outline(shown)] = 1.0
    return picture + strength[..., None] * (overlay.colours(shown) - picture)


def _outline(shown: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Pixels with another value above, below, left or right."""
    padded = np.pad(shown, 1, mode="edge")
    centre = padded[1:-1, 1:-1]
    result: npt.NDArray[np.bool_] = (
        (padded[:-2, 1:-1] != centre)
        | (padded[2:, 1:-1] != centre)
        | (padded[1:-1, :-2] != centre)
        | (padded[1:-1, 2:] != centre)
    )
    return result


def _with_scale_bar(picture: Picture, pixel_nm: float) -> Picture:
    """A white bar, lower left, within a third of the width."""
    length, pixels = _round_length(picture.shape[1] / 3, pixel_nm)
    bottom = max(0, len(picture) - 2 * GAP)
    picture[bottom : bottom + 3, GAP : GAP + pixels] = 255
    _stamp(picture, write_text(_length_text(length)), (bottom - HEIGHT - 1, GAP), 255)
    return picture


def _round_length(most_pixels: float, pixel_nm: float) -> tuple[float, int]:
    """The longest of 1, 2 or 5 x 10^n nm within `most_pixels`, in nm and in pixels."""
    room = most_pixels * pixel_nm
    power = 10 ** math.floor(math.log10(room))
    length = max(step * power for step in (1, 2, 5) if step * power <= room)
    return length, max(1, round(length / pixel_nm))


def _length_text(length_nm: float) -> str:
    return f"{length_nm / 1000:g} um" if length_nm >= 1000 else f"{length_nm:g} nm"


def _stamp(picture: Picture, ink: npt.NDArray[np.bool_], place: tuple[int, int], value: int) -> None:
    """Set the pixels under `ink` to `value`; what lies outside the picture is cut off."""
    top, left = place
    if top < 0:
        return
    window = picture[top : top + ink.shape[0], left : left + ink.shape[1]]
    window[ink[: window.shape[0], : window.shape[1]]] = value
