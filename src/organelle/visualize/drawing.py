"""One crop drawn: a contact sheet of three orthogonal slices, and a thumbnail."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from organelle.catalog import Crop
from organelle.classes import sort_classes
from organelle.geometry import Nm
from organelle.scenes import (
    legend,
    mosaic,
    scale_line,
    side_by_side,
    slice_picture,
    stacked,
    text_line,
)
from organelle.scenes.pictures import Picture
from organelle.visualize.choice import ImageKind
from organelle.visualize.levels import NOT_STORED
from organelle.visualize.opened import OpenImage
from organelle.visualize.planes import (
    LIKELY,
    Plane,
    busiest_position,
    grey_in,
    labels_in,
    stored_in,
    three_planes,
)
from organelle.visualize.scene import Scene
from organelle.visualize.states import contrast, em_level

PANEL = 300
"""Pixels of the longest side of a crop."""

SHEET = 480
"""Least width of a sheet: room for its title."""

THUMBNAIL = 200
MARGIN = 10
CHARACTER = 6
"""Pixels of one in a line of text."""

BEST_KNOWN = (ImageKind.TRUTH, ImageKind.PROCESSED, ImageKind.SUBMISSION, ImageKind.PREDICTION)
"""Whose labels decide where to look, and what a thumbnail shows: the first that is there."""

TITLES = {
    ImageKind.TRUTH: "truth",
    ImageKind.PREDICTION: f"prediction, where it is {LIKELY} or more",
    ImageKind.PROCESSED: "processed",
    ImageKind.SUBMISSION: "submission",
}

Layers = dict[str, np.ndarray]
"""Labels in a plane by class; later ones lie on top."""


@dataclass(frozen=True)
class Drawing:
    """What there is to draw of one crop; `labels` holds only kinds that are there."""

    crop: Crop
    em: OpenImage | None
    labels: dict[ImageKind, list[OpenImage]]

    @classmethod
    def of(cls, scene: Scene, crop: Crop) -> Drawing:
        """Everything of a scene that belongs to a crop."""
        opened = scene.usable(crop.dataset, crop)
        em = next((o for o in opened if o.image.kind is ImageKind.EM), None)
        labels = {kind: [o for o in opened if o.image.kind is kind] for kind in TITLES}
        return cls(crop, em, {kind: found for kind, found in labels.items() if found})

    @property
    def classes(self) -> tuple[str, ...]:
        """All that have labels here, in the order of the table."""
        return sort_classes({o.image.class_name for found in self.labels.values() for o in found})

    def sheet(self) -> Picture:
        """EM, then labels over EM for each kind, with title, scale and legend."""
        planes = three_planes(self.crop, self.position_nm, PANEL)
        greys = [self.grey(plane) for plane in planes]
        rows = [side_by_side([slice_picture(grey) for grey in greys], [plane.name for plane in planes])]
        seen: set[str] = set()
        for kind, found in self.labels.items():
            shown = layers_in(found, planes)
            seen.update(*shown)
            panels = [_painted(grey, layers) for grey, layers in zip(greys, shown, strict=True)]
            rows += [text_line(TITLES[kind], rows[0].shape[1]), side_by_side(panels)]
        width = max(SHEET, rows[0].shape[1])
        framed = stacked([*self._head(width), *rows, *self._foot(sort_classes(seen), width)])
        return np.pad(framed, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=255)

    def thumbnail(self) -> Picture:
        """The slice across z, with labels."""
        planes = three_planes(self.crop, self.position_nm, THUMBNAIL)
        return _painted(self.grey(planes[0]), layers_in(self._best, planes)[0])

    @cached_property
    def position_nm(self) -> Nm:
        """Where the planes meet."""
        return busiest_position(self.crop, self._best)

    def grey(self, plane: Plane) -> np.ndarray:
        """uint8 in a plane, with the contrast of the viewer; `NOT_STORED` where there is no EM."""
        if self.em is None:
            return np.full(plane.shape, NOT_STORED, np.uint8)
        low, high = contrast(em_level(self.em, self.crop.extent), self.crop.extent) or (0.0, 255.0)
        values = (grey_in(self.em, plane).astype(float) - low) * (255 / (high - low))
        shown = np.clip(np.rint(values), 0, 255)
        return np.where(stored_in(self.em, plane), shown, NOT_STORED).astype(np.uint8)

    @cached_property
    def _best(self) -> list[OpenImage]:
        return next((self.labels[kind] for kind in BEST_KNOWN if kind in self.labels), [])

    def _head(self, width: int) -> list[Picture]:
        sizes = self.crop.voxel_size_nm
        size = f"{sizes[0]:g}" if len(set(sizes)) == 1 else " x ".join(f"{v:g}" for v in sizes)
        title = f"{self.crop.name}{' (test crop)' if self.crop.is_test else ''}  {self.crop.dataset}"
        facts = f"{' x '.join(map(str, self.crop.grid.shape))} voxels (z y x) of {size} nm"
        bar = scale_line(max(self.crop.extent.shape_nm) / PANEL, width, most_pixels=PANEL // 3)
        missing = "" if self.em else "; its EM is not here"
        return [text_line(title, width, scale=2), text_line(facts + missing, width), bar]

    def _foot(self, seen: Sequence[str], width: int) -> list[Picture]:
        """The legend, and the classes that these slices do not show."""
        parts = [legend(seen, width)] if seen else []
        if rest := [name for name in self.classes if name not in seen]:
            words = textwrap.wrap(
                f"not seen here, or below smaller classes: {', '.join(rest)}", width // CHARACTER
            )
            parts += [text_line(line, width) for line in words]
        return parts


def layers_in(images: Sequence[OpenImage], planes: Sequence[Plane]) -> list[Layers]:
    """What is seen of each class in each plane: what fills more of them lies below, in all of them alike."""
    drawn = {o.image.class_name: [labels_in(o, plane) for plane in planes] for o in images}
    filled = {name: sum(map(np.count_nonzero, labels)) for name, labels in drawn.items()}
    order = sorted(drawn, key=lambda name: -filled[name])
    return [_not_covered({name: drawn[name][i] for name in order}) for i in range(len(planes))]


def _not_covered(layers: Layers) -> Layers:
    """Without the classes of which the layers above leave nothing to be seen."""
    seen: Layers = {}
    covered: np.ndarray | None = None
    for name, labels in reversed(layers.items()):
        there = labels != 0
        if (there if covered is None else there & ~covered).any():
            seen[name] = labels
        covered = there if covered is None else covered | there
    return dict(reversed(seen.items()))


def _painted(grey: np.ndarray, layers: Layers) -> Picture:
    return slice_picture(grey, *([mosaic(layers)] if layers else []))
