"""Patches of organelle.sampling: `python -m measuring.own_patches FOLDER EDGES` (see `turns.play`)."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from measuring.turns import Clock, play
from organelle.catalog import Crop, em_folder, label_path, load_catalog
from organelle.geometry import Box, Voxels
from organelle.models import ModelSettings, ModelSpec
from organelle.sampling import (
    PatchStream,
    SamplingSettings,
    TrainingCrop,
    draw,
    em_statistics,
    load_crops,
)

TRAINED = SamplingSettings()
SPATIAL = TRAINED.without_augmentation().model_copy(
    update={"rotate": 1.0, "mirror": True, "transpose": True, "planes": "any"}
)
MANNERS = {"spatial": SPATIAL, "plain": TRAINED.without_augmentation(), "as trained": TRAINED}
SEED = 0


class Loader:
    """What training does with the drawn crops, step after step."""

    def __init__(self, folder: Path, shape: Voxels, batch: int) -> None:
        self.folder, self.batch, self.step = folder, batch, 0
        self.cpu = {"imports": time.process_time()}
        self.model = model_settings(folder, shape)
        self.crops = load_crops(folder, crops_of(folder), self.model, SPATIAL)
        self.spec = self.model.with_normalisation(em_statistics(self.crops))
        self.cpu["opening"] = time.process_time() - sum(self.cpu.values())
        turned = [crop.turned for crop in self.crops if crop.turned]
        held = [(crop.em, crop.labels.codes) for crop in self.crops] + [(t.em, t.codes) for t in turned]
        self.held = sum(em.nbytes + codes.nbytes for em, codes in held)
        self.draw("spatial", "batch", 1, skip=0)
        self.cpu["first"] = time.process_time() - sum(self.cpu.values())

    def draw(self, manner: str, form: str, batches: int, skip: int = 2) -> dict[str, Any]:
        """Batches as the loss takes them, the same drawn ahead by threads, or codes alone.

        The first `skip` do not count: memory that lay idle in a virtual machine costs much to get back.
        """
        count = {"batch_size": self.batch, "workers": 2 if form == "two threads" else 0}
        stream = PatchStream(self.crops, self.spec, MANNERS[manner].model_copy(update=count), SEED)
        steps = range(self.step, self.step + batches + skip)
        self.step = steps.stop
        clock = Clock(self.batch, skip)
        with closing(stream.iterate(steps.start, steps.stop)) as drawn:
            for _ in map(partial(codes, stream), steps) if form == "codes" else drawn:
                clock.tick()
        return clock.read()

    def check(self, patches: int) -> dict[str, Any]:
        """Compare patches without augmentation with slices of the stored arrays; all must be equal."""
        rng = np.random.default_rng(SEED)
        still = TRAINED.without_augmentation().model_copy(update={"relations": False})
        crops = load_crops(self.folder, crops_of(self.folder)[:2], self.model, still)
        for _ in range(patches):
            crop = crops[rng.integers(len(crops))]
            assert_equal(self.folder, crop, self.spec, rng)
        return {"equal": patches}


def codes(stream: PatchStream, step: int) -> None:
    """The patches of a step before targets are expanded."""
    for index in range(stream.settings.batch_size):
        stream.patch(step, index)


def model_settings(folder: Path, shape: Voxels) -> ModelSettings:
    """For all ten classes at the EM's voxel size."""
    crop = crops_of(folder)[0]
    network = "unet_2d" if 1 in shape else "unet_3d"
    return ModelSettings(
        network=network, classes=crop.classes, voxel_size_nm=crop.voxel_size_nm, patch_shape=shape
    )


def crops_of(folder: Path) -> list[Crop]:
    """All training crops below `folder`."""
    return list(load_catalog(folder).train_crops.values())


def assert_equal(folder: Path, crop: TrainingCrop, spec: ModelSpec, rng: np.random.Generator) -> None:
    """Draw one patch, which may hang over the crop, and compare every voxel."""
    z, y, x = (int(rng.integers(n)) for n in crop.shape)
    patch = draw(crop, spec, (z, y, x))
    start = [c - n // 2 for c, n in zip((z, y, x), spec.patch_shape, strict=True)]
    box = Box.between(start, [s + n for s, n in zip(start, spec.patch_shape, strict=True)])
    grid = crop.crop.grid
    first = [round(o / v) for o, v in zip(grid.origin_nm, grid.voxel_size_nm, strict=True)]
    grey, imaged = sliced(em_folder(folder, crop.crop.dataset), box.shift(first))
    np.testing.assert_array_equal(patch.imaged, imaged)
    np.testing.assert_array_equal(patch.em, np.where(imaged, spec.normalisation(grey), np.float32(0)))
    target, known = patch.expand()
    for channel, name in enumerate(crop.classes):
        stored, inside = sliced(label_path(folder, crop.crop, name), box)
        told = inside & (stored != 255)
        np.testing.assert_array_equal(known[channel], told)
        np.testing.assert_array_equal(target[channel], told & (stored > 0))


def sliced(image: Path, box: Box) -> tuple[Any, Any]:
    """Stored values of the finest level in `box`, and where there are any."""
    array = zarr.open_array(str(image / "s0"), mode="r")
    there = box.intersect(Box((0, 0, 0), array.shape))
    values, inside = np.zeros(box.shape, array.dtype), np.zeros(box.shape, bool)
    here = there.slices(box.start)
    values[here], inside[here] = array[there.slices()], True
    return values, inside


def main() -> None:
    folder, shape, batch = Path(sys.argv[1]), tuple(map(int, sys.argv[2].split(","))), int(sys.argv[3])
    z, y, x = shape
    loader = Loader(folder, (z, y, x), batch)
    play(began=lambda: {**loader.cpu, "held_bytes": loader.held}, draw=loader.draw, check=loader.check)


if __name__ == "__main__":
    main()
