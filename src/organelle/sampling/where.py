"""Where patches are drawn: anywhere in the crops, or near a voxel of a class, rare ones more often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Voxels
from organelle.sampling.crop import TrainingCrop
from organelle.sampling.settings import SamplingSettings


class Places:
    """Draws (crop, centre) for a set of crops of the same classes."""

    def __init__(self, crops: Sequence[TrainingCrop], settings: SamplingSettings) -> None:
        self._crops = crops
        self._settings = settings
        counts = np.array([crop.labels.class_counts()[0] for crop in crops], np.float64)
        sizes = np.array([crop.labels.counts[crop.labels.known.any(axis=1)].sum() for crop in crops], float)
        self._by_size = _shares(sizes if sizes.any() else np.ones(len(crops)))
        total = counts.sum(axis=0)
        seen = np.flatnonzero(total)
        self._classes = seen
        self._class_shares = _shares(total[seen] ** -settings.rarity)
        self._crop_shares = [_shares(counts[:, c]) for c in seen]

    def draw(self, rng: np.random.Generator, reach: NDArray[np.float64]) -> tuple[TrainingCrop, Voxels]:
        """A crop and the centre of a patch in it, counted in voxels of its labelled part.

        Args:
            rng: the patch's own generator.
            reach: about how many voxels the patch spans on each axis of the data.
        """
        if len(self._classes) and rng.random() < self._settings.balanced:
            return self._near_a_class(rng, reach)
        crop = self._crops[_pick(rng, self._by_size)]
        low, high = self._allowed(crop, reach)
        z, y, x = rng.integers(low, high + 1)
        return crop, (int(z), int(y), int(x))

    def _near_a_class(
        self, rng: np.random.Generator, reach: NDArray[np.float64]
    ) -> tuple[TrainingCrop, Voxels]:
        choice = _pick(rng, self._class_shares)
        crop = self._crops[_pick(rng, self._crop_shares[choice])]
        voxel = np.array(voxel_of(crop, int(self._classes[choice]), rng))
        far = np.floor(self._settings.jitter * reach * (reach > 1.5)).astype(int)
        low, high = self._allowed(crop, reach)
        centre = (voxel + rng.integers(-far, far + 1)).clip(np.minimum(low, voxel), np.maximum(high, voxel))
        z, y, x = centre
        return crop, (int(z), int(y), int(x))

    def _allowed(
        self, crop: TrainingCrop, reach: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last centre per axis.

        Where the crop is longer than the patch, no more than the overhang lies outside; where it is
        shorter, all of the crop lies in the patch, as far as the centre then is in the crop.
        """
        length = np.array(crop.shape)
        inset = np.where(length >= reach, (0.5 - self._settings.overhang) * reach, length - reach / 2)
        low = np.ceil(inset.clip(0, (length - 1) // 2)).astype(np.int64)
        return low, length - 1 - low


def voxel_of(crop: TrainingCrop, class_index: int, rng: np.random.Generator) -> Voxels:
    """A voxel of the crop where the class is present, evenly drawn from the palette's anchors."""
    labels = crop.labels
    rows = np.flatnonzero(labels.present[:, class_index])
    row = rows[_pick(rng, _shares(labels.counts[rows]))]
    places = labels.anchors[row]
    z, y, x = np.unravel_index(places[int(rng.integers(len(places)))], crop.shape)
    return int(z), int(y), int(x)


def _shares(weights: NDArray[np.generic]) -> NDArray[np.float64]:
    real = weights.astype(np.float64)
    return np.asarray(real / real.sum())


def _pick(rng: np.random.Generator, shares: NDArray[np.float64]) -> int:
    return int(rng.choice(len(shares), p=shares))
