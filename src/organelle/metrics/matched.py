"""The prediction in the truth's numbers, so that a picture shows at a glance what was found."""

from __future__ import annotations

from typing import Any

import numpy as np

from organelle.metrics.components import connected_components
from organelle.metrics.instances import truth_ids
from organelle.metrics.matching import match_objects
from organelle.metrics.overlap import overlap_table

Array = np.ndarray[Any, np.dtype[Any]]


def matched_labels(prediction: Array, truth: Array) -> Array:
    """Number each component of `prediction` like the truth object that it is matched with.

    Components without a partner (all of them, when the crop is skipped) get numbers above every truth id.

    Args:
        prediction: z, y, x, as `score_instances` takes it.
        truth: ids of the same shape.

    Returns:
        uint32, 0 where the prediction is background.
    """
    ids = truth_ids(truth)
    components, n_components = connected_components(prediction)
    overlap = overlap_table(ids, components, n_components)
    match = match_objects(overlap)
    numbers = np.arange(n_components + 1, dtype=np.uint32) + np.uint32(overlap.largest_truth_id)
    numbers[0] = 0
    numbers[match.component] = match.truth
    return numbers[components]
