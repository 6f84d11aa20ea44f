"""What a choice would cost, worked out without running it; loads torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from organelle.models import build_network
from organelle.plan.choices import Choice, Cost
from organelle.train import TrainSettings
from organelle.train.learner import choose_precision

CORE_FLOPS = {"float32": 4e10, "bfloat16": 1e11}
"""Operations per second that one core of a server does in such networks, about; measuring corrects it."""
GPU_FLOPS = 1e13
"""The same for a GPU."""
PROCESS_BYTES = 700 * 2**20
"""Of a process that has loaded torch and some crops."""
COPIES = 6
"""Weights, gradients, two moments of AdamW, averaged weights, and a copy that validates."""
LOSS_BYTES = 40
"""Per voxel and class: logits, targets and what the losses keep, in float32."""
SPARE = 1.25
"""Room for work space of convolutions and for what the allocator does not give back."""


@dataclass(frozen=True)
class Load:
    """Of one patch: operations forward and back, and bytes kept in between; of the network: its weights."""

    operations: float
    kept_bytes: float
    weight_bytes: float


def estimate(choice: Choice, classes: tuple[str, ...], *, cores: int, gpu: bool) -> Cost:
    """Seconds per step and memory, from operations and kept tensors.

    Seconds are right to a factor of three or so, memory to a quarter.

    Args:
        choice: what.
        classes: masks that the network gives.
        cores: that compute, without a GPU.
        gpu: whether there is one.
    """
    load = _load(replace(choice, batch=1), classes)
    rate = GPU_FLOPS if gpu else CORE_FLOPS[choose_precision(TrainSettings())] * cores
    kept = load.kept_bytes + LOSS_BYTES * math.prod(choice.patch_shape) * len(classes)
    fixed = COPIES * load.weight_bytes + (0 if gpu else PROCESS_BYTES)
    return Cost(choice.batch * load.operations / rate, fixed + SPARE * choice.batch * kept)


@cache
def _load(choice: Choice, classes: tuple[str, ...]) -> Load:
    """Counted on torch's meta device, where nothing is computed."""
    settings = choice.model(classes)
    with torch.random.fork_rng(devices=[]):
        network = build_network(settings).to("meta").train()
    kept: dict[int, torch.Tensor] = {}  # held, so that no storage is taken for another

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    patch = torch.zeros((1, settings.in_channels, *settings.spatial_shape), device="meta")
    with FlopCounterMode(display=False) as counted, saved_tensors_hooks(keep, lambda tensor: tensor):
        network(patch)
    weights = {p.untyped_storage()._cdata for p in network.parameters()}
    kept_bytes = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in weights)
    weight_bytes = sum(p.numel() * p.element_size() for p in network.parameters())
    return Load(3 * counted.get_total_flops(), kept_bytes, weight_bytes)
