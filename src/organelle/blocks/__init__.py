"""Big volumes in pieces: the fixed patch lattice, blending of overlaps, objects joined across blocks.

Everything here is arithmetic on boxes and arrays. What comes out depends on the lattice and the values
alone, never on how the work was cut into blocks or in which order the blocks were done.
"""

from organelle.blocks.blending import Blending, SlabBlender
from organelle.blocks.joining import Components, Connectivity, FaceJoiner
from organelle.blocks.lattice import PatchGrid

__all__ = ["Blending", "Components", "Connectivity", "FaceJoiner", "PatchGrid", "SlabBlender"]
