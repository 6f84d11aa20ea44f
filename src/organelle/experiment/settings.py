"""The whole experiment in one TOML file: a section per room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from organelle.models import ModelSettings
from organelle.pack import AssembleSettings, PackSettings
from organelle.predict import PredictSettings
from organelle.process import ProcessSettings
from organelle.sampling import SamplingSettings
from organelle.settings import Settings, parse_settings, read_toml
from organelle.train import TrainSettings


class DataSettings(Settings):
    """Which crops to learn from, and which to hold out.

    Either name a `datasplit`, or the crops themselves, or neither: then the split is drawn over groups of
    crops that share volume, as by `csc make-datasplit`. A key that has no say beside another is an error.
    """

    datasets: tuple[str, ...] = ()
    """Datasets to learn from and to predict; empty means all of the catalog."""

    train: tuple[int, ...] = ()
    """Numbers of the crops to learn from."""

    validate_on: Annotated[tuple[int, ...], Field(alias="validate")] = ()
    """Numbers of the crops to hold out, written `validate` in the file."""

    datasplit: Path | None = None
    """Table written by `csc make-datasplit`, relative to the experiment's file."""

    validate_ratio: float = Field(default=0.25, ge=0, lt=1)
    """Share of the crops to hold out when the split is drawn."""

    split_seed: int = Field(default=0, ge=0)
    """Seed of the split when it is drawn."""

    stratify: bool = True
    """Bring every class to both sides of a split that is drawn, wherever that can be; if not, by chance."""

    hold_out: tuple[str, ...] = ()
    """Datasets to hold out as a whole, instead of a share; they need not be among `datasets`."""

    folds: int | None = Field(default=None, ge=2)
    """Deal the crops into so many folds, and hold out the one that `fold` names."""

    fold: int | None = Field(default=None, ge=0)
    """Which of the `folds` to hold out, counted from 0: one experiment for each."""


class Experiment(Settings):
    """One network and what is made of its predictions, from the crops it learns from to its objects."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the folder of the training run, `{work}/runs/{name}`."""

    data: DataSettings = DataSettings()
    """Which crops."""

    model: ModelSettings
    """Which network, at which voxel size, for which classes."""

    sampling: SamplingSettings = SamplingSettings()
    """How patches are drawn and augmented."""

    train: TrainSettings = TrainSettings()
    """How long and how to learn."""

    predict: PredictSettings = PredictSettings()
    """How predictions are made."""

    process: ProcessSettings = ProcessSettings()
    """How predictions become objects."""

    pack: PackSettings = PackSettings()
    """How the submission is stored."""

    assemble: AssembleSettings = AssembleSettings()
    """Which work folder each class of the submission is taken from; its own, if nothing is said."""


def load_experiment(path: Path | str) -> Experiment:
    """Read and check an experiment file; relative paths in it are taken from its folder.

    Raises:
        FileMissing: there is no such file.
        SettingsError: all problems at once; an unknown key names the nearest known one.
    """
    return _relative_to(parse_settings(Experiment, read_toml(path), str(path)), Path(path).parent)


def _relative_to(experiment: Experiment, folder: Path) -> Experiment:
    """The same with all of its paths counted from `folder`."""
    sections: dict[str, Settings] = {"assemble": experiment.assemble.relative_to(folder)}
    if experiment.data.datasplit is not None:
        split = folder / experiment.data.datasplit
        sections["data"] = experiment.data.model_copy(update={"datasplit": split})
    if experiment.model.start_from is not None:
        start = folder / experiment.model.start_from
        sections["model"] = experiment.model.model_copy(update={"start_from": start})
    if experiment.predict.checkpoints:
        beside = tuple(folder / checkpoint for checkpoint in experiment.predict.checkpoints)
        sections["predict"] = experiment.predict.model_copy(update={"checkpoints": beside})
    return experiment.model_copy(update=sections)
