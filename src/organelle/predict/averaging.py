"""The mean of what a network says of a patch and of its mirror and turned images. Pure arrays.

What a channel tells of a voxel stays true when the patch is turned. What it tells of a voxel and its partner,
an affinity, becomes an answer about the turned partner: it belongs to another channel, or to the same pair of
voxels seen from the other end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Voxels
from organelle.models.outputs import Channel
from organelle.predict.symmetry import Symmetry

Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A network: a patch (image, z, y, x) in, activated channels (channel, z, y, x) out."""


@dataclass(frozen=True, slots=True)
class Route:
    """Which channel of a turned answer says the same as a wanted channel.

    Attributes:
        source: its index.
        step: how far from a voxel its value lies, once it is turned back: 0, or the step to the partner,
            where the answer is about the same pair of voxels seen from the other end.
    """

    source: int
    step: Voxels = (0, 0, 0)


def route_of(wanted: Channel, symmetry: Symmetry, channels: Sequence[Channel]) -> Route | None:
    """Where the answer to the image under `symmetry` says what `wanted` says; None if it does not."""
    if wanted.offset is None:
        return Route(channels.index(wanted))
    steps = {c.offset: i for i, c in enumerate(channels) if _family(c) == _family(wanted)}
    z, y, x = step = symmetry.of_step(wanted.offset)
    if step in steps:
        return Route(steps[step])
    if (-z, -y, -x) in steps:
        return Route(steps[-z, -y, -x], wanted.offset)
    return None


def needed_channels(
    wanted: Sequence[Channel], group: Sequence[Symmetry], channels: Sequence[Channel]
) -> tuple[int, ...]:
    """The channels of a network, in order, that take part in the mean of those `wanted`."""
    routes = (route_of(channel, symmetry, channels) for channel in wanted for symmetry in group)
    return tuple(sorted({route.source for route in routes if route is not None}))


def averaged(
    answer: Answer, channels: Sequence[Channel], wanted: Sequence[Channel], group: Sequence[Symmetry]
) -> Answer:
    """`answer` averaged over the images of the patch, each turned back.

    An image that says nothing of a wanted channel is left out of that channel's mean. So is, where a pair of
    voxels is seen from the other end, a voxel whose partner lies outside of the patch.

    Args:
        answer: gives `channels`.
        channels: at least the `needed_channels`.
        wanted: what comes out, in this order.
        group: the maps, the identity among them.
    """
    ways = [[route_of(channel, symmetry, channels) for channel in wanted] for symmetry in group]
    counts = cache(partial(_counts, ways))

    def mean(em: NDArray[np.float32]) -> NDArray[np.float32]:
        z, y, x = em.shape[1:]
        total = np.zeros((len(wanted), z, y, x), np.float32)
        for symmetry, routes in zip(group, ways, strict=True):
            found = symmetry.inverse(answer(np.ascontiguousarray(symmetry(em))))
            for out, route in zip(total, routes, strict=True):
                if route is not None:
                    here, there = _pairs(route.step, (z, y, x))
                    out[here] += found[route.source][there]
        for out, count in zip(total, counts((z, y, x)), strict=True):
            out /= count
        return total

    return mean


def mean_of(answers: Sequence[Answer]) -> Answer:
    """The mean of several networks' answers, added up in their order."""
    if len(answers) == 1:
        return answers[0]

    def mean(em: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.array(answers[0](em), np.float32)
        for answer in answers[1:]:
            total += answer(em)
        total /= np.float32(len(answers))
        return total

    return mean


def _family(channel: Channel) -> str | None:
    """What channels have in common that differ by their offset alone: the name without it."""
    return None if channel.offset is None else re.sub(r"(_-?\d+){3}$", "", channel.name)


def _counts(ways: Sequence[Sequence[Route | None]], shape: Voxels) -> list[NDArray[np.float32]]:
    """How many answers each voxel of each wanted channel has."""
    counts = []
    for routes in zip(*ways, strict=True):
        count = np.zeros(shape if any(r and any(r.step) for r in routes) else (), np.float32)
        for route in routes:
            if route is not None:
                count[_pairs(route.step, shape)[0] if count.ndim else ()] += 1
        counts.append(count)
    return counts


def _pairs(step: Voxels, shape: Voxels) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The voxels whose partner, `step` further, is inside, and those partners."""
    here = tuple(_from(s, n) for s, n in zip(step, shape, strict=True))
    there = tuple(_from(-s, n) for s, n in zip(step, shape, strict=True))
    return here, there


def _from(step: int, size: int) -> slice:
    return slice(min(size, max(0, -step)), max(0, size - max(0, step)))
