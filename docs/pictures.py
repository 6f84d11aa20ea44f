"""Draw the pictures of the documentation: run `python docs/pictures.py` after a change of the phantom."""

from __future__ import annotations

from pathlib import Path

from organelle.phantom import Phantom, draw_phantom
from organelle.scenes import Overlay, colour_of, png_bytes, side_by_side, slice_picture

WIDTH = 400
"""Pixels of each of the two panels: the PNG stays below 300 kB."""

SLICE = 10
ROWS, COLUMNS = slice(20, 220), slice(24, 224)
SHOWN = (
    "er",
    "nuc",
    "chrom",
    "np",
    "golgi",
    "mito",
    "mito_mem",
    "lyso",
    "ld",
    "endo",
    "perox",
    "ves",
    "mt",
    "pm",
)


def phantom_picture(phantom: Phantom) -> bytes:
    """A slice of the default phantom, plain and with its organelles in colour."""
    em = phantom.em[SLICE, ROWS, COLUMNS]
    tissue = phantom.specimen
    overlays = [
        Overlay(name, tissue.labels(name)[0][SLICE, ROWS, COLUMNS], colour_of(name)) for name in SHOWN
    ]
    size = phantom.em_grid.voxel_size_nm[1:]
    plain = slice_picture(em, voxel_size_nm=size, width=WIDTH, scale_bar=True)
    painted = slice_picture(em, *overlays, voxel_size_nm=size, width=WIDTH, opacity=0.4)
    return png_bytes(side_by_side([plain, painted]))


if __name__ == "__main__":
    folder = Path(__file__).parent / "pictures"
    folder.mkdir(exist_ok=True)
    (folder / "phantom.png").write_bytes(phantom_picture(draw_phantom()))
