"""The section `[predict]` of an experiment."""

from __future__ import annotations

from pydantic import Field

from organelle.blocks import Blending
from organelle.geometry import Voxels
from organelle.predict.planes import Planes
from organelle.settings import Settings


class PredictSettings(Settings):
    """How a network is applied. What comes out depends on `window`, `mirrors`, `planes` and `blending`."""

    window: Voxels | None = None
    """What the network sees at once (z, y, x voxels of the model); default: the patch that it was trained
    on. A larger one is better and often cheaper, since fewer voxels lie near its rim; it costs memory."""

    mirrors: bool = False
    """Average over the mirror images along the finely sampled axes: a little better, 4 (2D, anisotropic) or
    8 (isotropic) times the work; off, so that a first look is quick."""
    planes: Planes = "patch"
    """2D networks: planes across the axis of the patch, or, with `any`, across every axis of the same voxel
    size, averaged: much better on volumes of cubes, for three times the work. Train with the same."""
    blending: Blending = Blending.GAUSSIAN
    """How overlapping patches are weighted: networks are best in the middle of what they see."""
    memory_gb: float = Field(default=2.0, gt=0)
    """Memory for probabilities under way; more means fewer patches computed twice between blocks."""
    levels: int = Field(default=1, ge=1)
    """Pyramid levels of the outputs, each half as fine; more than 1 only helps viewers."""
    device: str = "auto"
    """Where the network runs: `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes CUDA if there is one, else the
    CPU."""
