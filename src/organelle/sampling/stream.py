"""Batches by number: what step i sees depends on the seed and on i, on nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError
from organelle.models import ModelSpec
from organelle.sampling.crop import TrainingCrop
from organelle.sampling.draw import Patch, draw, random_manner
from organelle.sampling.settings import SamplingSettings
from organelle.sampling.where import Places

AHEAD = 2
"""Batches that each worker may be ahead of the training step."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches as the network takes them: the flat axis of 2D patches is gone."""

    step: int
    em: NDArray[np.float32]
    """Shape [patch, 1, (z,) y, x], normalised."""
    target: NDArray[np.uint8]
    """Shape [patch, class, (z,) y, x]: 1 present, 0 absent or unknown."""
    known: NDArray[np.bool_]
    """Shape of `target`: False where it is unknown and must not count."""
    crops: tuple[int, ...]
    """The crop that each patch comes from."""


class PatchStream:
    """An endless sequence of batches; `stream[i]` is the same whenever and wherever it is asked for.

    Args:
        crops: at least one, loaded for `spec`.
        spec: what the network sees.
        settings: how patches are drawn.
        seed: of the whole run.
    """

    def __init__(
        self, crops: Sequence[TrainingCrop], spec: ModelSpec, settings: SamplingSettings, seed: int
    ) -> None:
        if not crops:
            raise SettingsError("no crops to draw patches from; name some, or check the data split")
        for crop in crops:
            _check_fits(crop, spec)
        self.spec = spec
        self.settings = settings
        self.seed = seed
        self._places = Places(crops, settings)

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""
        count, classes, flat = self.settings.batch_size, len(self.spec.classes), self.spec.flat_axis
        em = np.empty((count, 1, *self.spec.patch_shape), np.float32)
        target = np.empty((count, classes, *self.spec.patch_shape), np.uint8)
        known = np.empty(target.shape, bool)
        crops = []
        for index in range(count):
            crop, patch = self.patch(step, index)
            em[index, 0] = patch.em
            patch.expand_into(target[index], known[index])
            crops.append(crop.crop.id)
        seen = [_squeeze(array, flat) for array in (em, target, known)]
        return Batch(step, seen[0], seen[1], seen[2], tuple(crops))

    def patch(self, step: int, index: int) -> tuple[TrainingCrop, Patch]:
        """One patch of a step, and the crop that it comes from."""
        rng = np.random.default_rng((self.seed, step, index))
        manner = random_manner(rng, self.spec, self.settings)
        reach = manner.affine.reach(self.spec.patch_shape, self.spec.voxel_size_nm)
        crop, centre = self._places.draw(rng, reach)
        return crop, draw(crop, self.spec, centre, manner)

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """The batches from step `start` up to, not including, `stop` (None: for ever), drawn ahead.

        Threads of `settings.workers` draw; close the iterator, or exhaust it, to end them.
        """
        steps = iter(range(start, stop) if stop is not None else _count(start))
        if not self.settings.workers:
            yield from map(self.__getitem__, steps)
            return
        pool = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="patches")
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in steps:
                waiting.append(pool.submit(self.__getitem__, step))
                if len(waiting) >= AHEAD * self.settings.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _count(start: int) -> Iterator[int]:
    while True:
        yield start
        start += 1


def _squeeze(array: NDArray[Any], flat_axis: int | None) -> NDArray[Any]:
    return array if flat_axis is None else array.squeeze(axis=2 + flat_axis)


def _check_fits(crop: TrainingCrop, spec: ModelSpec) -> None:
    if crop.classes != spec.classes or not np.allclose(
        crop.grid.voxel_size_nm, spec.voxel_size_nm, rtol=1e-4
    ):
        raise SettingsError(
            f"crop {crop.crop.id} was loaded for {', '.join(crop.classes)} at {crop.grid.voxel_size_nm} nm, "
            f"the model wants {', '.join(spec.classes)} at {spec.voxel_size_nm} nm; load it again"
        )
