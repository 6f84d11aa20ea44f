"""Objects that touch are told apart: watershed-like steps over tiles that the recipe fixes.

Where objects meet is decided tile by tile, each seen with a halo; what belongs together is decided from
small exact records of the whole volume (seeds, contacts, centre-lines). Neither depends on the blocks in
which the work is done, nor on their order. Steps take functions that read a box and yield blocks.
"""

from organelle.process.tiled.coarse import Coarse, coarsen, refine
from organelle.process.tiled.distance import inside_levels, peaks, reach_of
from organelle.process.tiled.fragments import (
    Contacts,
    Fragments,
    Measured,
    add_fragments,
    measure_fragments,
    merge_necks,
    merge_open,
)
from organelle.process.tiled.lines import Line, TubeCells, find_lines, gather_cells, link_lines, tube_cells
from organelle.process.tiled.mutex import Affinities, JoinedTiles, MutexTiles, TileSeen, join_tiles
from organelle.process.tiled.tiles import Tiles
from organelle.process.tiled.tubes import TubePieces
from organelle.process.tiled.watershed import flood, seeded, unseeded, watershed

__all__ = [
    "Affinities",
    "Coarse",
    "Contacts",
    "Fragments",
    "JoinedTiles",
    "Line",
    "Measured",
    "MutexTiles",
    "TileSeen",
    "Tiles",
    "TubeCells",
    "TubePieces",
    "add_fragments",
    "coarsen",
    "find_lines",
    "flood",
    "gather_cells",
    "inside_levels",
    "join_tiles",
    "link_lines",
    "measure_fragments",
    "merge_necks",
    "merge_open",
    "peaks",
    "reach_of",
    "refine",
    "seeded",
    "tube_cells",
    "unseeded",
    "watershed",
]
