"""The stages of one experiment, each bound to its section of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.catalog import Catalog, Crop, Region, split_place
from organelle.errors import SettingsError
from organelle.experiment.crops import datasplit
from organelle.experiment.settings import Experiment
from organelle.predict import PredictPlan, PredictReport, plan_predict, predict
from organelle.process import ProcessReport, process
from organelle.stores import Place

CACHE_BYTES = 64 * 2**30
"""What the decoded crops of training may fill on disk: all crops of the challenge at 8 nm, several times."""

if TYPE_CHECKING:
    from organelle.train import TrainReport

CropNames = str | int | Iterable[str | int]


def run_folder(experiment: Experiment, work: Path | str) -> Path:
    """Where the training run of an experiment stands."""
    return Path(work) / "runs" / experiment.name


def train_experiment(
    experiment: Experiment,
    catalog: Catalog,
    *,
    data: Place | str,
    work: Path | str,
    cache: Path | str | None = None,
    cache_bytes: int = CACHE_BYTES,
    overwrite: bool = False,
) -> TrainReport:
    """Train the experiment's network; a run that was interrupted goes on, a finished one is left as it is.

    Volumes are read below `data`. When it holds none of the crops of the experiment's table of a split,
    they are read where the table says, as by `organelle.catalog.split_place`, whose errors this raises.
    Crops are kept, decoded, in `cache` (default: `{work}/cache`), at most `cache_bytes` of them; with 0 they
    are held in memory.
    """
    from organelle.sampling import CropCache
    from organelle.train import train

    kept = CropCache(Path(cache or Path(work) / "cache"), cache_bytes) if cache_bytes else None
    split, table = datasplit(experiment, catalog), experiment.data.datasplit
    return train(
        experiment.model,
        data=split_place(table, catalog, data) if table else data,
        run=run_folder(experiment, work),
        train_crops=split.train,
        validate_crops=split.validate,
        sampling=experiment.sampling,
        settings=experiment.train,
        recipes=experiment.process,
        cache=kept,
        overwrite=overwrite,
    )


def predict_experiment(
    experiment: Experiment,
    catalog: Catalog,
    crops: CropNames | None = "test",
    *,
    data: Place | str,
    work: Path | str,
    output: Path | str | None = None,
    regions: Sequence[Region] = (),
    overwrite: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    block_seconds: float | None = None,
) -> PredictReport:
    """Predict crops and regions with the experiment's best checkpoint, to `output` (default: `work`).

    Crops are those that lie in the experiment's datasets. Of a test crop the classes are written that it is
    scored on, and what their recipes need; of others all that the network tells. Blocks are shared as
    `predict` says.
    """
    return predict(
        *_asked(experiment, catalog, crops, work),
        data=data,
        work=output or work,
        settings=experiment.predict,
        classes=partial(channels_wanted, experiment),
        regions=regions,
        overwrite=overwrite,
        workers=workers,
        scheduler=scheduler,
        block_seconds=block_seconds,
    )


def plan_prediction(
    experiment: Experiment,
    catalog: Catalog,
    crops: CropNames | None = "test",
    *,
    data: Place | str,
    work: Path | str,
    output: Path | str | None = None,
    regions: Sequence[Region] = (),
    overwrite: bool = False,
) -> PredictPlan:
    """What `predict_experiment` would do."""
    return plan_predict(
        *_asked(experiment, catalog, crops, work),
        data=data,
        work=output or work,
        settings=experiment.predict,
        classes=partial(channels_wanted, experiment),
        regions=regions,
        overwrite=overwrite,
    )


def _asked(
    experiment: Experiment, catalog: Catalog, crops: CropNames | None, work: Path | str
) -> tuple[tuple[Path, ...], Catalog, list[int] | None]:
    """Checkpoints, catalog and crops of a prediction."""
    from organelle.train import best_checkpoint

    checkpoints = experiment.predict.checkpoints or (best_checkpoint(run_folder(experiment, work)),)
    return checkpoints, catalog, None if crops is None else _ids(experiment, catalog, crops)


def process_experiment(
    experiment: Experiment,
    catalog: Catalog,
    crops: CropNames | None = "test",
    *,
    work: Path | str,
    output: Path | str | None = None,
    regions: Sequence[Region] = (),
    overwrite: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    block_seconds: float | None = None,
) -> ProcessReport:
    """Turn the predictions of the experiment's classes into masks and objects, in `output` (or `work`)."""
    return process(
        catalog,
        None if crops is None else _ids(experiment, catalog, crops),
        work=work,
        settings=experiment.process,
        output=output,
        classes=partial(classes_wanted, experiment),
        regions=regions,
        overwrite=overwrite,
        workers=workers,
        scheduler=scheduler,
        block_seconds=block_seconds,
    )


def classes_wanted(experiment: Experiment, crop: Crop | Region) -> tuple[str, ...]:
    """The experiment's classes, of a test crop those that it is scored on."""
    classes = experiment.model.classes
    if isinstance(crop, Region) or not crop.is_test:
        return classes
    return tuple(name for name in classes if name in crop.classes)


def channels_wanted(experiment: Experiment, crop: Crop | Region) -> tuple[str, ...]:
    """What is predicted of a crop: all channels, of a test crop those that its scored classes need."""
    channels = [channel.name for channel in experiment.model.channels]
    if isinstance(crop, Region) or not crop.is_test:
        return tuple(channels)
    needed = set(classes_wanted(experiment, crop))
    todo = list(needed)
    while todo:
        name = todo.pop()
        recipe = experiment.process.recipe(name, channels)
        todo += recipe.needs(name) - needed if name in experiment.model.classes else ()
        needed |= recipe.needs(name)
    return tuple(name for name in channels if name in needed)


def _ids(experiment: Experiment, catalog: Catalog, crops: CropNames) -> list[int]:
    """Numbers of the crops asked for that lie in the experiment's datasets, learned from or held out."""
    named = (*experiment.data.datasets, *experiment.data.hold_out) if experiment.data.datasets else ()
    datasets = {catalog.dataset(name).name for name in named} or set(catalog.datasets)
    asked = catalog.select(crops)
    chosen = [crop.id for crop in asked if crop.dataset in datasets]
    if not chosen:
        raise SettingsError(
            f"none of the crops {crops!r} lies in the experiment's datasets {', '.join(sorted(datasets))}"
        )
    return chosen
