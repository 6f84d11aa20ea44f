"""The whole path in one call: see, learn, predict, make objects, pack, score, and look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from organelle.catalog import Catalog, load_catalog
from organelle.demo import baselines
from organelle.demo.plan import FULL, QUICK, REAL, Effort, plan_experiments
from organelle.demo.stopwatch import Stopwatch
from organelle.demo.summary import ScoreRow, compare, score_table, write_summary
from organelle.errors import OutputExists, SubmissionError, require_folder
from organelle.evaluate import Result, comparable_scores, evaluate, write_report, write_result
from organelle.experiment import (
    Experiment,
    load_experiment,
    predict_experiment,
    process_experiment,
    train_experiment,
)
from organelle.files import whole
from organelle.pack import pack
from organelle.phantom import PhantomSettings, write_phantom
from organelle.submission import validate


@dataclass(frozen=True)
class DemoReport:
    """What a tour ended with."""

    result: Result
    rows: tuple[ScoreRow, ...]
    report: Path


def demo(
    work: Path | str,
    *,
    challenge: Path | str | None = None,
    quick: bool = False,
    steps: int | None = None,
    seed: int = 0,
    console: Console | None = None,
) -> DemoReport:
    """Train on the training crops of a challenge, score its test crops, and print what came of it.

    A second call goes on where the first was interrupted; stages that are done are left as they are.

    Args:
        work: folder that receives everything.
        challenge: folder with the three tables, `bucket/` and `truth.zarr`, only read; default: a synthetic
            cell, written to `{work}/challenge`.
        quick: a tiny cell and a few steps, to see that all stages work.
        steps: of training a network; None: as many as the tour was made for.
        seed: of the cell and of the training.
        console: where to print; default: standard output.

    Raises:
        FileMissing: the challenge lacks a part.
        OutputExists: the work folder holds a tour of another kind.
    """
    place = Path(work)
    screen = console or Console()
    watch = Stopwatch(screen)
    with watch.stage("data"):
        folder = _challenge(place, challenge, quick, seed)
        catalog = load_catalog(folder)
        data = require_folder(folder / "bucket", "the volumes of the challenge")
        truth = require_folder(folder / "truth.zarr", "the truth of the test crops")
        effort = (QUICK if quick else FULL if challenge is None else REAL).of(steps)
        experiments = _write_experiments(catalog, data, place, effort, seed)
    for experiment in experiments:
        _run_stages(experiment, catalog, data, place, watch)
    result = _hand_in(catalog, truth, place, watch, effort.judges)
    with watch.stage("baselines"):
        nothing = baselines.score_nothing(catalog, truth, place / "baselines", effort.judges)
        grey, thresholds = baselines.score_thresholds(
            catalog, data, truth, place / "baselines", effort.judges
        )
    rows = compare(catalog, result, nothing, grey, thresholds)
    with watch.stage("report"):
        report = write_report(
            result,
            place / "report.html",
            catalog=catalog,
            data=data,
            truth=truth,
            submission=place / "submission.zip",
            baselines={"nothing": comparable_scores(nothing), "grey threshold": comparable_scores(grey)},
            title=f"{catalog.name}: scored by the demo",
            workers=effort.judges,
            overwrite=True,
        )
        write_summary(rows, result, place / "summary.json")
    screen.print(watch.table(), score_table(rows, result))
    screen.print(f"report: {report}", soft_wrap=True, highlight=False)
    return DemoReport(result, rows, report)


def _challenge(work: Path, challenge: Path | str | None, quick: bool, seed: int) -> Path:
    """The folder of the challenge; a synthetic one is made unless it is there."""
    if challenge is not None:
        return require_folder(challenge, "the mini challenge")
    folder = work / "challenge"
    if not folder.is_dir():
        settings = PhantomSettings.tiny() if quick else PhantomSettings()
        write_phantom(folder, settings, seed=seed)
    return folder


def _write_experiments(
    catalog: Catalog, data: Path, work: Path, effort: Effort, seed: int
) -> list[Experiment]:
    """An experiment file per dataset; one that is there already must say the same."""
    experiments = []
    for plan in plan_experiments(catalog, data, effort, seed):
        path = work / "experiments" / f"{plan.dataset}.toml"
        if path.is_file() and path.read_text() != plan.toml():
            raise OutputExists(
                f"{path} belongs to another tour (other data, --quick, --steps or --seed); "
                "choose another --work"
            )
        if not path.is_file():
            with whole(path) as part:
                part.write_text(plan.toml())
        experiments.append(load_experiment(path))
    return experiments


def _run_stages(experiment: Experiment, catalog: Catalog, data: Path, work: Path, watch: Stopwatch) -> None:
    with watch.stage(f"train {experiment.name}"):
        train_experiment(experiment, catalog, data=data, work=work)
    with watch.stage(f"predict {experiment.name}"):
        predict_experiment(experiment, catalog, data=data, work=work)
    with watch.stage(f"process {experiment.name}"):
        process_experiment(experiment, catalog, work=work)


def _hand_in(catalog: Catalog, truth: Path, work: Path, watch: Stopwatch, workers: int | None) -> Result:
    submission = work / "submission.zip"
    with watch.stage("pack"):
        pack(catalog, work, submission, overwrite=True)
    with watch.stage("validate"):
        problems = validate(submission, catalog).errors
        if problems:
            raise SubmissionError("\n".join(str(problem) for problem in problems))
    with watch.stage("evaluate"):
        result = evaluate(submission, truth, catalog, workers=workers)
        write_result(result, work / "result.json", overwrite=True)
    return result
