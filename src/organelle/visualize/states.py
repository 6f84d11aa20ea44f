"""The state in which the viewer opens: layers of a dataset, grouped, with the view on a crop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from organelle.catalog import Crop
from organelle.classes import Kind as LabelKind
from organelle.classes import class_named, kind_of, sort_classes
from organelle.geometry import Box, Extent
from organelle.scenes import (
    boxes_layer,
    grey_layer,
    mask_layer,
    objects_layer,
    probability_layer,
    put_away,
    view,
)
from organelle.visualize.choice import ImageKind
from organelle.visualize.levels import Array
from organelle.visualize.opened import OpenImage, is_objects

SHOWN_CLASSES = 3
"""Classes whose layers are visible from the start: more would hide each other."""

CONTRAST_PERCENTILES = (0.5, 99.5)
CONTRAST_VOXELS = 10_000
"""Enough for percentiles, few enough to come from a coarse level."""

ZOOM = 0.7
"""A crop fills two thirds of the panels: some of what surrounds it is seen, too."""

MOST_AXIS = 256
"""Voxels along an axis that are read for percentiles where there is no coarse level."""

EM = "EM"
BOXES = "crops"


def dataset_state(opened: Sequence[OpenImage], start: Crop | None, base_url: str) -> dict[str, Any]:
    """The state that shows the images of one dataset.

    Layers: EM, then for each class truth, prediction, processed and submission, each with the crops that
    have it as its sources, then the boxes of the crops. A few are visible, the others archived.

    Args:
        opened: Images of one dataset, at least one if there is no crop to start at.
        start: The crop to begin at; None shows all of the EM.
        base_url: Where they are served: an image is read from `{base_url}/{key}`.
    """
    grey = [o for o in opened if o.image.kind is ImageKind.EM]
    labelled = [o for o in opened if o.image.kind is not ImageKind.EM]
    extent = _looked_at(start, opened)
    layers = [_em_layer(o, extent, base_url) for o in grey]
    layers += _class_layers(labelled, base_url)
    boxes = {_box_text(c): c.extent for c in dict.fromkeys(o.image.crop for o in labelled) if c is not None}
    boxes |= {} if start is None else {_box_text(start): start.extent}
    if boxes:
        layers.append(boxes_layer(BOXES, boxes))
    shown = _shown([o for o in labelled if start is None or o.image.crop == start])
    state = view(extent.centre_nm, ZOOM * max(extent.shape_nm), put_away(layers, shown | {EM, BOXES}))
    return state | {"layerListPanel": {"visible": True}}


def contrast(level: Array, extent: Extent) -> tuple[float, float] | None:
    """The grey values to show black and white, by percentiles of what is stored there; None without any."""
    box = level.grid.box_of(extent, snap="outer").intersect(level.grid.box)
    if box.is_empty or level.is_blank(box):
        return None
    values = level.read(_middle(box))
    stored = values[values != 0]
    if not stored.size:
        return None
    low, high = np.percentile(stored, CONTRAST_PERCENTILES)
    return (float(low), float(high)) if high > low else None


def _middle(box: Box) -> Box:
    """At most `MOST_AXIS` voxels along each axis, around the middle of `box`."""
    shape = [min(n, MOST_AXIS) for n in box.shape]
    start = [a + (n - m) // 2 for a, n, m in zip(box.start, box.shape, shape, strict=True)]
    return Box.between(start, [a + n for a, n in zip(start, shape, strict=True)])


def em_level(opened: OpenImage, extent: Extent) -> Array:
    """The coarsest level with enough voxels in `extent` for percentiles, else the finest."""
    for level in reversed(opened.levels):
        if _voxels(level, extent) >= CONTRAST_VOXELS:
            return level
    return opened.levels[0]


def _voxels(level: Array, extent: Extent) -> int:
    box: Box = level.grid.box_of(extent, snap="outer").intersect(level.grid.box)
    return 0 if level.is_blank(box) else box.size


def _looked_at(start: Crop | None, opened: Iterable[OpenImage]) -> Extent:
    if start is not None:
        return start.extent
    return next(iter(opened)).levels[0].grid.extent


def _em_layer(opened: OpenImage, extent: Extent, base_url: str) -> dict[str, Any]:
    levels = contrast(em_level(opened, extent), extent)
    return grey_layer(EM, [f"{base_url}/{quote(opened.image.key)}"], levels)


def _grouped(opened: Iterable[OpenImage]) -> Mapping[tuple[str, ImageKind, Any], list[OpenImage]]:
    """What shares a layer: class, kind and type of voxels. Classes in the order of their table."""
    rows = list(opened)
    ranks = {name: rank for rank, name in enumerate(sort_classes({o.image.class_name for o in rows}))}
    kinds = {kind: rank for rank, kind in enumerate(ImageKind)}
    rows.sort(key=lambda o: (ranks[o.image.class_name], kinds[o.image.kind]))
    groups: dict[tuple[str, ImageKind, Any], list[OpenImage]] = {}
    for o in rows:
        look = o.levels[0].dtype.str if o.encoding is None else (is_objects(o), o.unknown)
        groups.setdefault((o.image.class_name, o.image.kind, look), []).append(o)
    return groups


def _class_layers(opened: Iterable[OpenImage], base_url: str) -> list[dict[str, Any]]:
    """Names stay different where crops of one class and kind need layers of their own."""
    layers: dict[str, dict[str, Any]] = {}
    for group in _grouped(opened).values():
        name, crop = _layer_name(group[0]), group[0].image.crop
        if name in layers and crop is not None:
            name = f"{name} of {crop.name}"
        layers[name] = _class_layer(name, group, base_url)
    return list(layers.values())


def _class_layer(name: str, group: list[OpenImage], base_url: str) -> dict[str, Any]:
    first = group[0]
    class_name = first.image.class_name
    urls = [f"{base_url}/{quote(o.image.key)}" for o in group]
    if first.encoding is None:
        return probability_layer(name, urls, class_name, first.certain)
    if is_objects(first):
        return objects_layer(name, urls, class_name, first.unknown)
    return mask_layer(name, urls, class_name, first.unknown)


def _layer_name(opened: OpenImage) -> str:
    return f"{opened.image.class_name} {opened.image.kind.value}"


def _shown(opened: list[OpenImage]) -> set[str]:
    """Layers to begin with: of a few classes, first those of objects, then as the table has them."""
    classes = sorted(
        {o.image.class_name for o in opened if not _is_known_empty(o)},
        key=lambda name: (kind_of(name) is not LabelKind.INSTANCE, class_named(name).id),
    )
    return {_layer_name(o) for o in opened if o.image.class_name in classes[:SHOWN_CLASSES]}


def _is_known_empty(opened: OpenImage) -> bool:
    """Whether the statistics that lie beside the labels say that the class is absent."""
    level = opened.levels[0]
    counts = (
        getattr(level, "attributes", {}).get("cellmap", {}).get("annotation", {}).get("complement_counts")
    )
    known = sum(counts.get(key, 0) for key in ("absent", "unknown")) if isinstance(counts, dict) else 0
    return bool(known == level.grid.box.size)


def _box_text(crop: Crop) -> str:
    return f"{crop.name} {'(test)' if crop.is_test else ''}".strip()
