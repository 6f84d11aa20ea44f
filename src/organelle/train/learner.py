"""Network, optimiser, averaged weights and generators: all that a step changes, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from organelle.errors import TrainingError
from organelle.models import (
    Checkpoint,
    ModelSpec,
    build_network,
    coarsen_target,
    deep_supervision_weights,
    generator_states,
    initialise_bias,
    load_weights,
    restore_generators,
    supervised_outputs,
)
from organelle.sampling import Batch
from organelle.train.losses import Loss, positive_weights
from organelle.train.ranks import Ranks
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
        ranks: who learns together; default: nobody else.
    """

    def __init__(
        self,
        spec: ModelSpec,
        settings: TrainSettings,
        frequencies: NDArray[Any],
        precision: Precision,
        ranks: Ranks | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.spec = spec
        self.settings = settings
        self.step = 0
        self.best = -math.inf
        self.waited = 0
        self.kept: list[tuple[float, int]] = []
        self.ranks = ranks or Ranks(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        self.device = self.ranks.device
        self._precision = torch.bfloat16 if precision == "bfloat16" else torch.float32
        shares = torch.from_numpy(np.nan_to_num(frequencies))
        weights = positive_weights(shares, most=settings.rare_weight).float().to(self.device)
        self._loss_of = Loss(settings.loss, spec.channels, weights)
        self._amounts = [channel.values == "amount" for channel in spec.channels]
        self.network = build_network(spec).to(self.device)
        initialise_bias(self.network, _with_targets(frequencies, spec))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.averaged = {name: value.clone() for name, value in self.network.state_dict().items()}
        self._together: torch.nn.Module | None = None

    def learn(self, batch: Batch) -> float:
        """One step of the optimiser; returns the loss over the patches of all ranks.

        Raises:
            TrainingError: the loss or its gradient is not a number; nothing was changed.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, self.step)
        torch.manual_seed(_seed_of(self.settings.seed, self.step, self.ranks.rank))
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        parts = batch.parts(self.settings.accumulate)
        total = 0.0
        for part in parts:
            loss = self._loss(part)
            total += float(loss.detach()) / len(parts)
            # What wraps the network averages gradients over ranks, and the loss asks for their sum.
            (loss * (self.ranks.count / len(parts))).backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_gradient)
        if not (math.isfinite(total) and math.isfinite(float(norm))):
            raise TrainingError(f"loss {total:g}, norm of its gradient {float(norm):g}")
        self.optimiser.step()
        self.step += 1
        self._average()
        return total

    def checkpoint(self) -> Checkpoint:
        """Everything that a later `resume` needs."""
        return Checkpoint(
            spec=self.spec,
            step=self.step,
            model=self.network.state_dict(),
            optimiser=self.optimiser.state_dict(),
            generators=generator_states(),
            ema=self.averaged if self.settings.average else None,
            state={"best": self.best, "waited": self.waited, "kept": [list(entry) for entry in self.kept]},
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where `checkpoint` was taken, as if nothing had happened."""
        load_weights(self.network, checkpoint.model, f"checkpoint at step {checkpoint.step}")
        self.optimiser.load_state_dict(dict(checkpoint.optimiser))
        source: Mapping[str, Tensor] = checkpoint.model if checkpoint.ema is None else checkpoint.ema
        self.averaged = {name: value.clone().to(self.device) for name, value in source.items()}
        self.step = checkpoint.step
        self.best = float(checkpoint.state["best"])
        self.waited = int(checkpoint.state.get("waited", 0))
        self.kept = [(float(score), int(step)) for score, step in checkpoint.state.get("kept", [])]
        restore_generators(checkpoint.generators)

    def _loss(self, batch: Batch) -> Tensor:
        em = torch.from_numpy(batch.em).to(self.device)
        target, known = batch.on(self.device)
        with torch.autocast(self.device.type, self._precision, enabled=self._precision is not torch.float32):
            outputs = supervised_outputs(self._network_of_all()(em))
        reduce = self.ranks.add_up if self.ranks.count > 1 else None
        loss = torch.zeros((), device=self.device)
        for weight, logits in zip(deep_supervision_weights(len(outputs)), outputs, strict=True):
            truth, seen = coarsen_target(target, known, logits.shape[2:], self._amounts)
            loss = loss + weight * self._loss_of(logits, truth, seen, reduce=reduce)
        return loss

    def _network_of_all(self) -> torch.nn.Module:
        """The network, wrapped so that gradients of all ranks meet; made late, when its weights are final."""
        if self.ranks.count == 1:
            return self.network
        if self._together is None:
            gpus = [self.device.index] if self.device.type == "cuda" else None
            self._together = torch.nn.parallel.DistributedDataParallel(self.network, device_ids=gpus)
        return self._together

    def _average(self) -> None:
        """Move the averaged weights towards the present ones; the memory grows with the steps done."""
        decay = min(self.settings.average, self.step / (self.step + 10))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.dtype.is_floating_point:
                    self.averaged[name].lerp_(value, 1 - decay)
                else:
                    self.averaged[name].copy_(value)


def _with_targets(frequencies: NDArray[Any], spec: ModelSpec) -> NDArray[Any]:
    """Of all channels: those that are no masks start at a half."""
    extra = len(spec.channels) - len(frequencies)
    return np.concatenate([frequencies, np.full(extra, 0.5)])


def _seed_of(seed: int, step: int, rank: int) -> int:
    """Of what a network draws itself (dropout): the same after a resume, another on every rank."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1)


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
