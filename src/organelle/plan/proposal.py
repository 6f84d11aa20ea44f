"""One experiment as it is proposed: the network, its schedule, and what they are expected to cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from organelle.catalog import Crop
from organelle.geometry import Box
from organelle.plan.choices import Choice
from organelle.plan.groups import Group

RARE = 0.02
"""A class that fills less of what is known needs places and weights of its own, or comes out empty."""
VALIDATION_SHARE = 0.1
"""Of the time, at most."""
VALIDATIONS = 4
"""So often, at least, before less of the held-out crops is looked at."""
MAKING_OBJECTS = 1.5
"""Validation takes so many times longer than its prediction: objects are made and scored."""
MEGAVOXELS = (4.0, 1.0, 0.25)
"""Of each held-out crop."""


@dataclass(frozen=True)
class Proposal:
    """What one experiment file says, and why.

    Attributes:
        group: what is learned.
        choice: with which network and patch.
        train: crops to learn from.
        validate: crops held out; there may be none.
        minutes: for all of training.
        step_seconds: per step.
        memory_bytes: the largest.
        patch_seconds: of predicting a patch.
        measured: whether the three were measured, or estimated.
    """

    group: Group
    choice: Choice
    train: tuple[Crop, ...]
    validate: tuple[Crop, ...]
    minutes: float
    step_seconds: float
    memory_bytes: float
    patch_seconds: float
    measured: bool

    @property
    def name(self) -> str:
        """Of the file and of the run."""
        return self.group.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Masks that the network gives."""
        return tuple(figures.name for figures in self.group.classes)

    @property
    def steps(self) -> int:
        """As many as fit into the time beside validation, rounded down to two digits."""
        share = 1 - VALIDATION_SHARE if self.validate else 1.0
        return max(1, _two_digits(share * 60 * self.minutes / self.step_seconds))

    @property
    def validate_every(self) -> int:
        """Steps between validations, so that they take at most their share of the time."""
        least = self._validation_seconds(self.megavoxels) / self.step_seconds / VALIDATION_SHARE
        return min(self.steps, max(1, self.steps // 20, _up_to_two_digits(least)))

    @property
    def megavoxels(self) -> float:
        """Of each held-out crop: as many as leave time for some validations."""
        allowed = VALIDATION_SHARE * 60 * self.minutes / VALIDATIONS
        return next((m for m in MEGAVOXELS if self._validation_seconds(m) <= allowed), MEGAVOXELS[-1])

    @property
    def rare(self) -> tuple[str, ...]:
        """Classes that are easily overlooked."""
        return tuple(figures.name for figures in self.group.classes if figures.share < RARE)

    def _validation_seconds(self, megavoxels: float) -> float:
        """Of all held-out crops: patches lie on a grid of their own, so there is one more along each axis."""
        from organelle.train.held_out import middle

        size, patch = self.group.voxel_size_nm, self.choice.patch_shape
        patches = 0
        for crop in self.validate:
            z, y, x = (math.ceil(n / v) for n, v in zip(crop.extent.shape_nm, size, strict=True))
            shape = middle(Box((0, 0, 0), (z, y, x)), megavoxels * 1e6).shape
            along = [n if p == 1 else -(-n // (p * 3 // 4)) + 1 for n, p in zip(shape, patch, strict=True)]
            patches += math.prod(along)
        return MAKING_OBJECTS * patches * self.patch_seconds


def measured_crops(crops: Sequence[Crop]) -> list[Crop]:
    """The two smallest: steps are the same in all, and loading takes time."""
    return sorted(crops, key=lambda crop: math.prod(crop.extent.shape_nm))[:2]


def _two_digits(number: float) -> int:
    digits = max(0, len(str(int(number))) - 2)
    return int(number // 10**digits * 10**digits)


def _up_to_two_digits(number: float) -> int:
    whole = math.ceil(number)
    down = _two_digits(whole)
    return whole if down == whole else down + 10 ** (len(str(whole)) - 2)
