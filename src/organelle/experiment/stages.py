"""The stages of one experiment, each bound to its section of the file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.catalog import Catalog, Crop, Datasplit, make_datasplit, read_datasplit
from organelle.errors import SettingsError
from organelle.experiment.settings import Experiment
from organelle.predict import PredictReport, predict
from organelle.process import ProcessReport, process
from organelle.stores import Place

if TYPE_CHECKING:
    from organelle.train import TrainReport

CropNames = str | int | Iterable[str | int]


def run_folder(experiment: Experiment, work: Path | str) -> Path:
    """Where the training run of an experiment stands."""
    return Path(work) / "runs" / experiment.name


def datasplit(experiment: Experiment, catalog: Catalog) -> Datasplit:
    """The crops to learn from and to hold out, from the section `[data]`.

    Raises:
        SettingsError: the section names its crops in two ways, or crops of both sides share volume.
    """
    chosen = experiment.data
    named = bool(chosen.train or chosen.validate_on)
    if named and chosen.datasplit:
        raise SettingsError("[data] names crops and a datasplit; keep one of the two")
    if named:
        split = _named(catalog, chosen.train, chosen.validate_on, experiment.model.classes)
    elif chosen.datasplit:
        split = read_datasplit(chosen.datasplit, catalog)
    else:
        split = make_datasplit(
            catalog,
            classes=experiment.model.classes,
            validate_ratio=chosen.validate_ratio,
            seed=chosen.split_seed,
            datasets=chosen.datasets or None,
        )
    if split.leaks:
        pairs = ", ".join(f"{a.id} and {b.id}" for a, b in split.leaks)
        raise SettingsError(f"crops share volume but stand on both sides of the split: {pairs}")
    return split


def train_experiment(
    experiment: Experiment, catalog: Catalog, *, data: Place | str, work: Path | str, overwrite: bool = False
) -> TrainReport:
    """Train the experiment's network; a run that was interrupted goes on, a finished one is left as it is."""
    from organelle.train import train

    split = datasplit(experiment, catalog)
    return train(
        experiment.model,
        data=data,
        run=run_folder(experiment, work),
        train_crops=split.train,
        validate_crops=split.validate,
        sampling=experiment.sampling,
        settings=experiment.train,
        overwrite=overwrite,
    )


def predict_experiment(
    experiment: Experiment,
    catalog: Catalog,
    crops: CropNames = "test",
    *,
    data: Place | str,
    work: Path | str,
    output: Path | str | None = None,
    overwrite: bool = False,
) -> PredictReport:
    """Predict crops of the experiment's datasets with its best checkpoint, to `output` (default: `work`)."""
    from organelle.train import best_checkpoint

    return predict(
        best_checkpoint(run_folder(experiment, work)),
        catalog,
        _ids(experiment, catalog, crops),
        data=data,
        work=output or work,
        settings=experiment.predict,
        classes=experiment.model.classes,
        overwrite=overwrite,
    )


def process_experiment(
    experiment: Experiment,
    catalog: Catalog,
    crops: CropNames = "test",
    *,
    work: Path | str,
    output: Path | str | None = None,
    overwrite: bool = False,
) -> ProcessReport:
    """Turn the predictions of the experiment's classes into masks and objects, in `output` (or `work`)."""
    return process(
        catalog,
        _ids(experiment, catalog, crops),
        work=work,
        settings=experiment.process,
        output=output,
        classes=experiment.model.classes,
        overwrite=overwrite,
    )


def _ids(experiment: Experiment, catalog: Catalog, crops: CropNames) -> list[int]:
    """Numbers of the crops asked for that lie in the experiment's datasets."""
    datasets = {catalog.dataset(name).name for name in experiment.data.datasets} or set(catalog.datasets)
    asked = catalog.select(crops)
    chosen = [crop.id for crop in asked if crop.dataset in datasets]
    if not chosen:
        raise SettingsError(
            f"none of the crops {crops!r} lies in the experiment's datasets {', '.join(sorted(datasets))}"
        )
    return chosen


def _named(
    catalog: Catalog, train: Iterable[int], validate: Iterable[int], classes: tuple[str, ...]
) -> Datasplit:
    sides = [tuple(_training_crop(catalog, number) for number in side) for side in (train, validate)]
    if not sides[0]:
        raise SettingsError("[data] validate is given, but train names no crop")
    return Datasplit(sides[0], sides[1], classes)


def _training_crop(catalog: Catalog, number: int) -> Crop:
    crop = catalog.crop(number)
    if crop.is_test:
        raise SettingsError(f"[data] names crop {number}, which is a test crop: its truth is hidden")
    return crop
