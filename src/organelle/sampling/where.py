"""Where patches are drawn: anywhere in the crops, or near a voxel of a class, rare ones more often.

Plain numbers rather than arrays: this is done for every patch, and arrays of three cost microseconds each.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError, did_you_mean
from organelle.geometry import Voxels
from organelle.sampling.crop import TrainingCrop
from organelle.sampling.palette import Palette
from organelle.sampling.settings import SamplingSettings

Ladder = list[float]
"""Cumulative shares, by which a number between 0 and 1 picks an entry."""


class Places:
    """Draws (crop, centre) for a set of crops of the same classes.

    Raises:
        SettingsError: `dataset_weights` names a dataset that no crop is of, or leaves nothing to draw.
    """

    def __init__(self, crops: Sequence[TrainingCrop], settings: SamplingSettings) -> None:
        self._crops = crops
        self._settings = settings
        weights = _weights(crops, settings)
        counts = np.array([crop.labels.class_counts()[0] for crop in crops], np.float64) * weights[:, None]
        sizes = np.array([_known_somewhere(crop.labels) for crop in crops], float) * weights
        self._by_size = _ladder(sizes if sizes.any() else weights)
        total = counts.sum(axis=0)
        seen = np.flatnonzero(total)
        self._classes = seen.tolist()
        self._by_class = _ladder(total[seen] ** -settings.rarity) if seen.size else []
        self._by_crop = [_ladder(counts[:, c]) for c in seen]

    def draw(self, rng: np.random.Generator, reach: Sequence[float]) -> tuple[TrainingCrop, Voxels]:
        """A crop and the centre of a patch in it, counted in voxels of its labelled part.

        Args:
            rng: the patch's own generator.
            reach: about how many voxels the patch spans on each axis of the data.
        """
        if self._classes and rng.random() < self._settings.balanced:
            return self._near_a_class(rng, reach)
        crop = self._crops[_pick(rng, self._by_size)]
        limits = [self._allowed(n, r) for n, r in zip(crop.shape, reach, strict=True)]
        z, y, x = (_whole(rng, low, high) for low, high in limits)
        return crop, (z, y, x)

    def _near_a_class(self, rng: np.random.Generator, reach: Sequence[float]) -> tuple[TrainingCrop, Voxels]:
        choice = _pick(rng, self._by_class)
        crop = self._crops[_pick(rng, self._by_crop[choice])]
        voxel = voxel_of(crop, self._classes[choice], rng)
        z, y, x = (self._beside(rng, v, n, r) for v, n, r in zip(voxel, crop.shape, reach, strict=True))
        return crop, (z, y, x)

    def _beside(self, rng: np.random.Generator, voxel: int, length: int, reach: float) -> int:
        """A centre on one axis, not far from `voxel`."""
        far = math.floor(self._settings.jitter * reach) if reach > 1.5 else 0
        low, high = self._allowed(length, reach)
        return min(max(voxel + _whole(rng, -far, far), min(low, voxel)), max(high, voxel))

    def _allowed(self, length: int, reach: float) -> tuple[int, int]:
        """First and last centre on an axis.

        Where the crop is longer than the patch, no more than the overhang lies outside; where it is
        shorter, all of the crop lies in the patch, as far as the centre then is in the crop.
        """
        inset = (0.5 - self._settings.overhang) * reach if length >= reach else length - reach / 2
        low = math.ceil(min(max(inset, 0), (length - 1) // 2))
        return low, length - 1 - low


def voxel_of(crop: TrainingCrop, class_index: int, rng: np.random.Generator) -> Voxels:
    """A voxel of the crop where the class is present, evenly drawn from the palette's anchors."""
    rows, ladder = _rows_of(crop.labels, class_index)
    places = crop.labels.anchors[rows[_pick(rng, ladder)]]
    flat = int(places[_whole(rng, 0, len(places) - 1)])
    _, ny, nx = crop.shape
    return flat // (ny * nx), flat // nx % ny, flat % nx


@lru_cache(maxsize=100_000)
def _rows_of(labels: Palette, class_index: int) -> tuple[list[int], Ladder]:
    """The combinations that a class is in, and how often each is."""
    rows = np.flatnonzero(labels.present[:, class_index])
    return rows.tolist(), _ladder(labels.counts[rows])


def _weights(crops: Sequence[TrainingCrop], settings: SamplingSettings) -> NDArray[np.float64]:
    datasets = {crop.crop.dataset for crop in crops}
    for name in settings.dataset_weights:
        if name not in datasets:
            raise SettingsError(
                f"dataset_weights names {name}, but no training crop is of it{did_you_mean(name, datasets)}"
            )
    weights = np.array([settings.dataset_weights.get(crop.crop.dataset, 1.0) for crop in crops])
    if not weights.any():
        raise SettingsError("dataset_weights are 0 for every dataset, so nothing could be drawn")
    return weights


def _known_somewhere(labels: Palette) -> int:
    """Voxels where at least one class is known."""
    return int(labels.counts[labels.known.any(axis=1)].sum())


def _ladder(weights: NDArray[Any]) -> Ladder:
    steps = np.cumsum(weights.astype(np.float64))
    found: Ladder = (steps / steps[-1]).tolist()
    return found


def _pick(rng: np.random.Generator, ladder: Ladder) -> int:
    return min(bisect_right(ladder, rng.random()), len(ladder) - 1)


def _whole(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))
