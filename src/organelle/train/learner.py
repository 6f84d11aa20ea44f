"""Network, optimiser, averaged weights and generators: all that a step changes, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from organelle.models import (
    Checkpoint,
    ModelSpec,
    build_network,
    generator_states,
    initialise_bias,
    load_weights,
    restore_generators,
)
from organelle.models.outputs import channels_of
from organelle.sampling import Batch
from organelle.train.losses import Loss, positive_weights
from organelle.train.settings import TrainSettings

Precision = Literal["float32", "bfloat16"]


class Learner:
    """A network while it learns.

    Args:
        spec: what the network is made for.
        settings: how to learn.
        frequencies: [class] share of the known voxels where each class is present; NaN where nothing is
            known. They set the first biases and the weights of the loss.
        precision: arithmetic of the forward pass.
    """

    def __init__(
        self, spec: ModelSpec, settings: TrainSettings, frequencies: NDArray[Any], precision: Precision
    ) -> None:
        torch.manual_seed(settings.seed)
        self.spec = spec
        self.settings = settings
        self.step = 0
        self.best = -math.inf
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._precision = torch.bfloat16 if precision == "bfloat16" else torch.float32
        shares = torch.from_numpy(np.nan_to_num(frequencies))
        weights = positive_weights(shares, most=settings.rare_weight).float().to(self.device)
        self._loss_of = Loss(settings.loss, channels_of(spec.classes), weights)
        self.network = build_network(spec).to(self.device)
        initialise_bias(self.network, frequencies)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.averaged = {name: value.clone() for name, value in self.network.state_dict().items()}

    def learn(self, batch: Batch) -> float:
        """One step of the optimiser; returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, self.step)
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_gradient)
        self.optimiser.step()
        self.step += 1
        self._average()
        return float(loss.detach())

    def checkpoint(self) -> Checkpoint:
        """Everything that a later `resume` needs."""
        return Checkpoint(
            spec=self.spec,
            step=self.step,
            model=self.network.state_dict(),
            optimiser=self.optimiser.state_dict(),
            generators=generator_states(),
            ema=self.averaged if self.settings.average else None,
            state={"best": self.best},
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where `checkpoint` was taken, as if nothing had happened."""
        load_weights(self.network, checkpoint.model, f"checkpoint at step {checkpoint.step}")
        self.optimiser.load_state_dict(dict(checkpoint.optimiser))
        source: Mapping[str, Tensor] = checkpoint.model if checkpoint.ema is None else checkpoint.ema
        self.averaged = {name: value.clone().to(self.device) for name, value in source.items()}
        self.step = checkpoint.step
        self.best = float(checkpoint.state["best"])
        restore_generators(checkpoint.generators)

    def _loss(self, batch: Batch) -> Tensor:
        em, target, known = (
            torch.from_numpy(part).to(self.device) for part in (batch.em, batch.target, batch.known)
        )
        with torch.autocast(self.device.type, self._precision, enabled=self._precision is not torch.float32):
            logits = self.network(em)
        return self._loss_of(logits, target, known)

    def _average(self) -> None:
        """Move the averaged weights towards the present ones; the memory grows with the steps done."""
        decay = min(self.settings.average, self.step / (self.step + 10))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.dtype.is_floating_point:
                    self.averaged[name].lerp_(value, 1 - decay)
                else:
                    self.averaged[name].copy_(value)


def learning_rate(settings: TrainSettings, step: int) -> float:
    """A linear rise over the warm-up, then half a cosine down to a hundredth (Loshchilov and Hutter 2017)."""
    warmup = min(settings.warmup_steps, settings.steps - 1)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    share = (step - warmup) / max(1, settings.steps - warmup)
    return settings.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


def choose_precision(settings: TrainSettings) -> Precision:
    """What `auto` means here: bfloat16 on devices with units for it, float32 elsewhere."""
    if settings.precision != "auto":
        return settings.precision
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu.get_capabilities().get("amx_bf16") else "float32"
