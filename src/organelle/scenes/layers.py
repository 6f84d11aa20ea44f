"""Layers of a Neuroglancer state, as JSON values: grey values, probabilities, masks, objects, boxes.

Sources are multiscale groups with OME-NGFF metadata, one or several in a layer. The viewer takes a
translation for the centre of a voxel, as OME-NGFF says, and so places them by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from organelle.classes import class_named
from organelle.geometry import Extent
from organelle.scenes.colours import Colour, colour_of
from organelle.scenes.neuroglancer import AXES, dimensions_nm

LayerState = dict[str, Any]

UNKNOWN_COLOUR = "#808080"
OBJECT_ALPHA = 0.35
"""Of labels over EM: the grey values below stay readable."""

GREY_SHADER = "#uicontrol invlerp contrast\nvoid main() {\n  emitGrayscale(contrast());\n}\n"
PROBABILITY_SHADER = (
    "#uicontrol invlerp probability\n"
    '#uicontrol vec3 colour color(default="{colour}")\n'
    "void main() {{\n  emitRGBA(vec4(colour, probability()));\n}}\n"
)


def grey_layer(name: str, urls: Sequence[str], contrast: tuple[float, float] | None = None) -> LayerState:
    """EM, opaque; `contrast` are the values shown black and white, None leaves them to the viewer."""
    layer = {"type": "image", "name": name, "source": _sources(urls), "opacity": 1.0, "shader": GREY_SHADER}
    return layer | ({} if contrast is None else {"shaderControls": {"contrast": {"range": list(contrast)}}})


def probability_layer(name: str, urls: Sequence[str], class_name: str, highest: float) -> LayerState:
    """A prediction in the colour of its class: clear at 0, solid at `highest`, the value of probability 1."""
    return {
        "type": "image",
        "name": name,
        "source": _sources(urls),
        "opacity": 0.5,
        "shader": PROBABILITY_SHADER.format(colour=web_colour(colour_of(class_name))),
        "shaderControls": {"probability": {"range": [0, highest]}},
    }


def mask_layer(name: str, urls: Sequence[str], class_name: str, unknown: int | None = None) -> LayerState:
    """A mask in the colour of its class, whatever its values; `unknown` is listed in grey, and hidden."""
    layer = _segmentation(name, urls) | {"segmentDefaultColor": web_colour(colour_of(class_name))}
    if unknown is None:
        return layer
    shown = {"segments": ["1", f"!{unknown}"], "segmentColors": {str(unknown): UNKNOWN_COLOUR}}
    return layer | shown


def objects_layer(name: str, urls: Sequence[str], class_name: str, unknown: int | None = None) -> LayerState:
    """Objects, each in a colour that follows from its id and the class; `unknown` is grey."""
    layer = _segmentation(name, urls) | {"colorSeed": class_named(class_name).id}
    return layer | ({} if unknown is None else {"segmentColors": {str(unknown): UNKNOWN_COLOUR}})


def boxes_layer(name: str, boxes: Mapping[str, Extent], colour: str = "#ffd400") -> LayerState:
    """Boxes in nm with a text for each; the viewer lists them, and a click goes there."""
    annotations = [
        {
            "type": "axis_aligned_bounding_box",
            "id": str(number),
            "pointA": list(extent.start_nm),
            "pointB": list(extent.stop_nm),
            "description": text,
        }
        for number, (text, extent) in enumerate(boxes.items())
    ]
    return {
        "type": "annotation",
        "name": name,
        "source": {
            "url": "local://annotations",
            "transform": {"outputDimensions": dimensions_nm(AXES, (1.0, 1.0, 1.0))},
        },
        "annotationColor": colour,
        "annotations": annotations,
    }


def put_away(layers: Iterable[LayerState], shown: Iterable[str]) -> list[LayerState]:
    """The layers, those not named in `shown` archived: at hand in the viewer, but not loaded."""
    names = set(shown)
    return [
        layer if layer["name"] in names else {**layer, "visible": False, "archived": True} for layer in layers
    ]


def web_colour(colour: Colour) -> str:
    """`#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _segmentation(name: str, urls: Sequence[str]) -> LayerState:
    return {
        "type": "segmentation",
        "name": name,
        "source": _sources(urls),
        "selectedAlpha": OBJECT_ALPHA,
        "notSelectedAlpha": 0,
        "segments": [],
    }


def _sources(urls: Sequence[str]) -> str | list[str]:
    sources = [f"zarr2://{url}" for url in urls]
    return sources[0] if len(sources) == 1 else sources
