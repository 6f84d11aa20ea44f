"""The section `[predict]` of an experiment."""

from __future__ import annotations

from pydantic import Field

from organelle.blocks import Blending
from organelle.settings import Settings


class PredictSettings(Settings):
    """How a network is applied. Only `mirrors` and `blending` change what comes out."""

    mirrors: bool = False
    """Average over the mirror images along the finely sampled axes: a little better, 4 (2D, anisotropic) or
    8 (isotropic) times the work; off, so that a first look is quick."""
    blending: Blending = Blending.GAUSSIAN
    """How overlapping patches are weighted: networks are best in the middle of what they see."""
    memory_gb: float = Field(default=2.0, gt=0)
    """Memory for probabilities under way; more means fewer patches computed twice between blocks."""
    levels: int = Field(default=1, ge=1)
    """Pyramid levels of the outputs, each half as fine; more than 1 only helps viewers."""
    device: str = "auto"
    """Where the network runs: `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes CUDA if there is one, else the
    CPU."""
