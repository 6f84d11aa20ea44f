"""Measure, or do one run: `python -m measuring.train_once WORK CHALLENGE costs`, or `METHOD SEED MINUTES`.

The first measures what a step of each method costs; the others train, predict, make objects, pack and
score. All of it in one process and one thread.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch

from measuring.training_recipe import (
    PLAIN_OBJECTS,
    RAW,
    RecipeLearner,
    recipe_sampling,
    train_recipe,
)
from measuring.training_runs import METHODS, OWN, PLAIN, RECIPE, Challenge, Run, find_challenge
from organelle.catalog import Catalog, Crop
from organelle.evaluate import Result, comparable_scores, evaluate
from organelle.experiment import Experiment
from organelle.files import read_json, write_json
from organelle.pack import pack
from organelle.predict import predict
from organelle.process import process
from organelle.sampling import Batch, PatchStream, class_frequencies, em_statistics, load_crops
from organelle.train.learner import Learner, choose_precision
from organelle.train.loop import train

WARM_UP, ROUNDS, STEPS = 4, 4, 6
"""Steps that do not count, then rounds in which both methods take turns, so that both meet the same moods."""
LEAST_STEPS = 2


class Learns(Protocol):
    """What takes a step."""

    def learn(self, batch: Batch) -> float:
        """One step of the optimiser."""
        ...


def measure_costs(challenge: Challenge) -> dict[str, dict[str, float]]:
    """CPU seconds per step, drawing included, of each dataset and method."""
    catalog, found = challenge.catalog, {}
    for experiment in challenge.experiments():
        turns = {method: steps(challenge, catalog, experiment, method) for method in METHODS}
        spent = dict.fromkeys(METHODS, 0.0)
        for turn in turns.values():
            next(turn)
        for method in METHODS * ROUNDS:
            spent[method] += next(turns[method])
        for turn in turns.values():
            turn.close()
        found[experiment.name] = {method: cpu / ROUNDS / STEPS for method, cpu in spent.items()}
    return found


def steps(
    challenge: Challenge, catalog: Catalog, experiment: Experiment, method: str
) -> Generator[float, None, None]:
    """CPU seconds of the warm-up, then of `STEPS` steps at a time."""
    learner, stream = prepare(challenge, catalog, experiment, method)
    with closing(stream.iterate()) as batches:
        for count in (WARM_UP, *[STEPS] * ROUNDS):
            began = time.process_time()
            for _ in range(count):
                learner.learn(next(batches))
            yield time.process_time() - began


def prepare(
    challenge: Challenge, catalog: Catalog, experiment: Experiment, method: str
) -> tuple[Learns, PatchStream]:
    """A fresh network, and what it learns from; nothing is drawn ahead, so that turns do not overlap."""
    sampling = recipe_sampling(experiment) if method == RECIPE else experiment.sampling
    sampling = sampling.model_copy(update={"workers": 0})
    crops = load_crops(challenge.data, training_crops(catalog, experiment), experiment.model, sampling)
    if method == RECIPE:
        spec = experiment.model.with_normalisation(RAW)
        return RecipeLearner(spec, crops, seed=0), PatchStream(crops, spec, sampling, 0)
    spec = experiment.model.with_normalisation(em_statistics(crops))
    precision = choose_precision(experiment.train)
    learner = Learner(spec, experiment.train, class_frequencies(crops), precision)
    return learner, PatchStream(crops, spec, sampling, 0)


def perform(run: Run) -> dict[str, Any]:
    """Train every network of a run, score it both ways, and tell what it took."""
    challenge, catalog = run.challenge, run.challenge.catalog
    shutil.rmtree(run.folder, ignore_errors=True)
    costs, networks = read_json(challenge.costs), {}
    for experiment in challenge.experiments():
        count = max(LEAST_STEPS, round(60 * run.minutes / costs[experiment.name][run.method]))
        began = time.process_time()
        checkpoint = trained(run, catalog, experiment, count)
        networks[experiment.name] = {"steps": count, "cpu_seconds": time.process_time() - began}
        apply(run, catalog, experiment, checkpoint)
    scores = {way: told(hand_in(run, catalog, way), catalog) for way in (OWN, PLAIN)}
    return {"method": run.method, "seed": run.seed, "networks": networks, "scores": scores}


def trained(run: Run, catalog: Catalog, experiment: Experiment, count: int) -> Path:
    """The checkpoint of one network after `count` steps; neither method looks at the held-out crops."""
    crops, folder = training_crops(catalog, experiment), run.folder / "runs" / experiment.name
    if run.method == RECIPE:
        loaded = load_crops(run.challenge.data, crops, experiment.model, recipe_sampling(experiment))
        return train_recipe(experiment, loaded, count, run.seed, folder / "last.ckpt")
    changes = {"steps": count, "seed": run.seed, "validate_every": count}
    return train(
        experiment.model,
        data=run.challenge.data,
        run=folder,
        train_crops=crops,
        sampling=experiment.sampling,
        settings=experiment.train.model_copy(update=changes),
        recipes=experiment.process,
    ).checkpoint


def training_crops(catalog: Catalog, experiment: Experiment) -> list[Crop]:
    """Those that the experiment learns from."""
    return [catalog.train_crops[number] for number in experiment.data.train]


def apply(run: Run, catalog: Catalog, experiment: Experiment, checkpoint: Path) -> None:
    """Predict the test crops of the dataset, and make objects in both ways."""
    crops = [crop.id for crop in catalog.test_crops.values() if crop.dataset == experiment.name]
    classes = experiment.model.classes
    predict(
        checkpoint,
        catalog,
        crops,
        data=run.challenge.data,
        work=run.folder,
        settings=experiment.predict,
        classes=classes,
    )
    for way, settings in ((OWN, experiment.process), (PLAIN, PLAIN_OBJECTS)):
        process(catalog, crops, work=run.folder, settings=settings, output=run.folder / way, classes=classes)


def hand_in(run: Run, catalog: Catalog, way: str) -> Result:
    """Pack and score what was processed in one way."""
    place = run.folder / way
    pack(catalog, place, place / "submission.zip")
    return evaluate(place / "submission.zip", run.challenge.truth, catalog, workers=0)


def told(result: Result, catalog: Catalog) -> dict[str, Any]:
    """Overall scores, and those of each dataset's classes, flooded crops counted as missed.

    `official` is the overall score in which the metric passes over flooded crops.
    """
    classes = {}
    for dataset in dict.fromkeys(crop.dataset for crop in catalog.test_crops.values()):
        crops = {crop.id for crop in catalog.test_crops.values() if crop.dataset == dataset}
        rows = tuple(row for row in result.rows if row.crop_id in crops)
        classes[dataset] = comparable_scores(replace(result, rows=rows))
    return {
        "overall": result.strict_scores.overall,
        "official": result.scores.overall,
        "classes": classes,
        "metric": result.provenance.metric,
    }


def main() -> None:
    torch.set_num_threads(1)
    work, name, what, *more = sys.argv[1:]
    challenge = find_challenge(name, Path(work))
    if what == "costs":
        write_json(challenge.costs, measure_costs(challenge))
        return
    seed, minutes = more
    run = challenge.run(float(minutes), what, int(seed))
    write_json(run.record, perform(run))


if __name__ == "__main__":
    main()
