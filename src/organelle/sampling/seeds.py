"""Generators of random numbers by number, many at once.

`numpy.random.default_rng((seed, step, index))` takes as long as drawing all that a 2D patch needs. Here the
mixing is compiled, and one generator is put into one state after the other: the same numbers, sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

LOW = 2**32 - 1
WHOLE = 2**128 - 1
STEP = 0x2360ED051FC65DA44385DF649FCCF645
"""Multiplier of PCG64 (O'Neill 2014), as in NumPy."""


def generators(seed: int, step: int, indices: Iterable[int]) -> Iterator[np.random.Generator]:
    """What `default_rng((seed, step, index))` gives for each index; good until the next is asked for."""
    from organelle.sampling.seed_kernels import mix

    bits = np.random.PCG64(0)
    generator, state = np.random.Generator(bits), bits.state
    numbers = list(indices)
    before = [*_words(seed), *_words(step)]
    entropy = np.array([[*before, index] for index in numbers], np.uint32)
    entropy = entropy.reshape(len(numbers), len(before) + 1)
    mixed = np.empty((len(numbers), 8), np.uint32)
    mix(entropy, mixed)
    for a, b, c, d in mixed.view("<u8").tolist():
        increment = ((c << 64 | d) << 1 | 1) & WHOLE
        begin = ((increment + (a << 64 | b)) * STEP + increment) & WHOLE
        bits.state = {**state, "state": {"state": begin, "inc": increment}}
        yield generator


def _words(number: int) -> list[int]:
    """Of 32 bits, the lowest first; at least one."""
    words = [number & LOW]
    while number := number >> 32:
        words.append(number & LOW)
    return words
