"""An image opened: its levels that are here, what its values mean, and its metadata for the viewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from organelle.classes import Kind, kind_of
from organelle.errors import FileMissing, FormatError, GridMismatch
from organelle.geometry import Grid
from organelle.submission import ProblemError, StoredArray
from organelle.visualize.choice import Image, ImageKind
from organelle.visualize.levels import Array, SubmittedLevel, lies_in
from organelle.volumes import LabelEncoding, open_multiscale, read_encoding
from organelle.volumes.ngff import multiscales_attributes


@dataclass(frozen=True, eq=False)
class OpenImage:
    """Levels fine to coarse, all of one type; `encoding` is None for grey values and probabilities."""

    image: Image
    levels: tuple[Array, ...]
    encoding: LabelEncoding | None = None

    @property
    def names(self) -> Mapping[str, Array]:
        """The levels by the names that they are served under."""
        return {f"s{number}": level for number, level in enumerate(self.levels)}

    @property
    def attributes(self) -> dict[str, Any]:
        """OME-NGFF 0.4 of just these levels: the viewer stumbles over listed levels that are not here."""
        return multiscales_attributes(
            self.image.key, {name: level.grid for name, level in self.names.items()}
        )

    @property
    def unknown(self) -> int | None:
        """The value that means unknown, if one does and the image is truth: results know everything."""
        if self.encoding is None or self.image.kind is not ImageKind.TRUTH:
            return None
        return self.encoding.unknown

    @property
    def certain(self) -> float:
        """The value of a prediction that means probability 1."""
        dtype = self.levels[0].dtype
        return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def open_image(image: Image, root: Any) -> OpenImage:
    """Open an image that `find_images` found; files outside of the folder `root` are refused.

    Raises:
        FileMissing, FormatError, GridMismatch: it cannot be read; names the place.
    """
    if image.kind is ImageKind.SUBMISSION:
        return OpenImage(image, _submitted(image), LabelEncoding(image.class_name, kind_of(image.class_name)))
    if image.place is None:
        raise FileMissing(f"{image.key} has no place")
    if not lies_in(image.place, root):
        raise FileMissing(f"{image.place} is a link that leads out of {root}; name the folder it leads to")
    stored = open_multiscale(image.place)
    finest = stored.levels[0]
    levels = tuple(v for v in stored.levels if v.dtype == finest.dtype and lies_in(v.path, root))
    if not levels:
        raise FileMissing(f"the levels of {image.place} are links that lead out of {root}")
    if image.kind in (ImageKind.EM, ImageKind.PREDICTION):
        return OpenImage(image, levels)
    return OpenImage(image, levels, read_encoding(stored, finest, image.class_name))


def is_objects(opened: OpenImage) -> bool:
    """Whether values are ids of objects, and not a mask."""
    return opened.encoding is not None and opened.encoding.kind is Kind.INSTANCE


def _submitted(image: Image) -> tuple[SubmittedLevel, ...]:
    if image.submission is None or image.crop is None:
        raise FileMissing(f"{image.key} stands in no submission")
    try:
        array = image.submission.array(image.crop.id, image.class_name)
    except ProblemError as error:
        raise FormatError(f"{image.submission.path}: {error}") from error
    if array is None:
        raise FileMissing(f"{image.submission.path} holds no {image.key}")
    first = array.levels[0]
    levels = [a for a in array.levels if a.dtype == first.dtype]
    placed = [SubmittedLevel(a, _grid(a, image.crop.grid, image.key)) for a in levels]
    return tuple(sorted(placed, key=lambda level: level.grid.voxel_volume_nm3))


def _grid(array: StoredArray, crop: Grid, key: str) -> Grid:
    if (grid := array.grid) is not None:
        return grid
    if array.shape != crop.shape:
        raise GridMismatch(
            f"{key} does not say where it lies, and its {array.shape} voxels are not the crop's {crop.shape}"
        )
    return crop
