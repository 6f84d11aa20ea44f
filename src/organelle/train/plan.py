"""How a training run stands, before anything is loaded or learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from organelle.catalog import Crop
from organelle.files import read_json
from organelle.models import ModelSettings, load_checkpoint
from organelle.process import ProcessSettings
from organelle.sampling import SamplingSettings, crop_stamp, fingerprint, load_crops
from organelle.stores import Place
from organelle.train.held_out import classes_with_ids
from organelle.train.loop import finished_report, run_record
from organelle.train.record import RunFolder, differences
from organelle.train.settings import TrainSettings


@dataclass(frozen=True)
class TrainPlan:
    """What `train` would find.

    Attributes:
        run: the folder.
        begun: whether a run stands there.
        differing: dotted names of what it was begun with and is now otherwise, `train.steps`; empty when it
            is the same run.
        step: the last saved step, 0 where nothing was saved.
        steps: how many there are to be.
        finished: whether it has its last step, or stopped because it got no better.
    """

    run: Path
    begun: bool
    differing: tuple[str, ...]
    step: int
    steps: int
    finished: bool

    @property
    def judged_otherwise(self) -> bool:
        """Whether only the recipes differ: the network is the same, another state of it might be chosen."""
        return bool(self.differing) and all(name.split(".")[0] == "process" for name in self.differing)


def plan_train(
    model: ModelSettings,
    *,
    run: Path | str,
    train_crops: Sequence[Crop],
    validate_crops: Sequence[Crop] = (),
    sampling: SamplingSettings | None = None,
    settings: TrainSettings | None = None,
    recipes: ProcessSettings | None = None,
) -> TrainPlan:
    """Compare the run that stands at `run` with what is asked for; the arguments are those of `train`.

    Raises:
        CheckpointError: its last state is damaged.
        FormatError: its record is.
    """
    sampling, settings, folder = sampling or SamplingSettings(), settings or TrainSettings(), Path(run)
    record = run_record(model, sampling, settings, recipes, train_crops, validate_crops)
    if not (folder / "run.json").is_file():
        return TrainPlan(folder, False, (), 0, settings.steps, False)
    there = RunFolder(folder, read_json(folder / "run.json"), None)
    report = finished_report(there, settings)
    step = report.steps if report else load_checkpoint(there.last).step if there.last.is_file() else 0
    differing = tuple(differences(there.record, record))
    return TrainPlan(folder, True, differing, step, settings.steps, report is not None)


def changed_crops(
    model: ModelSettings,
    *,
    data: Place | str,
    run: Path | str,
    train_crops: Sequence[Crop],
    sampling: SamplingSettings | None = None,
) -> tuple[str, ...]:
    """Names of the crops whose EM or labels are no longer those that the run at `run` learned from.

    All of them are decoded, one after the other.

    Raises:
        FileMissing: the run does not say what it learned from, or labels are not here.
        EMMissing: a crop without EM.
    """
    known = read_json(Path(run) / "data.json")
    named = classes_with_ids(model)
    changed = []
    for crop in train_crops:
        (loaded,) = load_crops(data, [crop], model, sampling, ids_of=named)
        if known.get(crop.name) != fingerprint(loaded):
            changed.append(crop.name)
    return tuple(changed)


def data_stamps(
    model: ModelSettings,
    *,
    data: Place | str,
    train_crops: Sequence[Crop],
    sampling: SamplingSettings | None = None,
) -> dict[str, str]:
    """By name of the crop what its files look like from outside; nothing is decoded.

    While a stamp stays, `changed_crops` stays as it is; after another stamp it has to be asked.

    Raises:
        EMMissing: a crop without EM.
    """
    named = classes_with_ids(model)
    return {crop.name: crop_stamp(data, crop, model, sampling, ids_of=named) for crop in train_crops}
