from __future__ import annotations

import numpy as np

from organelle.metrics import matched_labels


def test_what_was_found_has_the_number_of_the_truth_and_the_rest_is_above():
    truth, prediction = np.zeros((2, 6, 6, 12), np.uint8)
    truth[1:4, 1:4, 1:4] = 7
    truth[1:4, 1:4, 8:11] = 2
    prediction[2:4, 2:4, 2:4] = 5
    prediction[5, 5, 5] = 5
    named = matched_labels(prediction, truth)
    assert named[3, 3, 3] == 7
    assert named[5, 5, 5] > 7
    assert set(np.unique(named)) == {0, 7, int(named[5, 5, 5])}
    assert np.array_equal(named > 0, prediction > 0)


def test_in_a_flooded_crop_nothing_was_found():
    truth, specks = np.zeros((2, 16, 16, 16), np.uint8)
    truth[4:8, 4:8, 4:8] = 3
    specks[::2, ::2, ::2] = 1
    named = matched_labels(specks, truth)
    assert named[specks > 0].min() == 4
    assert len(np.unique(named)) == 1 + 8**3
