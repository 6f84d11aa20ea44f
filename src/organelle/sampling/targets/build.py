"""Targets from settings, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError
from organelle.models.outputs import (
    AffinitySettings,
    BoundarySettings,
    CentreSettings,
    Channel,
    DistanceSettings,
    MaskSettings,
    OwnTargetSettings,
    TargetSettings,
)
from organelle.sampling.targets.affinity import affinities
from organelle.sampling.targets.boundary import boundary
from organelle.sampling.targets.centre import centre
from organelle.sampling.targets.distance import signed_distance
from organelle.sampling.targets.mask import mask
from organelle.sampling.targets.records import Target, TargetInput, TargetValues


@dataclass(frozen=True)
class BuiltIn:
    """One of the built-in targets with its settings."""

    settings: TargetSettings
    compute: Callable[[TargetInput], TargetValues]

    @property
    def class_name(self) -> str:
        """The class whose truth it is called with."""
        return self.settings.class_name

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What it makes, in order."""
        return self.settings.channels

    def __call__(self, truth: TargetInput) -> TargetValues:
        """The channels of one patch."""
        return self.compute(truth)


def targets_of(settings: Iterable[TargetSettings]) -> tuple[Target, ...]:
    """The targets that `settings` describe, in the same order.

    Raises:
        NotFound, SettingsError: an own target that cannot be imported, made, or is none.
    """
    return tuple(_target_of(one) for one in settings)


def fill_targets(
    targets: Sequence[Target],
    truths: Mapping[str, TargetInput],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
) -> None:
    """Write the channels of all `targets`, one after the other, into `values` and `known`.

    Args:
        targets: what to compute.
        truths: of each class that a target wants.
        values: [channel, z, y, x]; as many channels as the targets have together.
        known: the same shape.

    Raises:
        SettingsError: an own target that returns something of another shape or type.
    """
    start = 0
    for target in targets:
        truth = truths[target.class_name]
        found, stop = target(truth), start + len(target.channels)
        _check(target, found, (stop - start, *truth.known.shape))
        values[start:stop], known[start:stop] = found.values, found.known
        start = stop


def _target_of(settings: TargetSettings) -> Target:
    match settings:
        case OwnTargetSettings():
            own: Target = settings.build()
            return own
        case MaskSettings():
            return BuiltIn(settings, mask)
        case DistanceSettings(scale_nm=scale, limit_nm=limit):
            return BuiltIn(settings, partial(signed_distance, scale_nm=scale, limit_nm=limit))
        case BoundarySettings(width_nm=width):
            return BuiltIn(settings, partial(boundary, width_nm=width))
        case CentreSettings(sigma_nm=sigma):
            return BuiltIn(settings, partial(centre, sigma_nm=sigma))
        case AffinitySettings(offsets=offsets):
            return BuiltIn(settings, partial(affinities, offsets=offsets))
    raise SettingsError(f"{type(settings).__name__} describes no target that can be built")


def _check(target: Target, found: TargetValues, shape: tuple[int, ...]) -> None:
    """Own targets are taken at their word only as far as it goes."""
    if isinstance(target, BuiltIn):
        return
    parts = {"values": getattr(found, "values", None), "known": getattr(found, "known", None)}
    sizes = [_size(part) for part in parts.values()]
    if sizes != [shape, shape] or np.asarray(parts["known"]).dtype != bool:
        told = " and ".join(f"{name} {_say(part)}" for name, part in parts.items())
        raise SettingsError(
            f"{type(target).__name__} returned {told}; "
            f"wanted are numbers and bool, both of shape {list(shape)}"
        )


def _size(array: object) -> tuple[int, ...] | None:
    return array.shape if isinstance(array, np.ndarray) else None


def _say(array: object) -> str:
    return f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else f"{array!r:.80}"
