from __future__ import annotations

import numpy as np
import pytest
from drawn_crops import KINDS, draw
from slow_metric import slow_components

from organelle.metrics import connected_components


@pytest.mark.parametrize("kind", KINDS)
def test_components_are_numbered_by_their_first_voxel(kind):
    for seed in range(8):
        labels, _, _ = draw(kind, seed)
        components, n = connected_components(labels)
        assert np.array_equal(components, slow_components(labels))
        assert n == components.max()


def test_memory_order_and_byte_order_do_not_matter():
    labels = np.random.default_rng(3).integers(0, 3, (9, 8, 7)).astype(np.uint16)
    wanted, _ = connected_components(labels)
    for twin in (
        np.asfortranarray(labels),
        labels.astype(">u2"),
        labels[::-1][::-1],
        labels.astype(np.float32),
    ):
        assert np.array_equal(connected_components(twin)[0], wanted)


def test_corners_touch_values_do_not_and_every_nan_is_alone():
    labels = np.zeros((3, 3, 3), np.float64)
    labels[0, 0, 0] = labels[1, 1, 1] = 1
    labels[2, 2, 2] = 2
    labels[0, 2, 1:] = np.nan
    components, n = connected_components(labels)
    assert n == 4
    assert components[0, 0, 0] == components[1, 1, 1] != components[2, 2, 2]
    assert components[0, 2, 1] != components[0, 2, 2]


def test_bool_and_empty():
    assert connected_components(np.ones((2, 2, 2), bool))[1] == 1
    components, n = connected_components(np.zeros((0, 3, 3), np.uint8))
    assert (components.shape, n) == ((0, 3, 3), 0)
