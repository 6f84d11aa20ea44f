"""Training from beginning to end: read it from top to bottom."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from organelle.catalog import Crop
from organelle.errors import CheckpointError, FileMissing
from organelle.files import write_json
from organelle.models import (
    Checkpoint,
    ModelSettings,
    ModelSpec,
    build_network,
    current_versions,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    transfer_weights,
)
from organelle.progress import track
from organelle.sampling import (
    CropCache,
    PatchStream,
    SamplingSettings,
    TrainingCrop,
    class_frequencies,
    em_statistics,
    load_crops,
    require_known_classes,
)
from organelle.stores import Place
from organelle.train.held_out import HeldOut, Validation, hold_out, validate
from organelle.train.learner import Learner, choose_precision, learning_rate
from organelle.train.record import RunFolder, open_run
from organelle.train.settings import TrainSettings


@dataclass(frozen=True)
class TrainReport:
    """A finished run.

    Attributes:
        run: its folder.
        checkpoint: the state to predict with.
        steps: how many were done.
        resumed_at: the step at which this call took the run up; 0 for a new run.
        best: mean IoU of that state on the held-out crops; None when nothing could judge it.
        notes: what else should be known, a line each.
    """

    run: Path
    checkpoint: Path
    steps: int
    resumed_at: int
    best: float | None
    notes: tuple[str, ...] = ()


def train(
    model: ModelSettings,
    *,
    data: Place | str,
    run: Path | str,
    train_crops: Sequence[Crop],
    validate_crops: Sequence[Crop] = (),
    sampling: SamplingSettings | None = None,
    settings: TrainSettings | None = None,
    cache: CropCache | None = None,
    overwrite: bool = False,
) -> TrainReport:
    """Train a network, or go on with a run that was interrupted; a finished run is left as it is.

    A run that goes on ends, on the CPU, with the same tensors as one that was never disturbed.

    Args:
        model: the section `[model]`.
        data: folder of EM and labels.
        run: folder of the run (see `organelle.train.record`).
        train_crops: what to learn from.
        validate_crops: held out; the checkpoint with the best mean IoU on them is the one to predict with.
        sampling: the section `[sampling]`.
        settings: the section `[train]`.
        cache: where crops are kept between runs; without one they fill memory.
        overwrite: begin anew where a run stands.

    Raises:
        OutputExists: another run stands there.
        SettingsError: no crops, or a class without one known voxel.
        EMMissing: a crop without EM.
    """
    sampling, settings = sampling or SamplingSettings(), settings or TrainSettings()
    if overwrite and (Path(run) / "run.json").is_file():  # never anything but a training run
        shutil.rmtree(run)
    folder = open_run(run, _record(model, sampling, settings, train_crops, validate_crops))
    with closing(folder):
        finished = _finished(folder, settings)
        if finished:
            return finished
        start = _start(model, folder)
        crops = load_crops(data, train_crops, model, sampling, cache=cache)
        require_known_classes(crops)
        spec = model.with_normalisation(em_statistics(crops))
        places = _held_out(data, validate_crops, spec, sampling, settings, cache)
        learner = Learner(spec, settings, class_frequencies(crops), folder.record["precision"])
        begun = _take_up(learner, folder)
        if start:
            _take_over(learner, start, folder)
        _learn(learner, crops, places, sampling, folder)
        notes = tuple(dict.fromkeys(cache.notes)) if cache else ()
        return TrainReport(folder.path, folder.best, learner.step, begun, _judged(learner.best), notes)


def best_checkpoint(run: Path | str) -> Path:
    """The checkpoint of a run to predict with.

    Raises:
        FileMissing: the run has none yet.
    """
    path = Path(run) / "best.ckpt"
    if not path.is_file():
        raise FileMissing(f'no trained network at {path}; "csc train CONFIG" makes it')
    return path


def _learn(
    learner: Learner,
    crops: Sequence[TrainingCrop],
    places: Sequence[HeldOut],
    sampling: SamplingSettings,
    folder: RunFolder,
) -> None:
    """The loop: a batch, a step, and from time to time a look at the held-out crops and a saved state."""
    settings = learner.settings
    stream = PatchStream(crops, learner.spec, sampling, settings.seed)
    left = range(learner.step, settings.steps)
    batches = stream.iterate(learner.step, settings.steps)
    for batch in track(batches, f"training {folder.path.name}", total=len(left)):
        rate = learning_rate(settings, learner.step)
        loss = learner.learn(batch)
        folder.add_step(learner.step, loss, rate)
        last = learner.step == settings.steps
        if last or learner.step % settings.validate_every == 0:
            _judge(learner, places, folder)
        if last or learner.step % settings.checkpoint_every == 0:
            save_checkpoint(folder.last, learner.checkpoint(), overwrite=True)


def _judge(learner: Learner, places: Sequence[HeldOut], folder: RunFolder) -> None:
    """Validate, and keep the state if it is the best so far, or if nothing can tell."""
    found = _validate(learner, places)
    if places:
        folder.add_validation(learner.step, found.mean, found.per_class)
        for name, picture in found.pictures.items():
            folder.add_picture(learner.step, name, picture)
    if math.isnan(found.mean) or found.mean > learner.best:
        learner.best = found.mean if not math.isnan(found.mean) else learner.best
        save_checkpoint(folder.best, learner.checkpoint(), overwrite=True)


def _validate(learner: Learner, places: Sequence[HeldOut]) -> Validation:
    """Judge the averaged weights, in a network of their own so that training does not notice."""
    if not places:
        return Validation({}, {})
    with torch.random.fork_rng():
        network = build_network(learner.spec)
    load_weights(network, learner.averaged, f"averaged weights at step {learner.step}")
    return validate(network, places, learner.spec, device=str(learner.device))


def _held_out(
    data: Place | str,
    crops: Sequence[Crop],
    spec: ModelSpec,
    sampling: SamplingSettings,
    settings: TrainSettings,
    cache: CropCache | None,
) -> list[HeldOut]:
    if not crops:
        return []
    loaded = load_crops(data, crops, spec, sampling, cache=cache)
    return [hold_out(data, crop, spec, settings.validate_megavoxels * 1e6) for crop in loaded]


def _finished(folder: RunFolder, settings: TrainSettings) -> TrainReport | None:
    """The report of a run whose last state is the final one."""
    if not (folder.last.is_file() and folder.best.is_file()):
        return None
    last = load_checkpoint(folder.last)
    if last.step < settings.steps:
        return None
    return TrainReport(folder.path, folder.best, last.step, last.step, _judged(float(last.state["best"])))


def _judged(best: float) -> float | None:
    return best if math.isfinite(best) else None


def _start(model: ModelSettings, folder: RunFolder) -> Checkpoint | None:
    """What a new run starts from; None without `start_from`, or where the run itself has a state."""
    if model.start_from is None or folder.last.is_file():
        return None
    return load_checkpoint(model.start_from)


def _take_over(learner: Learner, start: Checkpoint, folder: RunFolder) -> None:
    """Begin with the weights of `start`, as far as they fit, and note what was taken."""
    found = transfer_weights(start, learner.network, learner.spec)
    learner.averaged = {name: value.clone() for name, value in learner.network.state_dict().items()}
    write_json(folder.path / "start.json", asdict(found), overwrite=True)


def _take_up(learner: Learner, folder: RunFolder) -> int:
    """Go on from the last saved state, if there is one; returns its step."""
    if folder.last.is_file():
        checkpoint = load_checkpoint(folder.last)
        if checkpoint.spec.model_dump(mode="json") != learner.spec.model_dump(mode="json"):
            raise CheckpointError(
                f"{folder.last} was made from other training data (its normalisation or classes differ); "
                "the data changed since the run began. Train with --overwrite to begin anew"
            )
        learner.resume(checkpoint)
    folder.rewind(learner.step)
    return learner.step


def _record(
    model: ModelSettings,
    sampling: SamplingSettings,
    settings: TrainSettings,
    train_crops: Sequence[Crop],
    validate_crops: Sequence[Crop],
) -> dict[str, Any]:
    """What makes a run the same run, as plain JSON values."""
    record = {
        "model": model.model_dump(mode="json"),
        "sampling": sampling.model_dump(mode="json", exclude={"workers"}),
        "train": settings.model_dump(mode="json", exclude={"checkpoint_every"}),
        "train_crops": [crop.id for crop in train_crops],
        "validate_crops": [crop.id for crop in validate_crops],
        "precision": choose_precision(settings),
        "versions": current_versions(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain
