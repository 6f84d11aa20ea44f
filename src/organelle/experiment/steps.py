"""What a run would do, stage by stage: plain records, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from organelle.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    from rich.table import Table


class Stage(StrEnum):
    """The stages of a run, in their order."""

    FETCH = "fetch"
    TRAIN = "train"
    PREDICT = "predict"
    PROCESS = "process"
    PACK = "pack"
    VALIDATE = "validate"
    EVALUATE = "evaluate"


class State(StrEnum):
    """How a stage stands."""

    DONE = "done"
    """Its outputs are there, made in the way that the experiment says."""
    TO_DO = "to do"
    """It, or a part of it, has not been done."""
    STALE = "stale"
    """Outputs are there that were made in another way: only replaced when that is asked for."""
    NOT_POSSIBLE = "not possible"
    """Something is missing that no stage of this run makes."""
    LEFT_OUT = "left out"
    """Not asked for."""


STYLES = {
    State.DONE: "green",
    State.TO_DO: "bold",
    State.STALE: "yellow",
    State.NOT_POSSIBLE: "red",
    State.LEFT_OUT: "dim",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a run.

    Attributes:
        stage: which.
        experiment: whose; empty for those that serve all experiments of the run.
        state: how it stands.
        what: how much there is to do, or why it is as it is.
        crops: numbers of the crops for which it will make something new.
    """

    stage: Stage
    experiment: str
    state: State
    what: str
    crops: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """`train membranes`, or `pack`."""
        return f"{self.stage} {self.experiment}".strip()

    @property
    def is_pending(self) -> bool:
        """Whether what comes after it cannot be told yet."""
        return self.state in (State.TO_DO, State.STALE, State.NOT_POSSIBLE)


@dataclass(frozen=True, slots=True)
class Span:
    """The stages that are asked for, from the first to the last."""

    first: Stage = Stage.FETCH
    last: Stage = Stage.EVALUATE

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those that are asked for, in their order; none when the last comes before the first."""
        order = list(Stage)
        return tuple(order[order.index(self.first) : order.index(self.last) + 1])

    def __contains__(self, stage: Stage) -> bool:
        """Whether `stage` is asked for."""
        return stage in self.stages

    @classmethod
    def named(cls, first: str | None = None, last: str | None = None, only: str | None = None) -> Self:
        """From names as they are typed.

        Raises:
            SettingsError: an unknown stage, nothing between the two, or `only` beside another.
        """
        if only is not None and (first or last):
            raise SettingsError("--only names the one stage to do; leave out --from and --until")
        span = cls(_stage(only or first or Stage.FETCH), _stage(only or last or Stage.EVALUATE))
        if not span.stages:
            raise SettingsError(f"--from {span.first} comes after --until {span.last}: nothing is left")
        return span


@dataclass(frozen=True, slots=True)
class RunPlan:
    """All stages, in the order in which they are carried out."""

    steps: tuple[Step, ...]

    @property
    def left(self) -> tuple[Step, ...]:
        """What will be carried out."""
        return tuple(step for step in self.steps if step.state in (State.TO_DO, State.STALE))

    @property
    def stale(self) -> tuple[Step, ...]:
        """Stages whose outputs are in the way."""
        return tuple(step for step in self.steps if step.state is State.STALE)

    @property
    def impossible(self) -> tuple[Step, ...]:
        """What keeps the run from being carried out: a score alone that cannot be had does not."""
        return tuple(
            step
            for step in self.steps
            if step.state is State.NOT_POSSIBLE and step.stage is not Stage.EVALUATE
        )

    def __rich__(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD)
        table.add_column("stage", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("what", overflow="fold")
        for step in self.steps:
            table.add_row(step.name, Text(step.state, STYLES[step.state]), Text(step.what))
        return table


def find_step(steps: Iterable[Step], stage: Stage, experiment: str = "") -> Step | None:
    """The step of a stage, None where it is not in the plan (or not yet)."""
    return next(find_steps(steps, stage, experiment), None)


def find_steps(steps: Iterable[Step], stage: Stage, experiment: str = "") -> Iterator[Step]:
    """The steps of a stage; without `experiment` those of all."""
    return (step for step in steps if step.stage is stage and experiment in ("", step.experiment))


def _stage(name: str) -> Stage:
    try:
        return Stage(name)
    except ValueError:
        known = [stage.value for stage in Stage]
        raise SettingsError(
            f"{name!r} is no stage{did_you_mean(name, known)}; they are: {', '.join(known)}"
        ) from None
