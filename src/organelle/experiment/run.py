"""One call from the bucket to the score: what is there and unchanged stays, the rest is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from organelle.catalog import Catalog
from organelle.errors import OrganelleError, OutputExists
from organelle.experiment.run_scores import RunScore, read_scores, score_table
from organelle.experiment.settings import Experiment
from organelle.experiment.setup import RunChoices, Setup, prepare
from organelle.experiment.sole_run import sole_run
from organelle.experiment.stage_crops import Predict, Process
from organelle.experiment.stage_data import Fetch, Train
from organelle.experiment.stage_held_out import EvaluateHeldOut
from organelle.experiment.stage_submission import Evaluate, Pack, Validate
from organelle.experiment.steps import RunPlan, Stage, State, Step
from organelle.stores import Place

if TYPE_CHECKING:
    from rich.console import Console


class StageOfRun(Protocol):
    """What a run asks of a stage."""

    @property
    def stage(self) -> Stage:
        """Which."""

    @property
    def experiment(self) -> str:
        """Whose; empty for all."""

    def look(self, before: Sequence[Step], /) -> Step:
        """How it stands, given how those before it do; nothing is changed."""

    def carry_out(self, step: Step, /) -> Iterable[str]:
        """Do what `look` found; yields what should be said of it."""


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes:
        plan: as it was before the work.
        submission: the zip, None where there is none.
        scores: of the truth of the test crops, or of the crops that each experiment held out.
        notes: what should be known, a line each.
    """

    plan: RunPlan
    submission: Path | None
    scores: tuple[RunScore, ...]
    notes: tuple[str, ...] = ()


def plan_run(
    experiments: Experiment | Sequence[Experiment],
    catalog: Catalog,
    *,
    data: Place | str,
    work: Path | str,
    choices: RunChoices | None = None,
) -> RunPlan:
    """How every stage stands; nothing is changed. The arguments and errors are those of `run_experiments`."""
    setup = prepare(experiments, catalog, data=data, work=work, choices=choices)
    return _plan(setup, list(_stages(setup)))


def run_experiments(
    experiments: Experiment | Sequence[Experiment],
    catalog: Catalog,
    *,
    data: Place | str,
    work: Path | str,
    choices: RunChoices | None = None,
    console: Console | None = None,
) -> RunReport:
    """Fetch, train, predict, process, pack, validate, evaluate: those that are lacking, in this order.

    First every stage tells how it stands, by what its outputs say of their making, and the plan is printed.
    A stage that is done is not entered. A run that was killed goes on when the same call is made again, and
    ends with the same bytes.

    Args:
        experiments: one or several; each is trained, predicted and processed, all are packed together.
        catalog: what exists.
        data: folder or address of the volumes; only read, unless there is something to fetch into it.
        work: folder of all that is made.
        choices: sources, truth, which stages, and whether outputs may be replaced.
        console: where to print; default: standard output.

    Raises:
        OutputExists: outputs of another configuration are in the way, all named; nothing was done. Or
            another process runs an experiment of the same name in this folder.
        SettingsError: experiments that do not go together, an impossible split, or a scheduler that does not
            answer.
        MissingExtra: Dask is not installed, and a scheduler is named.
        OrganelleError: a stage that is not possible, or what a stage raises, with its name; what was done
            before stays.
    """
    from rich.console import Console

    setup = prepare(experiments, catalog, data=data, work=work, choices=choices)
    screen, stages = console or Console(), list(_stages(setup))
    with sole_run(setup.records, [experiment.name for experiment in setup.experiments]):
        plan = _plan(setup, stages)
        screen.print(plan)
        _require_free(plan, setup.choices.overwrite)
        _require_scheduler(plan, setup.choices.scheduler)
        notes = tuple(_carry_out(setup, stages, plan, screen))
    made = setup.submission if setup.submission.is_file() else None
    scores = read_scores(_results(stages, plan))
    if scores:
        screen.print(score_table(scores))
    return RunReport(plan, made, scores, notes)


def _stages(setup: Setup) -> Iterator[StageOfRun]:
    """All stages of a run, in their order."""
    yield Fetch(setup)
    for member in setup.members:
        yield Train(setup, member)
        yield Predict(setup, member)
        yield Process(setup, member)
    yield Pack(setup)
    yield Validate(setup)
    if setup.choices.truth:
        yield Evaluate(setup, setup.choices.truth)
    else:
        yield from (EvaluateHeldOut(setup, member) for member in setup.members)


def _plan(setup: Setup, stages: Iterable[StageOfRun]) -> RunPlan:
    steps: list[Step] = []
    for stage in stages:
        steps.append(_look(setup, stage, steps))
    return RunPlan(tuple(steps))


def _look(setup: Setup, stage: StageOfRun, before: Sequence[Step]) -> Step:
    if stage.stage not in setup.choices.span:
        return Step(stage.stage, stage.experiment, State.LEFT_OUT, "not asked for")
    return stage.look(before)


def _require_free(plan: RunPlan, overwrite: bool) -> None:
    """Nothing that is needed is missing, and nothing is in the way that may not be replaced."""
    if plan.impossible:
        told = "\n".join(f"{step.name} is not possible: {step.what}" for step in plan.impossible)
        raise OrganelleError(told)
    if plan.stale and not overwrite:
        told = "\n".join(f"{step.name}: {step.what}" for step in plan.stale)
        raise OutputExists(
            f"outputs of another configuration are in the way:\n{told}\nAdd --overwrite to replace them, "
            "choose another --work, or leave stages out with --from, --until or --only"
        )


def _require_scheduler(plan: RunPlan, scheduler: str | None) -> None:
    """A scheduler that will be needed answers now, not only after hours of training."""
    if scheduler is not None and any(step.stage in (Stage.PREDICT, Stage.PROCESS) for step in plan.left):
        from organelle.blocks.workers_dask import connected

        with connected(scheduler):
            pass


def _carry_out(setup: Setup, stages: Sequence[StageOfRun], plan: RunPlan, screen: Console) -> Iterator[str]:
    """Do what is left, one stage after the other; each looks again, now that those before it are done."""
    done: list[Step] = []
    for stage, step in zip(stages, plan.steps, strict=True):
        if isinstance(stage, Train) and step.state is State.DONE:
            stage.remember()
        if step.is_pending:
            found = _look(setup, stage, done)
            _require_free(RunPlan((found,)), setup.choices.overwrite)
            if found.state in (State.TO_DO, State.STALE):
                screen.print(found.name, style="bold", end=": ", highlight=False)
                screen.print(found.what, markup=False, highlight=False, soft_wrap=True)
                for note in _enter(stage, found, done):
                    screen.print(f"  {note}", markup=False, highlight=False, soft_wrap=True)
                    yield note
                found = replace(found, state=State.DONE, crops=frozenset())
            step = found
        done.append(step)


def _enter(stage: StageOfRun, step: Step, done: Sequence[Step]) -> Iterator[str]:
    """Carry a stage out; an error names it, and says what stays."""
    kept = ", ".join(s.name for s in done if s.state is State.DONE) or "nothing before it"
    stays = f"{step.name} failed; done and kept: {kept}. The same command goes on there"
    try:
        yield from stage.carry_out(step)
    except OrganelleError as error:
        raise type(error)(f"{error}\n{stays}") from error
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, f"{error.strerror} ({stays})", error.filename) from error


def _results(stages: Iterable[StageOfRun], plan: RunPlan) -> Iterator[tuple[str, Path]]:
    for stage, step in zip(stages, plan.steps, strict=True):
        if step.state in (State.NOT_POSSIBLE, State.LEFT_OUT):
            continue
        if isinstance(stage, Evaluate):
            yield "test crops", stage.result
        elif isinstance(stage, EvaluateHeldOut):
            yield f"{stage.experiment}, held out", stage.result
