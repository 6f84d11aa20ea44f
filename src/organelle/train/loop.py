"""Training from beginning to end: read it from top to bottom."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from organelle.catalog import Crop
from organelle.errors import CheckpointError, FileMissing, TrainingError
from organelle.files import whole, write_json
from organelle.models import (
    Checkpoint,
    ModelSettings,
    ModelSpec,
    current_versions,
    load_checkpoint,
    save_checkpoint,
    transfer_weights,
)
from organelle.process import ProcessSettings
from organelle.progress import track
from organelle.sampling import (
    Batch,
    CropCache,
    PatchStream,
    SamplingSettings,
    class_frequencies,
    em_statistics,
    fingerprint,
    load_crops,
    require_known_classes,
)
from organelle.stores import Place
from organelle.train.held_out import HeldOut, classes_with_ids, hold_out, instance_classes
from organelle.train.judging import Judge, Worst, has_stopped
from organelle.train.learner import Learner, choose_precision, learning_rate
from organelle.train.ranks import joined
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
        best: overall score of that state on the held-out crops; None when nothing could judge it.
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
    recipes: ProcessSettings | None = None,
    cache: CropCache | None = None,
    overwrite: bool = False,
) -> TrainReport:
    """Train a network, or go on with a run that was interrupted; a finished run is left as it is.

    A run that goes on ends, on the CPU, with the same tensors as one that was never disturbed. Started by
    `torchrun`, all processes train one network; each draws its share of every batch, the first one writes.

    Args:
        model: the section `[model]`.
        data: folder or address of EM and labels.
        run: folder of the run (see `organelle.train.record`).
        train_crops: what to learn from.
        validate_crops: held out; the checkpoint that the metric scores best on them is the one to predict
            with.
        sampling: the section `[sampling]`.
        settings: the section `[train]`.
        recipes: the section `[process]`, by which held-out crops become objects.
        cache: where crops are kept between runs; without one they fill memory.
        overwrite: begin anew where a run stands.

    Raises:
        OutputExists: another run stands there.
        SettingsError: no crops, a class without one known voxel, or more ranks than patches.
        EMMissing: a crop without EM.
        CheckpointError: the data have changed since the run began, or `start_from` does not fit.
        TrainingError: the loss is no number any more; the last saved state stays.
    """
    sampling, settings = sampling or SamplingSettings(), settings or TrainSettings()
    record = run_record(model, sampling, settings, recipes, train_crops, validate_crops)
    with joined() as ranks:
        share = ranks.share(sampling.batch_size)
        with ranks.first_alone():
            if overwrite and ranks.is_first and (Path(run) / "run.json").is_file():  # never anything else
                _discard(Path(run))
            folder = open_run(run, record, writes=ranks.is_first)
        with closing(folder):
            finished = finished_report(folder, settings)
            if finished:
                return finished
            start = _start(model, folder)
            wanted = classes_with_ids(model)
            with ranks.first_alone():
                crops = load_crops(data, train_crops, model, sampling, ids_of=wanted, cache=cache)
            require_known_classes(crops)
            spec = model.with_normalisation(em_statistics(crops))
            frequencies = class_frequencies(crops)
            judge = Judge(_held_out(data, validate_crops, spec, sampling, settings, cache), recipes, folder)
            if ranks.is_first:
                folder.require_same_data({crop.crop.name: fingerprint(crop) for crop in crops})
            learner = Learner(spec, settings, frequencies, folder.record["precision"], ranks)
            begun = _take_up(learner, folder)
            if start:
                _take_over(learner, start, folder)
            _learn(learner, PatchStream(crops, spec, sampling, settings.seed, share), judge, folder)
            notes = tuple(dict.fromkeys(cache.notes)) if cache else ()
            return TrainReport(folder.path, folder.best, learner.step, begun, _judged(learner.best), notes)


def _discard(run: Path) -> None:
    """Remove a run; it first gets another name, so that a kill leaves either all of it or nothing."""
    aside = run.with_name(f".{run.name}.discarded")
    shutil.rmtree(aside, ignore_errors=True)
    run.rename(aside)
    shutil.rmtree(aside)


def best_checkpoint(run: Path | str) -> Path:
    """The checkpoint of a run to predict with.

    Raises:
        FileMissing: the run has none yet.
    """
    path = Path(run) / "best.ckpt"
    if not path.is_file():
        raise FileMissing(f'no trained network at {path}; "csc train CONFIG" makes it')
    return path


def _learn(learner: Learner, stream: PatchStream, judge: Judge, folder: RunFolder) -> None:
    """The loop: a batch, a step, and from time to time a look at the held-out crops and a saved state."""
    settings, first = learner.settings, learner.ranks.is_first
    left = range(learner.step, settings.steps)
    batches = stream.iterate(learner.step, settings.steps, expanded=learner.device.type == "cpu")
    worst = Worst(stream)
    for batch in track(batches, f"training {folder.path.name}", total=len(left)):
        rate = learning_rate(settings, learner.step)
        loss = _step(learner, batch, folder)
        worst.note(batch.step, loss)
        folder.add_step(learner.step, loss, rate)
        last = learner.step == settings.steps
        if last or learner.step % settings.validate_every == 0:
            judge(learner, worst)
        over = last or has_stopped(settings, learner.waited)
        if first and (over or learner.step % settings.checkpoint_every == 0):
            save_checkpoint(folder.last, learner.checkpoint(), overwrite=True)
        if over:
            break
    learner.ranks.wait()


def _step(learner: Learner, batch: Batch, folder: RunFolder) -> float:
    """One step; an error names the batch, and leaves it to be looked at."""
    try:
        return learner.learn(batch)
    except TrainingError as error:
        kept = folder.path / f"failed-step-{learner.step + 1}-rank-{learner.ranks.rank}.npz"
        # A full disk must not hide what went wrong.
        with suppress(OSError), whole(kept, overwrite=True) as part, part.open("wb") as stream:
            np.savez_compressed(stream, em=batch.em, target=batch.target, known=batch.known)
        lie = f"lie in {kept.name}" if kept.is_file() else "could not be written down"
        crops = ", ".join(f"crop{number}" for number in dict.fromkeys(batch.crops))
        raise TrainingError(
            f"{folder.path}: step {learner.step + 1} cannot be made: {error}. Its patches are of {crops} and "
            f"{lie}. The last saved state stands; usually a lower learning_rate, a lower "
            'clip_gradient, or precision = "float32" in [train] helps'
        ) from error


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
    plain = sampling.without_augmentation()
    loaded = load_crops(data, crops, spec, plain, ids_of=instance_classes(spec), cache=cache)
    return [hold_out(data, crop, spec, settings.validate_megavoxels * 1e6) for crop in loaded]


def finished_report(folder: RunFolder, settings: TrainSettings) -> TrainReport | None:
    """The report of a run whose last state is the final one."""
    if not (folder.last.is_file() and folder.best.is_file()):
        return None
    last = load_checkpoint(folder.last)
    if last.step < settings.steps and not has_stopped(settings, int(last.state.get("waited", 0))):
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


def run_record(
    model: ModelSettings,
    sampling: SamplingSettings,
    settings: TrainSettings,
    recipes: ProcessSettings | None,
    train_crops: Sequence[Crop],
    validate_crops: Sequence[Crop],
) -> dict[str, Any]:
    """What makes a run the same run, as plain JSON values."""
    record = {
        "model": model.model_dump(mode="json"),
        "sampling": sampling.model_dump(mode="json", exclude={"workers"}),
        "process": (recipes or ProcessSettings()).model_dump(mode="json", exclude_unset=True),
        "train": settings.model_dump(mode="json", exclude={"checkpoint_every"}),
        "train_crops": [crop.id for crop in train_crops],
        "validate_crops": [crop.id for crop in validate_crops],
        "precision": choose_precision(settings),
        "versions": current_versions(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain
