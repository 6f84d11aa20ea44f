"""What will be processed: a pure list, made before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from organelle.catalog import Catalog, Crop, prediction_path, processed_path
from organelle.classes import Kind, all_classes, class_named, kind_of
from organelle.errors import FileMissing, FormatError, GridMismatch, OutputExists, did_you_mean
from organelle.files import sha256
from organelle.geometry import Grid
from organelle.process.recipes import ProcessSettings, Recipe
from organelle.volumes import Multiscale, open_multiscale

MADE_BY = ("checkpoint_sha256", "mirrors", "blending")
"""What a prediction's attributes say about how it was made."""


@dataclass(frozen=True)
class ProcessTask:
    """One class of one crop."""

    crop: Crop
    class_name: str
    recipe: Recipe
    grid: Grid
    """Of the prediction, and hence of the output."""
    predictions: dict[str, Path]
    """The class's own probabilities first, then those of the classes that cut."""
    way: dict[str, Any]
    """All that the output depends on: two tasks with the same way give the same."""
    output: Path

    @property
    def kind(self) -> Kind:
        """Objects or mask."""
        return kind_of(self.class_name)


@dataclass(frozen=True)
class ProcessPlan:
    """The work of one call of `process`."""

    tasks: tuple[ProcessTask, ...]
    kept: tuple[Path, ...]
    """Outputs that stand there already, made by the same recipe from the same predictions."""

    @property
    def voxels(self) -> int:
        """Voxels of all outputs."""
        return sum(task.grid.box.size for task in self.tasks)


def plan_process(
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    *,
    work: Path | str,
    settings: ProcessSettings | None = None,
    output: Path | str | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> ProcessPlan:
    """List what `process` would do; only metadata is read. The arguments are those of `process`."""
    settings = settings or ProcessSettings()
    tasks: list[ProcessTask] = []
    kept: list[Path] = []
    for crop in catalog.select(crops):
        predictions = _Predictions(Path(work), crop)
        for name in predictions.classes if classes is None else dict.fromkeys(classes):
            task = _plan_task(predictions, name, settings, Path(output or work))
            if overwrite or not _stands(task):
                tasks.append(task)
            else:
                kept.append(task.output)
    return ProcessPlan(tuple(tasks), tuple(kept))


@dataclass(frozen=True)
class _Predictions:
    """The predicted volumes of one crop."""

    work: Path
    crop: Crop

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes predicted, in the table's order; `FileMissing` if there is none."""
        names = tuple(c.name for c in all_classes() if self.path(c.name).is_dir())
        if not names:
            raise FileMissing(
                f"{self.crop.name} of {self.crop.dataset} has no prediction below {self.work}; make one "
                f"with: csc predict --crops {self.crop.id}"
            )
        return names

    def path(self, name: str) -> Path:
        return prediction_path(self.work, self.crop, name)

    def open(self, name: str, needed_by: str) -> Multiscale:
        """The probabilities of one class."""
        class_named(name)
        if name not in self.classes:
            cut = "" if name == needed_by else f", which the recipe of {needed_by} subtracts (minus)"
            raise FileMissing(
                f"{self.crop.name} of {self.crop.dataset}: {name}{cut} is not predicted below {self.work}"
                f"{did_you_mean(name, self.classes)}; predicted: {', '.join(self.classes)}. Predict it with "
                f"a checkpoint that knows it: csc predict --crops {self.crop.id}"
            )
        return open_multiscale(self.path(name))


def _plan_task(predictions: _Predictions, name: str, settings: ProcessSettings, output: Path) -> ProcessTask:
    recipe = settings.recipe(name)
    images = {source: predictions.open(source, name) for source in dict.fromkeys((name, *recipe.minus))}
    grid = images[name].levels[0].grid
    for image in images.values():
        other = image.levels[0].grid
        if other.shape != grid.shape or not grid.shares_lattice(other) or any(grid.shift_to(other)):
            raise GridMismatch(
                f"{image.path} ({other.shape} voxels of {other.voxel_size_nm} nm) does not lie on the grid "
                f"of {name} ({grid.shape} voxels of {grid.voxel_size_nm} nm); predict both with one network"
            )
    return ProcessTask(
        predictions.crop,
        name,
        recipe,
        grid,
        {source: image.folder for source, image in images.items()},
        {
            "recipe": recipe.model_dump(mode="json"),
            "predictions": {source: _origin(image) for source, image in images.items()},
        },
        processed_path(output, predictions.crop, name),
    )


def _origin(image: Multiscale) -> dict[str, Any]:
    """How a prediction was made; for one that does not say, the hash of its files."""
    record = image.attributes.get("organelle", {})
    made_by = {key: record[key] for key in MADE_BY if key in record}
    return made_by if "checkpoint_sha256" in made_by else {"sha256": sha256(image.folder)}


def _stands(task: ProcessTask) -> bool:
    """Whether the same output is there already; `OutputExists` if another one is."""
    if not task.output.exists():
        return False
    try:
        image = open_multiscale(task.output)
        record = image.attributes.get("organelle", {})
        same = image.levels[0].grid.shape == task.grid.shape and task.way.items() <= record.items()
    except (FormatError, FileMissing):  # something else stands there, which is an answer
        same = False
    if not same:
        raise OutputExists(
            f"{task.output} was made by another recipe or from another prediction; "
            "choose another work folder or add --overwrite"
        )
    return True
