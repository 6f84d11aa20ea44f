"""Where to look: colours that stay the same everywhere, and pictures of slices, without matplotlib.

A report shows EM, truth and prediction beside each other::

    panels = [slice_picture(em, voxel_size_nm=(8, 8)),
              slice_picture(em, Overlay("mito", truth), voxel_size_nm=(8, 8)),
              slice_picture(em, Overlay("mito", prediction), voxel_size_nm=(8, 8))]
    Path("mito.png").write_bytes(png_bytes(side_by_side(panels, ["EM", "truth", "prediction"])))
"""

from organelle.scenes.colours import colour_of, label_colours
from organelle.scenes.layers import (
    boxes_layer,
    grey_layer,
    mask_layer,
    objects_layer,
    probability_layer,
    put_away,
    web_colour,
)
from organelle.scenes.neuroglancer import VIEWER, Labels, Scene, state_link, view, viewer_state
from organelle.scenes.pictures import (
    Mosaic,
    Overlay,
    busiest_slice,
    comparison,
    legend,
    mosaic,
    scale_line,
    side_by_side,
    slice_picture,
    stacked,
    text_line,
)
from organelle.scenes.png import png_bytes
from organelle.scenes.text import write_text

__all__ = [
    "VIEWER",
    "Labels",
    "Mosaic",
    "Overlay",
    "Scene",
    "boxes_layer",
    "busiest_slice",
    "colour_of",
    "comparison",
    "grey_layer",
    "label_colours",
    "legend",
    "mask_layer",
    "mosaic",
    "objects_layer",
    "png_bytes",
    "probability_layer",
    "put_away",
    "scale_line",
    "side_by_side",
    "slice_picture",
    "stacked",
    "state_link",
    "text_line",
    "view",
    "viewer_state",
    "web_colour",
    "write_text",
]
