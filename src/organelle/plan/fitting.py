"""The best choice that fits: estimates choose, real steps correct them, a few times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from organelle.errors import SettingsError
from organelle.plan.choices import Choice, Cost, best_choice
from organelle.plan.groups import Group
from organelle.plan.measure import Measured, TooMuch

TRIALS = 3
"""Choices that are measured per group, at most."""

Trial = Callable[[Choice], Measured | TooMuch]


@dataclass(frozen=True)
class Machine:
    """What there is to train with.

    Attributes:
        cores: that compute; one GPU takes their place.
        memory_bytes: of the process, or of each GPU.
        gpus: how many.
    """

    cores: int
    memory_bytes: float
    gpus: int = 0


def fit(
    group: Group, machine: Machine, seconds: float, estimated: Callable[[Choice], Cost], trial: Trial
) -> tuple[Choice, Measured]:
    """Measure the choice that the estimates favour, correct them by what was found, and choose again.

    Raises:
        SettingsError: nothing that was tried fits into memory.
    """
    tried: dict[Choice, Measured | TooMuch] = {}
    slower, larger = 1.0, 1.0

    def cost(choice: Choice) -> Cost:
        found = tried.get(choice)
        if isinstance(found, Measured):
            return Cost(found.step_seconds, found.memory_bytes)
        guess = estimated(choice)
        return Cost(guess.step_seconds * slower, guess.memory_bytes * (larger if found is None else 1e9))

    for _ in range(TRIALS):
        choice = best_choice(group, cost, machine.memory_bytes, seconds)
        if choice is None or choice in tried:
            break
        guess, found = estimated(choice), trial(choice)
        tried[choice] = found
        if isinstance(found, Measured):
            slower, larger = found.step_seconds / guess.step_seconds, found.memory_bytes / guess.memory_bytes
        else:
            slower, larger = 1.5 * slower, 1.5 * larger
    fitting = {
        c: m for c, m in tried.items() if isinstance(m, Measured) and m.memory_bytes <= machine.memory_bytes
    }
    if not fitting:
        raise _nothing_fits(group, machine, [str(m) for m in tried.values() if isinstance(m, TooMuch)])
    return list(fitting.items())[-1]


def guessed(
    group: Group, machine: Machine, seconds: float, estimated: Callable[[Choice], Cost]
) -> tuple[Choice, Measured]:
    """The choice that the estimates favour, with their figures.

    Raises:
        SettingsError: nothing fits into memory.
    """
    choice = best_choice(group, estimated, machine.memory_bytes, seconds)
    if choice is None:
        raise _nothing_fits(group, machine, [])
    cost = estimated(choice)
    per_patch = cost.step_seconds / choice.batch  # at most: a third of it where both are done in float32
    return choice, Measured(cost.step_seconds, cost.memory_bytes, per_patch)


def _nothing_fits(group: Group, machine: Machine, told: list[str]) -> SettingsError:
    why = f" ({'; '.join(told)})" if told else ""
    names = ", ".join(figures.name for figures in group.classes)
    return SettingsError(
        f"{group.name}: no network for {names} fits into {machine.memory_bytes / 2**30:.1f} GiB{why}; allow "
        "more with --memory, end other programs, or plan fewer classes at a time"
    )
