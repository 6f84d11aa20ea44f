"""What will be processed: a pure list, made before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from organelle.catalog import Catalog, Crop, Region, prediction_path, processed_path
from organelle.classes import Kind, all_classes, class_named, kind_of
from organelle.errors import (
    FileMissing,
    FormatError,
    GridMismatch,
    OutputExists,
    SettingsError,
    did_you_mean,
)
from organelle.files import sha256
from organelle.geometry import Grid
from organelle.process.recipes import FLAT, ProcessSettings, Recipe
from organelle.volumes import Multiscale, open_multiscale

MADE_BY = (
    "checkpoint_sha256", "backend", "precision", "mirrors", "turns", "planes", "window", "blending", "em"
)  # fmt: skip
"""What a prediction's attributes say about how it was made, as `organelle.predict` writes it."""


Classes = Sequence[str] | Callable[[Crop | Region], Sequence[str]] | None
"""What is made: classes for all crops alike, or for each, or all that are predicted."""


@dataclass(frozen=True)
class ProcessTask:
    """One class of one crop."""

    crop: Crop | Region
    class_name: str
    recipe: Recipe
    grid: Grid
    """Of the prediction, and hence of the output."""
    predictions: dict[str, Path]
    """The class's own probabilities first, then those of the other classes that its recipe reads."""
    objects: dict[str, Path]
    """The processed volumes that its recipe uses; tasks before this one make those that are not there."""
    way: dict[str, Any]
    """All that the output depends on: two tasks with the same way give the same."""
    output: Path

    @property
    def title(self) -> str:
        """Volume and class, for messages."""
        return f"{self.crop.dataset}/{self.crop.name}/{self.class_name}"

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
    asked: tuple[ProcessTask, ...] = ()
    """The tasks, and those of what stands there, each after those whose objects it uses."""

    @property
    def voxels(self) -> int:
        """Voxels of all outputs."""
        return sum(task.grid.box.size for task in self.tasks)


def plan_process(
    catalog: Catalog,
    crops: str | int | Iterable[str | int] | None,
    *,
    work: Path | str,
    settings: ProcessSettings | None = None,
    output: Path | str | None = None,
    classes: Classes = None,
    regions: Sequence[Region] = (),
    overwrite: bool = False,
) -> ProcessPlan:
    """List what `process` would do; only metadata is read. The arguments are those of `process`.

    Classes whose objects a recipe uses come before it, also when they were not asked for.
    """
    settings = settings or ProcessSettings()
    tasks: list[ProcessTask] = []
    kept: list[Path] = []
    every: list[ProcessTask] = []
    places: list[Crop | Region] = [*(catalog.select(crops) if crops is not None else ()), *regions]
    for crop in places:
        planned = _Planned(Predictions(Path(work), crop), settings, Path(output or work))
        asked = classes(crop) if callable(classes) else classes
        for name in planned.predictions.classes if asked is None else asked:
            planned.add(name)
        every += planned.tasks.values()
        for task in planned.tasks.values():
            if overwrite or not stands(task):
                tasks.append(task)
            else:
                kept.append(task.output)
    return ProcessPlan(tuple(tasks), tuple(kept), tuple(every))


@dataclass(frozen=True)
class Predictions:
    """The predicted volumes of one crop."""

    work: Path
    crop: Crop | Region

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes predicted, in the table's order; `FileMissing` if there is none."""
        names = tuple(c.name for c in all_classes() if self.path(c.name).is_dir())
        if not names:
            raise FileMissing(
                f"{self.crop.name} of {self.crop.dataset} has no prediction below {self.work}; make one "
                f"with: csc predict {self._named}"
            )
        return names

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """The classes, and what else the network told of them: `mito/distance`."""
        folder = self.path(self.classes[0]).parent
        more = sorted(place.name for place in folder.iterdir() if "." in place.name[1:] and place.is_dir())
        return (*self.classes, *(name.replace(".", "/", 1) for name in more if name[0] != "."))

    @property
    def _named(self) -> str:
        return f"--crops {self.crop.id}" if isinstance(self.crop, Crop) else f"--region {self.crop.dataset}"

    def path(self, name: str) -> Path:
        """Where a class or channel is predicted."""
        return prediction_path(self.work, self.crop, name)

    def open(self, name: str, needed_by: str) -> Multiscale:
        """What is predicted of one class or channel."""
        class_named(name.partition("/")[0])
        if name not in self.channels:
            cut = "" if name == needed_by else f", which the recipe of {needed_by} needs,"
            raise FileMissing(
                f"{self.crop.name} of {self.crop.dataset}: {name}{cut} is not predicted below {self.work}"
                f"{did_you_mean(name, self.channels)}; predicted: {', '.join(self.channels)}. Predict it "
                f"with a checkpoint that knows it: csc predict {self._named}"
            )
        return open_multiscale(self.path(name))


@dataclass
class _Planned:
    """The tasks of one crop, each after those whose objects it uses."""

    predictions: Predictions
    settings: ProcessSettings
    output: Path
    tasks: dict[str, ProcessTask] = field(default_factory=dict)

    def add(self, name: str, needed_by: tuple[str, ...] = ()) -> ProcessTask:
        """Plan a class, after those that its recipe uses; `needed_by` it came here."""
        if name in needed_by:
            circle = " -> ".join((*needed_by[needed_by.index(name) :], name))
            raise SettingsError(f"recipes wait for each other's objects: {circle}; let one use probabilities")
        if name not in self.tasks:
            image = self.predictions.open(name, needed_by[-1] if needed_by else name)
            recipe = self.settings.recipe(name, self.predictions.channels)
            used = {other: self.add(other, (*needed_by, name)) for other in recipe.uses(name)}
            self.tasks[name] = self._task(name, recipe, image, used)
        return self.tasks[name]

    def _task(self, name: str, recipe: Recipe, own: Multiscale, used: dict[str, ProcessTask]) -> ProcessTask:
        images = {
            source: own if source == name else self.predictions.open(source, name)
            for source in recipe.reads(name)
        }
        grid = own.levels[0].grid
        for image in images.values():
            _require_grid(name, grid, str(image.path), image.levels[0].grid)
        for task in used.values():
            _require_grid(name, grid, str(task.predictions[task.class_name]), task.grid)
        way: dict[str, Any] = {
            "recipe": recipe.model_dump(mode="json", exclude=set(FLAT) if recipe.parts else {"parts"}),
            "predictions": {source: _origin(image) for source, image in images.items()},
        }
        return ProcessTask(
            self.predictions.crop,
            name,
            recipe,
            grid,
            {source: image.folder for source, image in images.items()},
            {other: task.output for other, task in used.items()},
            way | ({"objects": {other: task.way for other, task in used.items()}} if used else {}),
            processed_path(self.output, self.predictions.crop, name),
        )


def _require_grid(name: str, grid: Grid, path: str, other: Grid) -> None:
    """Raise `GridMismatch` unless another prediction lies on the grid of a class."""
    if other.shape != grid.shape or not grid.shares_lattice(other) or any(grid.shift_to(other)):
        raise GridMismatch(
            f"{path} ({other.shape} voxels of {other.voxel_size_nm} nm) does not lie on the grid "
            f"of {name} ({grid.shape} voxels of {grid.voxel_size_nm} nm); predict both with one network"
        )


def _origin(image: Multiscale) -> dict[str, Any]:
    """How a prediction was made; for one that does not say, the hash of its files."""
    record = image.attributes.get("organelle", {})
    made_by = {key: record[key] for key in MADE_BY if key in record}
    return made_by if "checkpoint_sha256" in made_by else {"sha256": sha256(image.folder)}


def stands(task: ProcessTask) -> bool:
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
