"""Where to look: colours that stay the same everywhere, and pictures of slices, without matplotlib.

A report shows EM, truth and prediction beside each other::

    panels = [slice_picture(em, voxel_size_nm=(8, 8)),
              slice_picture(em, Overlay("mito", truth), voxel_size_nm=(8, 8)),
              slice_picture(em, Overlay("mito", prediction), voxel_size_nm=(8, 8))]
    Path("mito.png").write_bytes(png_bytes(side_by_side(panels, ["EM", "truth", "prediction"])))
"""

from organelle.scenes.colours import colour_of, label_colours
from organelle.scenes.neuroglancer import VIEWER, Labels, Scene, state_link, viewer_state
from organelle.scenes.pictures import Overlay, busiest_slice, comparison, side_by_side, slice_picture
from organelle.scenes.png import png_bytes
from organelle.scenes.text import write_text

__all__ = [
    "VIEWER",
    "Labels",
    "Overlay",
    "Scene",
    "busiest_slice",
    "colour_of",
    "comparison",
    "label_colours",
    "png_bytes",
    "side_by_side",
    "slice_picture",
    "state_link",
    "viewer_state",
    "write_text",
]
