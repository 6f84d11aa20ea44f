"""Numbers of a patch are those that NumPy draws from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from organelle.sampling.seeds import generators


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**40 + 5, 2**70 + 3, 2**129 + 2**64])
@pytest.mark.parametrize("step", [0, 7, 2**33])
def test_each_generator_is_numpys(seed: int, step: int) -> None:
    indices = (0, 1, 5, 1000, 2**32 - 1)
    for index, found in zip(indices, generators(seed, step, indices), strict=True):
        expected = np.random.default_rng((seed, step, index))
        assert found.bit_generator.state == expected.bit_generator.state
        np.testing.assert_array_equal(found.random(3), expected.random(3))
        assert found.integers(7) == expected.integers(7)
        assert found.standard_normal() == expected.standard_normal()


def test_no_patches_need_no_generators() -> None:
    assert not list(generators(1, 2, ()))
