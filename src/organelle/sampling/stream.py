"""Batches by number: what step i sees depends on the seed and on i, on nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError
from organelle.geometry import Voxels
from organelle.models import ModelSpec
from organelle.sampling.buffers import Buffers
from organelle.sampling.crop import TrainingCrop
from organelle.sampling.draw import Manner, Patch, draw, random_manner
from organelle.sampling.seeds import generators
from organelle.sampling.settings import SamplingSettings
from organelle.sampling.targets import TargetInput, fill_targets, targets_of
from organelle.sampling.where import Places

if TYPE_CHECKING:
    import torch

AHEAD = 2
"""Batches that each worker may be ahead of the training step."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches as the network takes them: the flat axis of 2D patches is gone."""

    step: int
    em: NDArray[np.float32]
    """Shape [patch, image, (z,) y, x], normalised: EM, then each context."""
    codes: tuple[NDArray[Any], ...]
    """Per patch its labels as combinations, flat; see `Palette`."""
    words: tuple[NDArray[np.uint64], ...]
    """Per patch what its combinations mean."""
    values: NDArray[np.float32]
    """Shape [patch, channel, (z,) y, x]: truth of the targets beside the masks."""
    values_known: NDArray[np.bool_]
    """Shape of `values`: where they count."""
    classes: int
    """Masks, which come before the other targets."""
    crops: tuple[int, ...]
    """The crop that each patch comes from."""
    buffers: Buffers = field(default_factory=Buffers, repr=False)
    """Where the memory of the targets comes from."""

    @cached_property
    def target(self) -> NDArray[Any]:
        """Shape [patch, channel, (z,) y, x]: 1 present, 0 absent or unknown; float32 with `values`."""
        return self._expanded[0]

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Shape of `target`: False where it is unknown and must not count."""
        return self._expanded[1]

    @cached_property
    def _expanded(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        from organelle.sampling.palette_kernels import expand

        shape = (len(self.codes), self.classes, *self.em.shape[2:])
        target, known = self.buffers.empty(shape, np.uint8), self.buffers.empty(shape, bool)
        for codes, words, there, sure in zip(self.codes, self.words, target, known, strict=True):
            flat = (self.classes, codes.size)
            expand(codes, words, there.reshape(flat), sure.reshape(flat).view(np.uint8))
        if not self.values.shape[1]:
            return target, known
        return np.concatenate([target, self.values], axis=1), np.concatenate(
            [known, self.values_known], axis=1
        )

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """`target` and `known` on a device; a GPU gets the codes and looks up what they mean itself."""
        import torch

        if device.type == "cpu":
            return torch.from_numpy(self.target), torch.from_numpy(self.known)
        parts = [_looked_up(c, w, self.classes, device) for c, w in zip(self.codes, self.words, strict=True)]
        shape = (len(parts), self.classes, *self.em.shape[2:])
        target, known = (torch.stack([part[i] for part in parts]).reshape(shape) for i in range(2))
        if not self.values.shape[1]:
            return target, known
        values, sure = (torch.from_numpy(a).to(device) for a in (self.values, self.values_known))
        return torch.cat([target.float(), values], 1), torch.cat([known, sure], 1)

    def parts(self, count: int) -> list[Batch]:
        """The batch cut into at most `count` batches of about as many patches."""
        if count == 1:
            return [self]
        cuts = [c for c in np.array_split(np.arange(len(self.codes)), count) if c.size]
        return [self._some(int(c[0]), int(c[-1]) + 1) for c in cuts]

    def _some(self, start: int, stop: int) -> Batch:
        return Batch(
            self.step,
            self.em[start:stop],
            self.codes[start:stop],
            self.words[start:stop],
            self.values[start:stop],
            self.values_known[start:stop],
            self.classes,
            self.crops[start:stop],
            self.buffers,
        )


class PatchStream:
    """An endless sequence of batches; `stream[i]` is the same whenever and wherever it is asked for.

    Args:
        crops: at least one, loaded for `spec`.
        spec: what the network sees, and tells.
        settings: how patches are drawn.
        seed: of the whole run.
        share: which patches of each batch to draw; default: all `settings.batch_size`.
    """

    def __init__(
        self,
        crops: Sequence[TrainingCrop],
        spec: ModelSpec,
        settings: SamplingSettings,
        seed: int,
        share: range | None = None,
    ) -> None:
        if not crops:
            raise SettingsError("no crops to draw patches from; name some, or check the data split")
        for crop in crops:
            _check_fits(crop, spec)
        self.spec = spec
        self.settings = settings
        self.seed = seed
        self.share = range(settings.batch_size) if share is None else share
        self._places = Places(crops, settings)
        self._targets = targets_of(spec.targets)
        self._buffers = Buffers()

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""
        count, flat = len(self.share), self.spec.flat_axis
        extra = len(self.spec.channels) - len(self.spec.classes)
        em = self._buffers.empty((count, self.spec.in_channels, *self.spec.patch_shape), np.float32)
        values = np.empty((count, extra, *self.spec.patch_shape), np.float32)
        sure = np.empty(values.shape, bool)
        patches, crops = [], []
        planned = [self._plan(rng) for rng in generators(self.seed, step, self.share)]
        for place, (crop, centre, manner) in enumerate(planned):
            patch = draw(crop, self.spec, centre, manner, out=em[place])
            patches.append(patch)
            crops.append(crop.crop.id)
            if self._targets:
                fill_targets(self._targets, self._truths(patch), values[place], sure[place])
        seen = [_squeeze(array, flat) for array in (em, values, sure)]
        codes = tuple(patch.codes.ravel() for patch in patches)
        words = tuple(patch.labels.words for patch in patches)
        classes = len(self.spec.classes)
        return Batch(step, seen[0], codes, words, seen[1], seen[2], classes, tuple(crops), self._buffers)

    def patch(
        self, step: int, index: int, *, out: NDArray[np.float32] | None = None
    ) -> tuple[TrainingCrop, Patch]:
        """One patch of a step, and the crop that it comes from; `out` as for `draw`."""
        (rng,) = generators(self.seed, step, (index,))
        crop, centre, manner = self._plan(rng)
        return crop, draw(crop, self.spec, centre, manner, out=out)

    def _plan(self, rng: np.random.Generator) -> tuple[TrainingCrop, Voxels, Manner]:
        """Where a patch is drawn, and what is done to it."""
        manner = random_manner(rng, self.spec, self.settings)
        reach = manner.affine.reach(self.spec.patch_shape, self.spec.voxel_size_nm)
        return *self._places.draw(rng, reach), manner

    def ready(self, step: int) -> Batch:
        """The batch of a step with its targets worked out, for networks on a CPU."""
        batch = self[step]
        batch.target  # noqa: B018  worked out once, here and not by whoever trains
        return batch

    def _truths(self, patch: Patch) -> dict[str, TargetInput]:
        """What the targets need of a patch."""
        size, found = self.spec.voxel_size_nm, {}
        for name in dict.fromkeys(target.class_name for target in self._targets):
            index = self.spec.classes.index(name)
            present, known = (
                table[:, index][patch.codes] for table in (patch.labels.present, patch.labels.known)
            )
            found[name] = TargetInput(present & known, known, size, patch.ids.get(name))
        return found

    def iterate(self, start: int = 0, stop: int | None = None, *, expanded: bool = True) -> Iterator[Batch]:
        """The batches from step `start` up to, not including, `stop` (None: for ever), drawn ahead.

        With `expanded` their targets are worked out ahead, too; GPUs do that faster themselves. Threads of
        `settings.workers` draw; close the iterator, or exhaust it, to end them.
        """
        make = self.ready if expanded else self.__getitem__
        steps = iter(range(start, stop) if stop is not None else _count(start))
        if not self.settings.workers:
            yield from map(make, steps)
            return
        pool = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="patches")
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in steps:
                waiting.append(pool.submit(make, step))
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


def _looked_up(
    codes: NDArray[Any], words: NDArray[np.uint64], classes: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Presence and knowledge, [class, voxel], of flat codes."""
    import torch

    bits = np.arange(2 * classes)
    table = (words[:, bits // 64] >> (bits % 64).astype(np.uint64) & np.uint64(1)).astype(np.uint8)
    here = torch.from_numpy(np.ascontiguousarray(table.T)).to(device)
    places = torch.from_numpy(codes.astype(np.int32) if codes.dtype != np.uint8 else codes).to(device).int()
    return here[0::2][:, places], here[1::2][:, places].bool()


def _squeeze(array: NDArray[Any], flat_axis: int | None) -> NDArray[Any]:
    return array if flat_axis is None else array.squeeze(axis=2 + flat_axis)


def _check_fits(crop: TrainingCrop, spec: ModelSpec) -> None:
    if len(crop.context) != len(spec.context):
        raise SettingsError(
            f"crop {crop.crop.id} was loaded with {len(crop.context)} kinds of context, the model wants "
            f"{len(spec.context)}; load it again"
        )
    if crop.classes != spec.classes or not np.allclose(
        crop.grid.voxel_size_nm, spec.voxel_size_nm, rtol=1e-4
    ):
        raise SettingsError(
            f"crop {crop.crop.id} was loaded for {', '.join(crop.classes)} at {crop.grid.voxel_size_nm} nm, "
            f"the model wants {', '.join(spec.classes)} at {spec.voxel_size_nm} nm; load it again"
        )
