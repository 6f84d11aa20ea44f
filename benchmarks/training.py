"""Claim: for the same CPU time, a network scores better by our training than by the widespread recipe.

On a phantom and on the sample beside the checkout (left out where there is none), ours as the tour sets it
and the recipe of the public template train the same 2D network on the same crops with one thread, for the
same CPU time: what a step costs is measured first. Both are predicted, made into objects, packed and scored
by the same functions; also with the objects exchanged, which tells what the training alone is worth. Each
run is a process of its own. By default 18 networks learn for 3 CPU minutes each, which with all that follows
takes about an hour and a half of one core; `--jobs 2` lets two run side by side, and `--keep FOLDER` goes
on where it was interrupted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from measuring.training_runs import METHODS, OURS, OWN, PLAIN, RECIPE, Challenge, Run, find_challenge
from measuring.turns import HERE, ONE_THREAD
from organelle.errors import FileMissing
from organelle.files import read_json

CHALLENGES = ("phantom", "sample")
MINUTES = 3.0
SEEDS = 3
ENTRIES = {(OURS, OWN): "ours", (RECIPE, PLAIN): "recipe"}
"""What the claim is about."""
EXCHANGED = {(OURS, PLAIN): "ours, plain objects", (RECIPE, OWN): "recipe, our objects"}
"""The same networks, their objects made as the other's."""


@dataclass(frozen=True)
class Found:
    """All runs of one challenge."""

    challenge: Challenge
    seeds: Sequence[int]
    records: dict[tuple[str, int], dict[str, Any]]

    def overall(self, method: str, way: str, seed: int) -> float:
        """The overall score, flooded crops counted as missed."""
        return float(self.records[method, seed]["scores"][way]["overall"])

    def of_class(self, method: str, way: str, dataset: str, name: str) -> list[float]:
        """The scores of a class over the seeds."""
        return [self.records[method, seed]["scores"][way]["classes"][dataset][name] for seed in self.seeds]

    def classes(self) -> list[tuple[str, str]]:
        """Dataset and class of every row."""
        scores = self.records[OURS, self.seeds[0]]["scores"][OWN]["classes"]
        return [(dataset, name) for dataset, named in scores.items() for name in named]

    def networks(self, key: str, method: str, seed: int) -> list[float]:
        """A figure of each dataset's network."""
        return [network[key] for network in self.records[method, seed]["networks"].values()]


def main() -> None:
    """Train, score, and print the tables of the README."""
    asked = arguments()
    with nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="training-") as place:
        for name in [asked.only] if asked.only else CHALLENGES:
            try:
                challenge = find_challenge(name, Path(place).resolve())
            except FileMissing as missing:
                print(f"{name} is left out: {missing}\n")
                continue
            show(measure(challenge, asked.minutes, range(asked.seeds), asked.jobs), asked.minutes)


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--minutes",
        type=positive(float),
        default=MINUTES,
        help=f"CPU time per network (default: {MINUTES:g})",
    )
    parser.add_argument("--seeds", type=positive(int), default=SEEDS, help=f"runs of each (default: {SEEDS})")
    parser.add_argument("--only", choices=CHALLENGES, help="train on one of them")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep everything here; what is finished is not repeated"
    )
    parser.add_argument("--jobs", type=positive(int), default=1, help="runs side by side (default: 1)")
    return parser.parse_args()


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A type for numbers above 0."""

    def number(text: str) -> float:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number


def measure(challenge: Challenge, minutes: float, seeds: Sequence[int], jobs: int) -> Found:
    """Measure the costs of a step, alone, then do all runs that are not done."""
    if not challenge.costs.is_file():
        child(challenge, "costs")
    tell_costs(challenge)
    runs = [challenge.run(minutes, method, seed) for seed in seeds for method in METHODS]
    with ThreadPoolExecutor(jobs) as pool:
        done = list(pool.map(perform, runs))
    return Found(challenge, seeds, {(run.method, run.seed): read_json(run.record) for run in done})


def perform(run: Run) -> Run:
    """Do a run in a process of its own, unless it is done."""
    if not run.record.is_file():
        child(run.challenge, run.method, run.seed, run.minutes)
        print(f"{run}: done", file=sys.stderr)
    return run


def child(challenge: Challenge, *what: object) -> None:
    """One thread, on one core; its complaints are seen, and end this program."""
    arguments = [str(a) for a in (challenge.work.parent, challenge.name, *what)]
    command = [sys.executable, "-m", f"{HERE.name}.train_once", *arguments]
    alone = dict.fromkeys((*ONE_THREAD, "NUMBA_NUM_THREADS"), "1")
    ended = subprocess.run(command, cwd=HERE.parent, env={**os.environ, **alone}, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}")


def tell_costs(challenge: Challenge) -> None:
    """What the numbers of steps come from."""
    for dataset, costs in read_json(challenge.costs).items():
        each = ", ".join(f"{method} {costs[method]:.3f}" for method in METHODS)
        print(f"{dataset}: CPU seconds per step, patches included: {each}", file=sys.stderr)


def show(found: Found, minutes: float) -> None:
    """The tables, as Markdown."""
    heading = f"{found.challenge.name}: {minutes:g} CPU minutes per network, seeds {len(found.seeds)}"
    print(f"\n{heading}\n")
    print_table(*overall_table(found))
    better = sum(found.overall(OURS, OWN, seed) > found.overall(RECIPE, PLAIN, seed) for seed in found.seeds)
    print(f"\nours is better overall in {better} of {len(found.seeds)} seeds\n")
    print_table(*class_table(found))
    lost = [
        f"{name} ({dataset})" for dataset, name in found.classes() if difference(found, dataset, name) < 0
    ]
    print(f"\nworse on the mean: {', '.join(lost) or 'none'}; {len(lost)} of {len(found.classes())} classes")


def overall_table(found: Found) -> tuple[list[str], list[list[str]]]:
    """Overall scores per seed, and what was spent."""
    entries = {**ENTRIES, **EXCHANGED}
    spent = ["steps, ours", "steps, recipe", "CPU s, ours", "CPU s, recipe"]
    rows = []
    for seed in found.seeds:
        scores = [flagged(found, method, way, seed) for method, way in entries]
        steps = [slashed(found.networks("steps", method, seed)) for method in METHODS]
        cpu = [slashed(found.networks("cpu_seconds", method, seed)) for method in METHODS]
        rows.append([str(seed), *scores, *steps, *cpu])
    return ["seed", *entries.values(), *spent], rows


def flagged(found: Found, method: str, way: str, seed: int) -> str:
    """An overall score, and in brackets what the metric itself says where it passes over flooded crops."""
    overall = found.overall(method, way, seed)
    official = found.records[method, seed]["scores"][way]["official"]
    return f"{overall:.3f}" + (f" ({official:.3f})" if official != overall else "")


def class_table(found: Found) -> tuple[list[str], list[list[str]]]:
    """Mean, least and most over the seeds per class, those that were lost marked."""
    rows = []
    for dataset, name in found.classes():
        ours, recipe = (found.of_class(*entry, dataset, name) for entry in ENTRIES)
        ahead = sum(a > b for a, b in zip(ours, recipe, strict=True))
        gain = difference(found, dataset, name)
        verdict = f"{gain:+.3f}" + (" worse" if gain < 0 else "")
        rows.append([dataset, name, spread(ours), spread(recipe), verdict, f"{ahead} of {len(ours)}"])
    return ["dataset", "class", "ours", "recipe", "difference", "seeds better"], rows


def difference(found: Found, dataset: str, name: str) -> float:
    """Ours minus the recipe, means over the seeds."""
    ours, recipe = (mean(found.of_class(*entry, dataset, name)) for entry in ENTRIES)
    return ours - recipe


def spread(scores: Sequence[float]) -> str:
    """Mean, and least to most."""
    return f"{mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"


def slashed(figures: Iterable[float]) -> str:
    """One per network."""
    return " / ".join(f"{figure:.0f}" for figure in figures)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """As it stands in the README."""
    for row in (columns, ["---"] * len(columns), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
