"""Validation while training: which state is the best, and pictures of what goes well and badly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from organelle.models import build_network, load_weights, save_checkpoint
from organelle.process import ProcessSettings
from organelle.progress import track
from organelle.sampling import Patch, PatchStream
from organelle.scenes import busiest_slice, comparison, stacked
from organelle.train.held_out import HeldOut, Judged, Validation, judge, pooled
from organelle.train.learner import Learner
from organelle.train.record import RunFolder
from organelle.train.settings import TrainSettings

MOST_SHOWN = 4
"""Patches of the costliest batch that are drawn."""


class Worst:
    """Remembers the step with the highest loss since the last time somebody asked."""

    def __init__(self, stream: PatchStream) -> None:
        self.stream = stream
        self.step: int | None = None
        self._loss = -math.inf

    def note(self, step: int, loss: float) -> None:
        """A step and its loss."""
        if loss > self._loss:
            self.step, self._loss = step, loss

    def patches(self) -> list[Patch]:
        """Some patches of that step, drawn once more; from then on only later steps count."""
        step, self.step, self._loss = self.step, None, -math.inf
        return [] if step is None else [self.stream.patch(step, i)[1] for i in self.stream.share[:MOST_SHOWN]]


class Judge:
    """Validates on held-out places; the ranks share them, and all hear the result.

    Args:
        places: what is held out; may be empty, then the last state counts as the best.
        recipes: how predictions become objects.
        folder: where figures, pictures and states go.
    """

    def __init__(self, places: Sequence[HeldOut], recipes: ProcessSettings | None, folder: RunFolder) -> None:
        self.places = places
        self.recipes = recipes
        self.folder = folder

    def __call__(self, learner: Learner, worst: Worst) -> None:
        """Judge the averaged weights, and keep the state if it is the best so far, or nothing can tell."""
        network = _averaged_network(learner)
        found = self._validate(learner, network)
        if self.places:
            self.folder.add_validation(learner.step, found)
            for name, picture in found.pictures.items():
                self.folder.add_picture(learner.step, name, picture)
        patches = worst.patches()
        if learner.ranks.is_first and patches:
            self.folder.add_worst(learner.step, draw_patches(network, patches, learner))
        self._keep(learner, found.overall)

    def _validate(self, learner: Learner, network: torch.nn.Module) -> Validation:
        mine = self.places[learner.ranks.rank :: learner.ranks.count]
        device = str(learner.device)
        judged = [judge(network, p, learner.spec, self.recipes, device) for p in track(mine, "validating")]
        everything: list[Judged] = [one for part in learner.ranks.gather(judged) for one in part]
        return pooled(learner.spec, everything)

    def _keep(self, learner: Learner, score: float) -> None:
        """Compare with the best so far; write the states that are worth it."""
        is_best = math.isnan(score) or score > learner.best
        learner.waited = 0 if is_best else learner.waited + 1
        if not math.isnan(score):
            learner.best = max(learner.best, score)
        dropped = self._rank(learner, score)
        if not learner.ranks.is_first:
            return
        if is_best:
            save_checkpoint(self.folder.best, learner.checkpoint(), overwrite=True)
        if learner.settings.keep_best > 1 and (score, learner.step) in learner.kept:
            self.folder.kept.mkdir(exist_ok=True)
            save_checkpoint(_place(self.folder, learner.step), learner.checkpoint(), overwrite=True)
        for step in dropped:
            _place(self.folder, step).unlink(missing_ok=True)

    def _rank(self, learner: Learner, score: float) -> list[int]:
        """Put the state among the best few; the steps of those that fell out."""
        if math.isnan(score):
            return []
        ranked = sorted([*learner.kept, (score, learner.step)], key=lambda entry: (-entry[0], entry[1]))
        most = learner.settings.keep_best
        learner.kept = ranked[:most]
        return [step for _, step in ranked[most:]]


def has_stopped(settings: TrainSettings, waited: int) -> bool:
    """Whether training ends because so many validations in a row were no better."""
    return 0 < settings.patience <= waited


def draw_patches(network: torch.nn.Module, patches: Sequence[Patch], learner: Learner) -> NDArray[np.uint8]:
    """EM, truth and prediction of each patch, of the class with most wrong voxels in it."""
    spec = learner.spec
    rows = []
    for patch in patches:
        em = torch.from_numpy(patch.seen)[None].to(learner.device)
        flat = None if spec.flat_axis is None else spec.flat_axis + 2
        with torch.inference_mode():
            logits = network(em if flat is None else em.squeeze(flat))
        answer = logits if flat is None else logits.unsqueeze(flat)
        found = (answer[0, : len(spec.classes)] > 0).cpu().numpy()
        target, known = patch.expand()
        wrong = (found != target.astype(bool)) & known
        worst = int(wrong.reshape(len(wrong), -1).sum(axis=1).argmax())
        axis = 0 if spec.flat_axis is None else spec.flat_axis
        size = tuple(v for i, v in enumerate(spec.voxel_size_nm) if i != axis)
        shown = (patch.em, target[worst] > 0, found[worst] & known[worst])
        index = busiest_slice(wrong[worst], axis)
        grey, truth, answer_here = (np.asarray(array.take(index, axis)) for array in shown)
        rows.append(
            comparison(grey, spec.classes[worst], truth, answer_here, voxel_size_nm=(size[0], size[1]))
        )
    return stacked(rows)


def _averaged_network(learner: Learner) -> torch.nn.Module:
    """The averaged weights in a network of their own, so that training does not notice."""
    with torch.random.fork_rng():
        network = build_network(learner.spec)
    load_weights(network, learner.averaged, f"averaged weights at step {learner.step}")
    return network.to(learner.device).eval()


def _place(folder: RunFolder, step: int) -> Path:
    return folder.kept / f"step-{step}.ckpt"
