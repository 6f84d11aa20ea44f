"""Neuroglancer states: where to look and at what, as JSON and as a link that opens there.

Positions are nanometres, z y x, in the convention of `organelle.geometry`: what Neuroglancer counts from
the corner of a voxel is shifted by half a voxel here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from organelle.geometry import Extent, Grid, Nm

VIEWER = "https://neuroglancer-demo.appspot.com"
"""The public viewer; a state stays in the part of a link that browsers do not send."""

AXES = ("z", "y", "x")

PIXELS = 400
"""Across one of the viewer's panels, roughly: what is looked at fills half of them."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A layer of objects: a plain zarr array on `grid`, served at `url`; empty `ids` shows every object."""

    name: str
    url: str
    grid: Grid
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """A place and what is to be seen there.

    Attributes:
        position_nm: In the middle of the view.
        extent: Marked with a box; the view is a little wider.
        note: Written beside the box.
        em_url: A multiscale group with OME-NGFF metadata; None shows no EM.
        labels: Layers over it.
    """

    position_nm: Nm
    extent: Extent
    note: str = ""
    em_url: str | None = None
    labels: tuple[Labels, ...] = ()


def viewer_state(scene: Scene) -> dict[str, Any]:
    """The state as JSON values. Its unit is the nanometre, so positions read as they stand in a report."""
    layers: list[dict[str, Any]] = []
    if scene.em_url is not None:
        layers.append({"type": "image", "name": "EM", "source": f"zarr2://{scene.em_url}", "opacity": 1.0})
    layers += map(_labels_layer, scene.labels)
    layers.append(_box_layer(scene))
    width = max(scene.extent.shape_nm)
    return view(scene.position_nm, width, layers) | {
        "selectedLayer": {"layer": layers[-1]["name"], "visible": True},
    }


def view(position_nm: Nm, width_nm: float, layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A state around a place: something `width_nm` wide fills half of each panel.

    Its unit is the nanometre, in z, y, x; the panels show x to the right and y downwards.
    """
    return {
        "dimensions": dimensions_nm(AXES, (1.0, 1.0, 1.0)),
        "displayDimensions": list(reversed(AXES)),
        "position": list(position_nm),
        "crossSectionScale": 2 * width_nm / PIXELS,
        "projectionScale": 4 * width_nm,
        "layers": list(layers),
        "layout": "4panel",
    }


def state_link(state: dict[str, Any], viewer_url: str = VIEWER) -> str:
    """A link that opens the state in the viewer at `viewer_url`."""
    return f"{viewer_url.rstrip('/')}/#!{quote(json.dumps(state, separators=(',', ':')), safe='')}"


def _labels_layer(labels: Labels) -> dict[str, Any]:
    """Plain arrays say nothing of space, so the source tells size and place of their voxels."""
    grid = labels.grid
    corner = grid.extent.start_nm
    rows = [[*(float(i == j) for j in range(3)), corner[i]] for i in range(3)]
    transform = {
        "outputDimensions": dimensions_nm(AXES, (1.0, 1.0, 1.0)),
        "inputDimensions": dimensions_nm(("d0", "d1", "d2"), grid.voxel_size_nm),
        "matrix": rows,
    }
    layer: dict[str, Any] = {
        "type": "segmentation",
        "name": labels.name,
        "source": {"url": f"zarr2://{labels.url}", "transform": transform},
    }
    return layer | ({"segments": [str(i) for i in labels.ids]} if labels.ids else {})


def _box_layer(scene: Scene) -> dict[str, Any]:
    return {
        "type": "annotation",
        "name": "fault",
        "source": {
            "url": "local://annotations",
            "transform": {"outputDimensions": dimensions_nm(AXES, (1.0, 1.0, 1.0))},
        },
        "annotationColor": "#ffd400",
        "annotations": [
            {
                "type": "axis_aligned_bounding_box",
                "id": "box",
                "pointA": list(scene.extent.start_nm),
                "pointB": list(scene.extent.stop_nm),
                "description": scene.note,
            },
            {
                "type": "point",
                "id": "place",
                "point": list(scene.position_nm),
                "description": scene.note,
            },
        ],
    }


def dimensions_nm(names: Iterable[str], sizes_nm: Sequence[float]) -> dict[str, list[Any]]:
    """Axes and the size of their unit, as Neuroglancer writes them."""
    return {name: [float(f"{size}e-9"), "m"] for name, size in zip(names, sizes_nm, strict=True)}
