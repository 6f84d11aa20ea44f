"""The section `[predict]` of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from organelle.blocks import Blending
from organelle.geometry import Voxels
from organelle.predict.backends import Precision
from organelle.predict.planes import Planes
from organelle.settings import Settings


class PredictSettings(Settings):
    """How a network is applied.

    What comes out depends on `checkpoints`, `window`, `mirrors`, `turns`, `planes`, `blending`, `backend` and
    `precision`.
    """

    checkpoints: tuple[Path, ...] = ()
    """Checkpoints whose answers are averaged, relative to the experiment's file; default: the best one of
    this experiment. They know the same classes at the same voxel size, from the same patch."""

    window: Voxels | None = None
    """What the network sees at once (z, y, x voxels of the model); default: the patch that it was trained
    on. A larger one is better and often cheaper, since fewer voxels lie near its rim; it costs memory."""

    mirrors: bool = False
    """Average over the mirror images along the finely sampled axes: a little better, 4 (2D, anisotropic) or
    8 (isotropic) times the work; off, so that a first look is quick."""
    turns: bool = False
    """Average over turns by 90 degrees in every plane of square voxels and patches: 4 times the work (2D,
    anisotropic) or 24 (cubes); with mirrors 8 or 48."""
    planes: Planes = "patch"
    """2D networks: planes across the axis of the patch, or, with `any`, across every axis of the same voxel
    size, averaged: much better on volumes of cubes, for three times the work. Train with the same."""
    blending: Blending = Blending.GAUSSIAN
    """How overlapping patches are weighted: networks are best in the middle of what they see."""
    memory_gb: float = Field(default=2.0, gt=0)
    """Memory for probabilities under way; more means fewer patches computed twice between blocks."""
    levels: int = Field(default=1, ge=1)
    """Pyramid levels of the outputs, each half as fine; more than 1 only helps viewers."""
    backend: Literal["torch", "onnxruntime", "openvino", "auto"] = "torch"
    """What runs the network. `onnxruntime` and `openvino` take it from an ONNX file that is written once, and
    are quicker on a CPU; `auto` is the fastest that is installed. Unasked it is torch, which trained it: what
    comes out shall not depend on what else is installed."""
    threads: int | None = Field(default=None, ge=1)
    """Patches that are computed at once in each process, one thread each, so that it changes no bit; default:
    as many as cores on a CPU, 1 on a GPU. Each takes memory for the network's layers."""
    precision: Precision = "float32"
    """`mixed` lets torch compute convolutions in half precision, on CUDA alone."""
    device: str = "auto"
    """Where the network runs: `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes CUDA if there is one, else the
    CPU."""
