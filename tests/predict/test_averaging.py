"""Answers averaged over turned patches: what has no direction, and what has one."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import spec_of
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.models.outputs import Channel
from organelle.predict.averaging import averaged, mean_of, needed_channels, route_of
from organelle.predict.symmetry import symmetries_of

GROUPS = {
    (mirrors, turns): symmetries_of(spec_of(patch_shape=[16] * 3), mirrors=mirrors, turns=turns)
    for mirrors in (False, True)
    for turns in (False, True)
}
MASK = Channel("mito")
OFFSETS = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 3, -1)]
EDGE = 6


def affinity(offset):
    return Channel(f"mito/affinity_{'_'.join(map(str, offset))}", offset=offset)


CHANNELS = [MASK, *map(affinity, OFFSETS)]


def labels_of(em):
    return np.rint(em[0])


def affinities(em, offsets):
    """A network that knows the truth: whether a voxel and its partner are alike; nonsense beyond the rim."""
    labels = np.pad(labels_of(em), EDGE, constant_values=-1)
    inside = (slice(EDGE, -EDGE),) * 3
    return [(labels == np.roll(labels, [-s for s in step], (0, 1, 2)))[inside] for step in offsets]


def truthful(em):
    return np.stack([labels_of(em), *affinities(em, OFFSETS)]).astype(np.float32)


def where_the_partner_is_inside(offset):
    inside = np.zeros((EDGE,) * 3, bool)
    inside[tuple(slice(max(0, -s), EDGE - max(0, s)) for s in offset)] = True
    return inside


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(GROUPS)))
def test_a_network_that_turns_with_its_input_says_the_same_with_and_without(seed, how):
    em = np.random.default_rng(seed).integers(0, 3, (1, EDGE, EDGE, EDGE)).astype(np.float32)
    plain = truthful(em)
    mean = averaged(truthful, CHANNELS, CHANNELS, GROUPS[how])(em)
    np.testing.assert_allclose(mean[0], plain[0], rtol=1e-6)
    for offset, found, wanted in zip(OFFSETS, mean[1:], plain[1:], strict=True):
        inside = where_the_partner_is_inside(offset)
        np.testing.assert_allclose(found[inside], wanted[inside], rtol=1e-6)


def test_affinities_are_not_averaged_as_if_they_had_no_direction():
    """The same channels without their offsets come out blurred, so the test above can fail."""
    em = np.random.default_rng(0).integers(0, 3, (1, EDGE, EDGE, EDGE)).astype(np.float32)
    blind = [Channel(channel.name) for channel in CHANNELS]
    mean = averaged(truthful, blind, blind, GROUPS[True, True])(em)
    inside = where_the_partner_is_inside(OFFSETS[0])
    assert abs(mean[1] - truthful(em)[1])[inside].max() > 0.3


def test_a_network_that_looks_along_one_axis_is_undone_exactly():
    """Its mask grows along x whatever it is shown: mirrored back, half of the answers fall along x."""
    ramp = np.arange(4, dtype=np.float32)

    def drift(em):
        return np.broadcast_to(ramp, (1, *em.shape[1:])).copy()

    em = np.zeros((1, 4, 4, 4), np.float32)
    group = symmetries_of(spec_of(voxel_size_nm=[40, 20, 8]), mirrors=True, turns=False)
    assert len(group) == 2
    np.testing.assert_array_equal(averaged(drift, [MASK], [MASK], group)(em)[0, 0, 0], [1.5] * 4)


def test_an_affinity_is_asked_of_the_channel_of_its_turned_offset():
    group = GROUPS[False, True]
    turned = next(g for g in group if g.of_step((1, 0, 0)) == (0, 1, 0))
    route = route_of(CHANNELS[1], turned, CHANNELS)
    assert (route.source, route.step) == (2, (0, 0, 0))
    back = next(g for g in group if g.of_step((1, 0, 0)) == (0, 0, -1))
    route = route_of(CHANNELS[1], back, CHANNELS)
    assert (route.source, route.step) == (3, (1, 0, 0))


def test_what_no_channel_answers_is_left_out_of_the_mean():
    """An offset that the network does not know turned: only the images that keep it count."""
    lone = affinity((0, 3, -1))
    group = GROUPS[True, True]
    kept = [g for g in group if route_of(lone, g, [lone]) is not None]
    assert 1 < len(kept) < len(group)
    assert all(g.of_step((0, 3, -1)) in [(0, 3, -1), (0, -3, 1)] for g in kept)
    em = np.random.default_rng(1).integers(0, 3, (1, EDGE, EDGE, EDGE)).astype(np.float32)
    mean = averaged(lambda seen: truthful(seen)[4:], [lone], [lone], group)(em)
    inside = where_the_partner_is_inside((0, 3, -1))
    np.testing.assert_allclose(mean[0][inside], truthful(em)[4][inside], rtol=1e-6)


def test_only_channels_that_take_part_are_asked_for():
    other = Channel("er/affinity_0_1_0", offset=(0, 1, 0))
    channels = [*CHANNELS, other]
    assert needed_channels([MASK], GROUPS[True, True], channels) == (0,)
    assert needed_channels([CHANNELS[1]], GROUPS[True, False], channels) == (1,)
    assert needed_channels([CHANNELS[1]], GROUPS[False, True], channels) == (1, 2, 3)


def test_a_channel_has_the_same_bits_whichever_others_are_wanted():
    em = np.random.default_rng(2).standard_normal((1, EDGE, EDGE, EDGE)).astype(np.float32)

    def soft(seen):
        return np.tanh(truthful(seen) + seen)

    everything = averaged(soft, CHANNELS, CHANNELS, GROUPS[True, True])(em)
    alone = averaged(soft, CHANNELS, CHANNELS[2:3], GROUPS[True, True])(em)
    np.testing.assert_array_equal(alone[0], everything[2])


@pytest.mark.parametrize("count", [1, 3])
def test_several_networks_are_averaged(count):
    answers = [lambda em, n=n: em + n for n in range(count)]
    em = np.ones((1, 2, 2, 2), np.float32)
    np.testing.assert_array_equal(mean_of(answers)(em), em + (count - 1) / 2)
