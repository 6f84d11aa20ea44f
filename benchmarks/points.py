"""Claim: the built-in recipes make more points of one network's output than threshold and components do.

A network learns a challenge for a fixed number of steps and predicts once; the same predictions become
objects in four ways: threshold 0.5 and connected components; the same without what is smaller than the
smallest of a class; the built-in recipes; and these tuned on crops that are held out from training. Each is
packed and scored on the test crops. Challenges: a crowded phantom with all ten instance classes, whose
organelles touch, and the sample beside the checkout (left out where there is none). Each takes about a
quarter of an hour of one core, tuning of the phantom not counted; a smaller phantom would have too few
objects that touch.

Unlike other scripts this one takes arguments: `--only`, `--steps` and `--trials` shorten it, `--seed` draws
and learns another phantom, `--keep FOLDER` goes on where it was interrupted, or scores changed recipes again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from measuring.training_recipe import PLAIN_OBJECTS
from measuring.training_runs import Challenge, find_challenge
from organelle.classes import Kind, kind_of
from organelle.demo.plan import FULL, REAL, plan_experiments
from organelle.errors import FileMissing
from organelle.evaluate import Result, comparable_scores, evaluate, open_truth
from organelle.experiment import Experiment, load_experiment
from organelle.files import whole
from organelle.pack import pack
from organelle.phantom import OrganelleSettings, PhantomSettings, write_phantom
from organelle.phantom.settings import TissueSettings
from organelle.predict import predict
from organelle.process import ProcessSettings, process
from organelle.train.loop import train
from organelle.tune import TuneChoices, tune

CHALLENGES = ("phantom", "sample")
CROWDED = PhantomSettings(
    shape=(176, 304, 336),
    tissue=TissueSettings(pore_spacing_nm=100),
    organelles=OrganelleSettings(clearance_nm=1, ves=700, ld=80, lyso=60, endo=60, perox=80, mito=50, mt=150),
)
EFFORTS = {"phantom": FULL, "sample": REAL}
"""Those of the tour, in fewer steps."""
HELD_OUT = {"phantom": (13, 14), "sample": (902, 912)}
"""Crops to tune on, and for nothing else."""
STEPS, TRIALS = 400, 40
WAYS = ("threshold + components", "specks dropped", "built in", "tuned")
NEAR_NM = 24.0
"""A blurred answer joins objects whose surfaces are less apart."""


@dataclass(frozen=True)
class Learned:
    """A dataset whose network is trained, and whose crops are predicted."""

    dataset: str
    classes: tuple[str, ...]
    test: tuple[int, ...]
    held_out: tuple[int, ...]


def main() -> None:
    """Train, predict, make objects in four ways, score, and print a table for each challenge."""
    asked = arguments()
    with nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="points-") as place:
        for name in [asked.only] if asked.only else CHALLENGES:
            try:
                challenge = find(name, Path(place), asked.seed)
            except FileMissing as missing:
                print(f"{name} is left out: {missing}\n")
                continue
            learned = [learn(challenge, *one) for one in experiments(challenge, asked.steps, asked.seed)]
            results = [score(challenge, learned, way, asked) for way in WAYS]
            title = f"{challenge.work.name}, {asked.steps} steps, {asked.trials} trials"
            show(title, challenge, learned, results)


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=CHALLENGES, help="do one of them")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training (default: {STEPS})")
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"per class (default: {TRIALS})")
    parser.add_argument("--workers", type=int, default=1, help="of tuning; they change nothing but the time")
    parser.add_argument(
        "--objects", action="store_true", help="tune instance classes alone: a third of it all"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the phantom and of training (default: 0)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep everything here; networks that are there stay"
    )
    return parser.parse_args()


def find(name: str, place: Path, seed: int) -> Challenge:
    """A crowded phantom, drawn if need be, or the sample."""
    if name == "sample":
        return find_challenge(name, place)
    work = place / f"{name}-{seed}"
    if not (work / "challenge").is_dir():
        with told(f"{work.name}: draw"):
            write_phantom(work / "challenge", CROWDED, seed=seed)
    return Challenge(name, work / "challenge", work)


def experiments(challenge: Challenge, steps: int, seed: int) -> Iterator[tuple[Experiment, tuple[int, ...]]]:
    """One per dataset, as the tour plans it, with the crops that it holds out."""
    name = challenge.name
    effort = replace(EFFORTS[name], steps_2d=steps, validate_every=steps)
    for plan in plan_experiments(challenge.catalog, challenge.data, effort, seed):
        known = sorted((*plan.train, *plan.validate))
        out = tuple(number for number in known if number in HELD_OUT[name])
        plan = replace(plan, train=tuple(number for number in known if number not in out), validate=())
        path = challenge.work / "experiments" / f"{plan.dataset}-{steps}.toml"
        with whole(path, overwrite=True) as part:
            part.write_text(plan.toml())
        yield load_experiment(path), out


def learn(challenge: Challenge, experiment: Experiment, held_out: tuple[int, ...]) -> Learned:
    """Train, then predict the test crops and those held out."""
    catalog, work = challenge.catalog, challenge.work
    with told(f"{experiment.name}: train"):
        trained = train(
            experiment.model,
            data=challenge.data,
            run=work / "runs" / experiment.name,
            train_crops=[catalog.train_crops[number] for number in experiment.data.train],
            sampling=experiment.sampling,
            settings=experiment.train,
        )
    test = tuple(crop.id for crop in catalog.test_crops.values() if crop.dataset == experiment.name)
    with told(f"{experiment.name}: predict"):
        predict(
            trained.checkpoint,
            catalog,
            (*held_out, *test),
            data=challenge.data,
            work=work,
            settings=experiment.predict.model_copy(update={"backend": "openvino"}),
            classes=experiment.model.classes,
        )
    return Learned(experiment.name, experiment.model.classes, test, held_out)


def score(challenge: Challenge, learned: Sequence[Learned], way: str, asked: argparse.Namespace) -> Result:
    """Objects of the test crops in one way, packed and scored."""
    catalog, place = challenge.catalog, challenge.work / way.replace(" ", "-")
    for one in learned:
        settings = recipes(challenge, one, way, asked)
        with told(f"{one.dataset}: {way}"):
            process(
                catalog,
                one.test,
                work=challenge.work,
                settings=settings,
                output=place,
                classes=one.classes,
                overwrite=True,
            )
    pack(catalog, place, place / "submission.zip", overwrite=True)
    return evaluate(place / "submission.zip", challenge.truth, catalog, workers=0)


def recipes(challenge: Challenge, learned: Learned, way: str, asked: argparse.Namespace) -> ProcessSettings:
    """How probabilities become objects."""
    if way == "threshold + components":
        return PLAIN_OBJECTS
    if way == "specks dropped":
        return ProcessSettings.model_validate({name: {"threshold": 0.5} for name in learned.classes})
    if way == "built in":
        return ProcessSettings()
    classes = [name for name in learned.classes if is_instance(name) or not asked.objects]
    with told(f"{learned.dataset}: tune"):
        report = tune(
            challenge.catalog,
            learned.held_out,
            data=challenge.data,
            work=challenge.work,
            name=learned.dataset,
            classes=classes,
            choices=TuneChoices(trials=asked.trials, workers=asked.workers),
        )
    for tuned in report.changed:
        changes = "; ".join(map(str, tuned.changes))
        print(f"  {tuned.class_name} {tuned.before:.3f} -> {tuned.after:.3f}: {changes}", file=sys.stderr)
    # What was not tuned keeps its built-in recipe.
    return ProcessSettings.model_validate({tuned.class_name: tuned.recipe for tuned in report.changed})


def show(title: str, challenge: Challenge, learned: Sequence[Learned], results: Sequence[Result]) -> None:
    """One table in Markdown, instance classes first."""
    print(f"\n{title}\n")
    print(f"| dataset | class | objects | touch | {' | '.join(WAYS)} |")
    print("|---" * (len(WAYS) + 4) + "|")
    for one in learned:
        rows = [comparable_scores(of_dataset(result, one.test)) for result in results]
        for name in sorted(rows[0], key=is_instance, reverse=True):
            cells = [one.dataset, name, *touching(challenge, one.test, name), *scored(rows, name)]
            print(f"| {' | '.join(cells)} |")
    for what in ("overall_instance", "overall_semantic", "overall"):
        values = [getattr(result.strict_scores, what) for result in results]
        print(f"| | {what.replace('_', ' ')} | | | {' | '.join(f'{v:.3f}' for v in values)} |")


def scored(rows: Sequence[dict[str, float]], name: str) -> list[str]:
    """The scores of a class; losses against the first are marked."""
    first, *others = (row[name] for row in rows)
    return [f"{first:.3f}", *(f"{value:.3f}" + " worse" * (value < first - 5e-4) for value in others)]


def of_dataset(result: Result, crops: Sequence[int]) -> Result:
    """The rows of some crops."""
    return replace(result, rows=tuple(row for row in result.rows if row.crop_id in crops))


def touching(challenge: Challenge, crops: Sequence[int], name: str) -> tuple[str, str]:
    """Objects of the truth, and the share that touches another, or would if blurred; nothing for masks."""
    if not is_instance(name):
        return "", ""
    counts = np.zeros(3, int)
    truth = open_truth(challenge.truth)
    for number in crops:
        crop = challenge.catalog.crop(number)
        if name in truth.classes[number]:
            labels = truth.read(number, name, crop.grid).labels.astype(np.int64)
            reach = [max(1, round(NEAR_NM / size)) for size in crop.voxel_size_nm]
            counts += [len(np.unique(labels)) - 1, neighbours(labels, [1, 1, 1]), neighbours(labels, reach)]
    many, touch, near = counts.tolist()
    return str(many), f"{touch / max(1, many):.0%} ({near / max(1, many):.0%})"


def is_instance(name: str) -> bool:
    """Whether a class is scored by its objects."""
    return kind_of(name) is Kind.INSTANCE


def neighbours(labels: NDArray[np.int64], reach: Sequence[int]) -> int:
    """How many objects have a voxel with another object's voxel so many voxels away along every axis."""
    size = [2 * n + 1 for n in reach]
    highest = maximum_filter(labels, size)
    lowest = minimum_filter(np.where(labels, labels, labels.max() + 1), size)
    return len(np.unique(labels[(labels > 0) & ((highest != labels) | (lowest != labels))]))


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say on the side what takes how long."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent = f"{time.perf_counter() - wall:.0f} s, {time.process_time() - cpu:.0f} s of CPU"
    print(f"{what}: {spent}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
