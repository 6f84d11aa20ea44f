"""Tune the recipes of classes on validation crops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from organelle.catalog import Catalog, Crop, prediction_path
from organelle.classes import class_named, sort_classes
from organelle.errors import FileMissing, SettingsError
from organelle.evaluate import TruthReport, make_truth
from organelle.evaluate.scoring import library_versions
from organelle.files import locked, sha256
from organelle.metrics import require_version
from organelle.process import ProcessSettings, Recipe
from organelle.process.plan import Predictions
from organelle.progress import track
from organelle.stores import Place
from organelle.tune.exam import Exam, forget
from organelle.tune.gains import Tuned, judge
from organelle.tune.report import Left, TuneReport
from organelle.tune.space import space_of
from organelle.tune.study import Study, carry_out
from organelle.tune.trials import Journal
from organelle.tune.workers import Crew


@dataclass(frozen=True)
class TuneChoices:
    """How recipes are tuned."""

    metric: str = "2026-06"
    """Version of the metric whose score shall rise."""
    trials: int = 80
    """Recipes that are tried for each class: enough for its best value to be met within a sixteenth of its
    range for four or five parameters at a time."""
    seed: int = 0
    """Of the recipes that are drawn by chance."""
    workers: int = 1
    """Processes; they change nothing but the time."""
    specks: int = 200_000
    """Pieces beyond which a recipe is stopped where there is one in less than 1000 voxels: a tenth of what
    `csc process` bears, since no such recipe scores."""


def tune(
    catalog: Catalog,
    crops: Iterable[int],
    *,
    data: Place | str,
    work: Path | str,
    name: str,
    settings: ProcessSettings | None = None,
    classes: Sequence[str] | None = None,
    choices: TuneChoices | None = None,
) -> TuneReport:
    """Search, class by class, the parameters of its recipe that score best over all crops.

    Trials are kept in `{work}/tune/{name}/CLASS.jsonl`, and what is known is not tried again: a search that
    was killed goes on where it was and ends with the same recipes. Classes whose objects others use are
    tuned before them.

    Args:
        catalog: what exists.
        crops: numbers of training crops that nothing was learned from.
        data: folder or address of their labels, in the bucket's layout.
        work: folder with their predictions; receives `tune/{name}`.
        name: of the experiment.
        settings: the section `[process]`: where the search begins.
        classes: those to tune; default: all that are predicted.
        choices: how.

    Raises:
        SettingsError: test crops, no crops, or nothing to choose by.
        FileMissing: crops without predictions or labels.
        ScoringError: an unknown version of the metric, or labels that cannot be scored.
        WorkError: a worker died.
    """
    how = choices or TuneChoices()
    require_version(how.metric)
    chosen = _validation_crops(catalog, crops)
    settings = settings or ProcessSettings()
    predicted = _predicted(chosen, Path(work))
    wanted = sort_classes(
        [name for name in predicted if "/" not in name]
        if classes is None
        else [class_named(name).name for name in classes]
    )
    recipes = _recipes(settings, wanted, predicted)
    annotated = [crop.id for crop in chosen if set(crop.classes) & set(wanted)] or _nothing(wanted, chosen)
    folder = Path(work) / "tune" / name
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):  # a second call waits, and finds all that the first has tried
        truth = make_truth(
            catalog, annotated, data=data, out=folder / "truth", classes=wanted, overwrite=True
        )
        specks = min(how.specks, settings.most_pieces)
        exam = Exam(how.metric, truth.store, Path(work), chosen, specks)
        left = tuple(_left(wanted, recipes, predicted, truth))
        names = [n for n in wanted if n not in {alone.class_name for alone in left}]
        tuned = _tune(names, recipes, _Setting(exam, truth, folder, how))
    in_order = sorted(tuned, key=lambda one: wanted.index(one.class_name))
    return TuneReport(folder, how.metric, tuple(in_order), left)


@dataclass(frozen=True)
class _Setting:
    """What all searches share."""

    exam: Exam
    truth: TruthReport
    folder: Path
    choices: TuneChoices

    def study(self, name: str, recipes: Mapping[str, Recipe]) -> Study:
        crops = tuple(row.crop_id for row in self.truth.rows if row.class_name == name)
        others = {other: recipes[other] for other in _used(name, recipes)}
        channels = {c for other in (name, *others) for c in recipes[other].reads(other)}
        return Study(
            space_of(name, recipes[name]),
            crops,
            others,
            self._made_of(name, crops, sorted(channels)),
            Journal(self.folder / f"{name}.jsonl"),
            self.choices.trials,
            self.choices.seed,
        )

    def objects(self, name: str) -> int | None:
        rows = [row for row in self.truth.rows if row.class_name == name]
        counted = [row.objects for row in rows if row.objects is not None]
        return sum(counted) if counted else None

    def _made_of(self, name: str, crops: Sequence[int], channels: Sequence[str]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "metric": self.exam.metric,
            "specks": self.exam.specks,
            "versions": library_versions(),
        }
        for number in crops:
            crop = self.exam.crop(number)
            truth = self.exam.truth / crop.name
            paths = [truth / name, truth / f"{name}_mask"]
            paths += [prediction_path(self.exam.work, crop, channel) for channel in channels]
            made[crop.name] = [_hash(path) for path in paths if path.exists()]
        return made


def _tune(names: Sequence[str], recipes: Mapping[str, Recipe], setting: _Setting) -> list[Tuned]:
    """Wave after wave: classes whose objects others use come before them."""
    now, tuned = dict(recipes), list[Tuned]()
    waves = _waves(names, recipes)
    total = sum(setting.choices.trials for name in names if space_of(name, recipes[name]).parameters)

    def trials(crew: Crew) -> Iterator[Any]:
        for wave in waves:
            studies = [setting.study(name, now) for name in wave]
            yield from carry_out(studies, crew)
            for study in studies:
                tuned.append(judge(study, setting.objects(study.class_name)))
                now[study.class_name] = tuned[-1].recipe

    try:
        with Crew(setting.exam, setting.choices.workers) as crew:
            for _ in track(trials(crew), "tune", total=total):
                pass
    finally:
        forget()
        _hash.cache_clear()
    return tuned


def _validation_crops(catalog: Catalog, numbers: Iterable[int]) -> tuple[Crop, ...]:
    crops = tuple(catalog.crop(number) for number in numbers)
    if hidden := [str(crop.id) for crop in crops if crop.is_test]:
        raise SettingsError(
            f"{', '.join(hidden)} are test crops: recipes are never tuned on them, their truth is hidden; "
            "name crops that are held out for validation"
        )
    if not crops:
        raise SettingsError("there is no crop to tune on; hold some out under validate in [data]")
    return crops


def _predicted(crops: Sequence[Crop], work: Path) -> tuple[str, ...]:
    """The classes, and other channels, that are predicted in every crop."""
    found = [Predictions(work, crop).channels for crop in crops]
    common = tuple(name for name in found[0] if all(name in other for other in found))
    if not common:
        numbers = ",".join(str(crop.id) for crop in crops)
        raise FileMissing(
            f"no class is predicted in all of the crops {numbers} below {work}; make the predictions with: "
            f"csc predict CONFIG --crops {numbers}"
        )
    return common


def _recipes(settings: ProcessSettings, names: Sequence[str], predicted: Sequence[str]) -> dict[str, Recipe]:
    """The recipes of classes, and of those whose objects they use."""
    recipes: dict[str, Recipe] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name not in recipes:
            recipes[name] = settings.recipe(name, predicted)
            left += recipes[name].uses(name)
    for name in names:
        _used(name, recipes)
    return recipes


def _used(name: str, recipes: Mapping[str, Recipe], before: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The classes whose objects are needed for a class, directly or by way of others."""
    if name in before:
        circle = " -> ".join((*before[before.index(name) :], name))
        raise SettingsError(f"recipes wait for each other's objects: {circle}; let one use probabilities")
    uses = recipes[name].uses(name)
    deeper = [n for other in uses for n in _used(other, recipes, (*before, name))]
    return tuple(dict.fromkeys((*uses, *deeper)))


def _waves(names: Sequence[str], recipes: Mapping[str, Recipe]) -> list[list[str]]:
    waves: list[list[str]] = []
    left = list(names)
    while left:
        wave = [name for name in left if not set(_used(name, recipes)) & set(left)]
        waves.append(wave)
        left = [name for name in left if name not in wave]
    return waves


def _left(
    names: Sequence[str], recipes: Mapping[str, Recipe], predicted: Sequence[str], truth: TruthReport
) -> Iterator[Left]:
    """The classes whose recipes stay as they are, and why."""
    for name in names:
        rows = [row for row in truth.rows if row.class_name == name]
        needs = {n for other in (name, *_used(name, recipes)) for n in recipes[other].needs(other)}
        lacking = sorted(needs - set(predicted))
        if lacking:
            yield Left(name, f"its recipe needs {', '.join(lacking)}, which is not predicted")
        elif not rows:
            yield Left(name, "no validation crop is annotated with it")
        elif not any(row.voxels for row in rows):
            yield Left(name, "there is none of it in the validation crops, as far as is known")


def _nothing(names: Sequence[str], crops: Sequence[Crop]) -> list[int]:
    raise SettingsError(
        f"none of the classes {', '.join(names)} is annotated in the validation crops "
        f"{', '.join(str(crop.id) for crop in crops)}: there is nothing to choose by"
    )


@cache
def _hash(path: Path) -> str:
    return sha256(path)
