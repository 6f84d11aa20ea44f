"""Big volumes in pieces: the fixed patch lattice, blending of overlaps, objects joined across blocks.

Work in blocks is done by any number of workers that share a ledger. What comes out depends on the lattice and
the values alone, never on how the work was cut into blocks, in which order they were done, or by whom.
"""

from organelle.blocks.blending import Blending, SlabBlender
from organelle.blocks.joining import Components, Connectivity, FaceJoiner
from organelle.blocks.lattice import PatchGrid
from organelle.blocks.ledger import FailedBlock, Ledger
from organelle.blocks.ledger_states import Tally
from organelle.blocks.tiling import Tiling
from organelle.blocks.work import Done, Work, work_through

__all__ = [
    "Blending",
    "Components",
    "Connectivity",
    "Done",
    "FaceJoiner",
    "FailedBlock",
    "Ledger",
    "PatchGrid",
    "SlabBlender",
    "Tally",
    "Tiling",
    "Work",
    "work_through",
]
