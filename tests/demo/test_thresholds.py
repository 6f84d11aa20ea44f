"""The best single grey value, against trying all of them."""

from __future__ import annotations

import numpy as np
import pytest

from organelle.demo.thresholds import LEVELS, Example, GreyThreshold, Layer, best_thresholds
from organelle.metrics import connected_components, score_instances

VOXEL = (8.0, 8.0, 8.0)


def example(seed: int, *, known_share: float = 1.0) -> Example:
    """Bright blocks, each with an id of its own, in noise."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((12, 16, 20), np.uint16)
    labels[2:6, 2:7, 2:8] = 1
    labels[7:11, 9:14, 10:18] = 2
    em = rng.normal(np.where(labels > 0, 150, 100), 12).clip(0, 255).astype(np.uint8)
    known = rng.random(em.shape) < known_share
    layer = Layer(np.where(known, labels, 0), known)
    return Example(em, VOXEL, {"pm": layer, "mito": layer})


def test_the_iou_of_a_mask_is_the_best_of_all_512() -> None:
    examples = [example(0, known_share=0.8), example(1)]
    found = best_thresholds(examples)["pm"]
    best = 0.0
    for dark in (True, False):
        for value in range(256):
            threshold = GreyThreshold(value, dark, 0)
            both = either = 0
            for e in examples:
                layer = e.layers["pm"]
                inside, there = threshold.mask(e.em) & layer.known, layer.labels > 0
                both, either = both + int((inside & there).sum()), either + int((inside | there).sum())
            best = max(best, both / either)
    assert found.training_score == pytest.approx(best)
    assert not found.dark
    assert 100 < found.value < 150


def score(threshold: GreyThreshold, of: Example) -> float:
    """The combined score of a threshold's components, from its parts; a skipped crop is worth nothing."""
    layer = of.layers["mito"]
    components, _ = connected_components(threshold.mask(of.em))
    counts = score_instances(np.where(layer.known, components, 0), layer.labels, VOXEL)
    f1 = 2 * counts.tp / max(1, 2 * counts.tp + counts.fp + counts.fn)
    return float((f1 * counts.hausdorff_norm_sum / max(1, counts.n_hausdorff)) ** 0.5)


@pytest.mark.parametrize("known_share", [1.0, 0.95])
def test_objects_are_judged_by_their_own_score_and_no_candidate_is_better(known_share: float) -> None:
    blocks = example(2, known_share=known_share)
    found = best_thresholds([blocks])["mito"]
    assert found.training_score == pytest.approx(score(found, blocks))
    values = np.unique(np.quantile(blocks.em, np.linspace(0, 1, LEVELS + 2)[1:-1], method="nearest"))
    every = [GreyThreshold(int(value), dark) for value in values for dark in (True, False)]
    assert found.training_score == pytest.approx(max(score(threshold, blocks) for threshold in every))


def test_a_threshold_that_floods_is_worth_nothing() -> None:
    rng = np.random.default_rng(3)
    labels = np.zeros((24, 24, 24), np.uint8)
    labels[12, 12, 12] = 1
    em = np.where(rng.random(labels.shape) < 0.05, 255, 0).astype(np.uint8)
    em[12, 12, 12] = 255
    noise = Example(em, VOXEL, {"mito": Layer(labels, labels < 2)})
    bright = GreyThreshold(255, dark=False)
    assert connected_components(bright.mask(em))[1] > 200
    found = best_thresholds([noise])["mito"]
    assert str(found) != str(bright)


def test_nothing_annotated_gives_no_threshold() -> None:
    assert best_thresholds([]) == {}
