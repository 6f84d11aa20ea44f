"""The widespread recipe: weighted cross-entropy, RAdam, raw grey values, mirrored and transposed patches.

Its settings are those of the public 2D template of the challenge (examples/train_2D.py and train.py of
cellmap-segmentation-challenge): RAdam at 1e-4, all the time; cross-entropy in which present voxels weigh as
many times as there are absent ones for each; grey values from 0 to 255, because what should scale them
leaves floating-point numbers alone; batches of 8 planes of 128 x 128 across every axis. Its turning out of
the plane is left out: more than half of the patches would be mostly empty. It gets what the template lacks:
unknown voxels do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from organelle.experiment import Experiment
from organelle.models import Checkpoint, ModelSpec, Normalisation, build_network, save_checkpoint
from organelle.process import ProcessSettings
from organelle.sampling import Batch, PatchStream, SamplingSettings, TrainingCrop
from organelle.train.learner import choose_precision
from organelle.train.settings import TrainSettings

LEARNING_RATE = 1e-4
RAW = Normalisation(mean=0.0, std=1.0)
"""Grey values as stored."""
PLAIN_OBJECTS = ProcessSettings.model_validate({
    "threshold": 0.5,
    "minus": (),
    "connectivity": 26,
    "min_volume_nm3": 0,
    "fill_holes": False,
    "grow_nm": 0,
})  # fmt: skip
"""The threshold, and connected pieces as the metric counts them."""


class RecipeLearner:
    """A network while it learns by the recipe; nothing of the project's own training is in here."""

    def __init__(self, spec: ModelSpec, crops: Sequence[TrainingCrop], seed: int) -> None:
        torch.manual_seed(seed)
        self.spec = spec
        self.step = 0
        self.network = build_network(spec)
        self.optimiser = torch.optim.RAdam(
            self.network.parameters(), LEARNING_RATE, decoupled_weight_decay=True
        )
        self._weights = absent_to_present(crops)[:, None, None]
        # The arithmetic that ours takes here: quicker on some machines, so that the recipe gets more steps.
        self._bfloat16 = choose_precision(TrainSettings()) == "bfloat16"

    def learn(self, batch: Batch) -> float:
        """One step."""
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            logits = self.network(torch.from_numpy(batch.em))
        loss = self._loss(logits.float(), *batch.on(torch.device("cpu")))
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())

    def checkpoint(self) -> Checkpoint:
        """What `predict` takes; its normalisation leaves grey values as they are."""
        return Checkpoint(spec=self.spec, step=self.step, model=self.network.state_dict())

    def _loss(self, logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
        """Weighted cross-entropy, mean over known voxels."""
        each = binary_cross_entropy_with_logits(
            logits, target.float(), pos_weight=self._weights, reduction="none"
        )
        return (each * known).sum() / known.sum().clamp(min=1)


def absent_to_present(crops: Sequence[TrainingCrop]) -> Tensor:
    """Per class the known voxels without it for each one with it; 1 for a class that is nowhere present."""
    present, known = np.sum([crop.labels.class_counts() for crop in crops], axis=0)
    weights = np.where(present > 0, (known - present) / np.maximum(present, 1), 1.0)
    return torch.from_numpy(weights).float()


def recipe_sampling(experiment: Experiment) -> SamplingSettings:
    """The places that ours draws, class balance included; only mirrored and transposed, nothing inferred."""
    ours = experiment.sampling
    return ours.without_augmentation().model_copy(
        update={"mirror": True, "transpose": True, "planes": ours.planes, "relations": False}
    )


def train_recipe(
    experiment: Experiment, crops: Sequence[TrainingCrop], steps: int, seed: int, path: Path
) -> Path:
    """Train for `steps`, and save the last state at `path`."""
    spec = experiment.model.with_normalisation(RAW)
    learner = RecipeLearner(spec, crops, seed)
    stream = PatchStream(crops, spec, recipe_sampling(experiment), seed)
    with closing(stream.iterate(0, steps)) as batches:
        for batch in batches:
            learner.learn(batch)
    return save_checkpoint(path, learner.checkpoint())
