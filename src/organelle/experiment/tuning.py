"""Tune the recipes of an experiment on the crops that it holds out, and write its file anew."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from organelle.catalog import Catalog, split_place
from organelle.classes import class_named
from organelle.errors import OutputExists, SettingsError, did_you_mean, require_installed
from organelle.experiment.crops import datasplit
from organelle.experiment.settings import Experiment, load_experiment
from organelle.experiment.stages import channels_wanted, run_folder
from organelle.files import refuse_existing, require_local, whole
from organelle.predict import predict
from organelle.stores import Place
from organelle.tune import (
    TuneChoices,
    Tuned,
    TunedSection,
    TuneReport,
    draw_search,
    rewrite,
    tune,
    write_scores,
)


@dataclass(frozen=True)
class TunedExperiment:
    """What `tune_experiment` made."""

    report: TuneReport
    path: Path
    """The experiment with tuned recipes."""
    scores: Path
    """The table, as CSV."""
    pictures: tuple[Path, ...]
    """The search of each class."""
    warnings: tuple[str, ...]
    """What a reader of the predictions should know."""


def tuned_path(config: Path | str) -> Path:
    """Where the tuned experiment is written unless somebody says otherwise: `NAME-tuned.toml` beside it."""
    return Path(config).with_name(f"{Path(config).stem}-tuned.toml")


def tune_experiment(
    config: Path | str,
    catalog: Catalog,
    crops: str | int | Iterable[str | int] | None = None,
    *,
    data: Place | str,
    work: Path | str,
    output: Path | str | None = None,
    classes: Sequence[str] | None = None,
    choices: TuneChoices | None = None,
    overwrite: bool = False,
) -> TunedExperiment:
    """Predict the crops held out with the best checkpoint, tune the recipes on them, write the file anew.

    The tuned file is the experiment's own text, with other values in the sections `[process.CLASS]` of the
    classes whose score rises. Trials, table and pictures lie in `{work}/tune/NAME`.

    Args:
        config: the experiment's file.
        catalog: what exists.
        crops: some of the crops held out; default: all.
        data: folder or address of EM and labels.
        work: folder with the training run; receives predictions and `tune/NAME`.
        output: the tuned file; default: `tuned_path`.
        classes: those to tune; default: those of the experiment.
        choices: how.
        overwrite: replace the tuned file, and predictions of another checkpoint.

    Raises:
        SettingsError: test crops, crops that were learned from, no crops, or classes of another experiment.
        FileMissing: there is no checkpoint yet.
        OutputExists: the tuned file, or predictions of another checkpoint, stand there.
        MissingExtra: what scores and draws is not installed.
    """
    require_installed(("numba", "cc3d", "skimage", "ortools"), "score")
    require_installed(("matplotlib",), "view")
    experiment = load_experiment(config)
    text = Path(config).read_text(encoding="utf-8")
    numbers = _held_out(experiment, catalog, crops)
    chosen = _classes(experiment, classes)
    path = require_local(output or tuned_path(config))
    if path.resolve() == Path(config).resolve():
        raise SettingsError(f"{path} is the experiment itself; choose another name for the tuned one")
    refuse_existing(path, overwrite=overwrite)
    table = experiment.data.datasplit
    place = split_place(table, catalog, data) if table else data
    warnings = _predict(experiment, catalog, numbers, place, work, choices, overwrite=overwrite)
    report = tune(
        catalog,
        numbers,
        data=place,
        work=work,
        name=experiment.name,
        settings=experiment.process,
        classes=chosen,
        choices=choices,
    )
    sections = [_section(tuned, report.metric) for tuned in report.changed]
    head = f"# {Path(config).name} with recipes tuned by csc tune on crops {_listed(numbers)}.\n"
    with whole(path, overwrite=overwrite) as part:
        part.write_text(head + rewrite(text, sections), encoding="utf-8")
    scores = report.folder / f"scores-{report.metric}.csv"
    write_scores(report.classes, scores)
    return TunedExperiment(report, path, scores, tuple(_pictures(report)), warnings)


def _held_out(
    experiment: Experiment, catalog: Catalog, crops: str | int | Iterable[str | int] | None
) -> tuple[int, ...]:
    """Numbers of the crops to tune on: held out, and no test crops."""
    split = datasplit(experiment, catalog)
    if crops is None:
        if not split.validate:
            raise SettingsError(
                "the experiment holds out no crop, and recipes are not tuned on crops that the network has "
                "learned from; name some under validate in [data], and train again"
            )
        return tuple(crop.id for crop in split.validate)
    asked = catalog.select(crops)
    if hidden := [crop.id for crop in asked if crop.is_test]:
        raise SettingsError(
            f"crops {_listed(hidden)} are test crops: recipes are never tuned on them; name crops that are "
            f"held out: {_listed(crop.id for crop in split.validate)}"
        )
    learned = {crop.id for crop in split.train}
    if known := [crop.id for crop in asked if crop.id in learned]:
        raise SettingsError(
            f"the network has learned from crops {_listed(known)}, where it looks better than it is; name "
            f"crops that are held out: {_listed(crop.id for crop in split.validate)}"
        )
    return tuple(crop.id for crop in asked)


def _classes(experiment: Experiment, classes: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(class_named(name).name for name in classes or experiment.model.classes)
    for name in names:
        if name not in experiment.model.classes:
            near = did_you_mean(name, experiment.model.classes)
            raise SettingsError(
                f"{experiment.name} does not predict {name}{near}; it predicts "
                f"{', '.join(experiment.model.classes)}"
            )
    return names


def _predict(
    experiment: Experiment,
    catalog: Catalog,
    crops: Sequence[int],
    data: Place | str,
    work: Path | str,
    choices: TuneChoices | None,
    *,
    overwrite: bool,
) -> tuple[str, ...]:
    """Predict what is not predicted yet; with `overwrite` also what another checkpoint has predicted."""
    from organelle.train import best_checkpoint

    checkpoints = experiment.predict.checkpoints or (best_checkpoint(run_folder(experiment, work)),)

    def made(*, overwrite: bool) -> tuple[str, ...]:
        return predict(
            checkpoints,
            catalog,
            crops,
            data=data,
            work=work,
            settings=experiment.predict,
            classes=partial(channels_wanted, experiment),
            overwrite=overwrite,
            workers=choices.workers if choices else 1,
        ).warnings

    try:
        return made(overwrite=False)
    except OutputExists:
        if not overwrite:
            raise
        return made(overwrite=True)


def _section(tuned: Tuned, metric: str) -> TunedSection:
    values = {i: tuned.chosen[i] for i in tuned.space.changed(tuned.chosen)}
    crossed = "" if math.isnan(tuned.crossed) else f" ({tuned.crossed_gain:+.3f} on crops without a say)"
    why = f"tuned: metric {metric} from {tuned.before:.3f} to {tuned.after:.3f}{crossed}"
    return TunedSection(tuned.space, values, why)


def _pictures(report: TuneReport) -> Iterable[Path]:
    for tuned in report.classes:
        path = report.folder / f"{tuned.class_name}-{report.metric}.png"
        draw_search(tuned, path)
        yield path


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
