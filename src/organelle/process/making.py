"""One class of one crop: its recipe is followed, its volume written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import organelle
from organelle.classes import Kind
from organelle.files import whole
from organelle.geometry import Box, Grid, Voxels
from organelle.process.follow import Outcome, follow
from organelle.process.layers import Layer, ScaledLayer
from organelle.process.plan import ProcessTask
from organelle.process.recipes import ProcessSettings
from organelle.process.scratch import Cut, Scratch
from organelle.process.site import SPECKS, Site
from organelle.process.steps import Alone, Steps
from organelle.volumes import Volume, create_multiscale, open_multiscale, write_groups
from organelle.volumes.write import CHUNKS


@dataclass(frozen=True)
class Processed:
    """What became of one class of one crop."""

    path: Path
    class_name: str
    objects: int
    """Objects of an instance class; -1 for a semantic one."""
    dropped: int
    """Objects that were too small or too large."""
    voxels: int
    """Foreground voxels."""
    warnings: tuple[str, ...]


def process_one(task: ProcessTask, settings: ProcessSettings, *, overwrite: bool) -> Processed:
    """Follow the recipe of one class of one crop, and store what it makes."""
    write_groups(task.output.parent)
    with whole(task.output, overwrite=overwrite) as part:
        site = site_of(task, settings, Scratch(part.parent / "steps"), Alone())
        return make_volume(task, settings, site, part)


def make_volume(task: ProcessTask, settings: ProcessSettings, site: Site, place: Path) -> Processed:
    """Follow a recipe at a site, and write what it makes to `place`.

    Blocks are written by whole chunks, so that several processes may do it.
    """
    outcome = follow(task.recipe, site)
    site.steps.begin("write")
    site.once(lambda: _create(place, task, outcome))
    z, y, x = (-(-n // c) * c for n, c in zip(site.cut.block_shape, CHUNKS, strict=True))
    counted = site.each(_writing(outcome.layer, place), Cut(site.cut.shape, (z, y, x)))
    return Processed(
        task.output,
        task.class_name,
        outcome.objects,
        outcome.dropped,
        site.once(lambda: sum(voxels for _, voxels in counted)),
        (*_warnings(task, outcome.objects), *_simpler(task, settings)),
    )


def site_of(task: ProcessTask, settings: ProcessSettings, scratch: Scratch, steps: Steps) -> Site:
    """Where the recipe of a task is followed."""
    grid = task.grid
    return Site(
        task.class_name,
        Cut(grid.shape, settings.block_shape),
        grid.voxel_size_nm,
        probability=lambda name: predicted_layer(task.predictions[name]),
        objects=lambda name: _made(task.objects[name]),
        first_voxel=first_voxel(grid),
        scratch=scratch,
        steps=steps,
        title=task.title,
        limit=settings.most_pieces,
    )


def _create(place: Path, task: ProcessTask, outcome: Outcome) -> None:
    """An empty volume, unless somebody made it."""
    if place.exists():
        return
    with whole(place) as part:
        create_multiscale(
            part,
            task.grid,
            np.min_scalar_type(max(1, outcome.objects)),
            kind=task.kind,
            chunks=CHUNKS,
            attributes={"organelle": _record(task, outcome.objects)},
        )


def _writing(layer: Layer, place: Path) -> Callable[[Box], int]:
    """Write a block; gives the number of voxels that are not 0."""
    opened = cache(lambda: open_multiscale(place, writable=True).levels[0])

    def write(box: Box) -> int:
        labels, volume = layer.read(box), opened()
        volume.write(box, labels.astype(volume.dtype))
        return int(np.count_nonzero(labels))

    return write


def first_voxel(grid: Grid) -> Voxels:
    """The place of a grid's first voxel on the lattice of its dataset, whose voxels begin anywhere.

    Crops of one dataset lie whole voxels apart, and so do these places; a tenth of a voxel is added before
    rounding down, since places are known to a hundredth of a nanometre only.
    """
    z, y, x = (math.floor(o / s + 0.1) for o, s in zip(grid.origin_nm, grid.voxel_size_nm, strict=True))
    return z, y, x


def predicted_layer(path: Path) -> Layer:
    """What is predicted of a class, as probabilities, or of another channel, as the network told it."""
    image = open_multiscale(path)
    volume = image.levels[0]
    record = image.attributes.get("organelle", {})
    if "value_scale" in record:
        return _amount(volume, float(record["value_scale"]), float(record["value_offset"]))
    scale = _scale(image.attributes, volume.dtype)
    return ScaledLayer.make(volume.shape, volume.dtype, volume.read, scale)


def _amount(volume: Volume, scale: float, offset: float) -> Layer:
    """What is no probability: a distance, as `organelle.predict` stores it."""

    def read(box: Box) -> NDArray[np.float32]:
        values = volume.read(box).astype(np.float32)
        return np.asarray(values / np.float32(scale) + np.float32(offset))

    return Layer(volume.shape, np.dtype(np.float32), read)


def _made(path: Path) -> Layer:
    volume = open_multiscale(path).levels[0]
    return Layer(volume.shape, np.dtype(np.uint32), lambda box: volume.read(box).astype(np.uint32))


def _scale(attributes: dict[str, Any], dtype: np.dtype[Any]) -> float:
    """The stored value that means probability 1."""
    known = attributes.get("organelle", {}).get("probability_scale")
    return float(known or (1 if dtype.kind in "fb" else np.iinfo(dtype).max))


def _warnings(task: ProcessTask, objects: int) -> tuple[str, ...]:
    if task.kind is not Kind.INSTANCE or objects <= SPECKS * task.grid.box.size:
        return ()
    return (
        f"{task.title}: {objects:,} objects, one per "
        f"{task.grid.box.size // objects} voxels of the crop, are specks; the metric skips a crop with "
        f"far too many objects. Raise the threshold or the smallest volume in [process.{task.class_name}]",
    )


def _simpler(task: ProcessTask, settings: ProcessSettings) -> tuple[str, ...]:
    """Say that a class had to do with less than its best recipe."""
    lacking = settings.simpler_than(task.class_name, task.recipe)
    if not lacking:
        return ()
    return (
        f"{task.title}: {', '.join(lacking)} not predicted, so that a simpler recipe told touching objects "
        "apart",
    )


def _record(task: ProcessTask, objects: int) -> dict[str, Any]:
    """What the volume says about itself."""
    counted = {"objects": objects} if task.kind is Kind.INSTANCE else {}
    return {
        "stage": "processed",
        "class": task.class_name,
        "version": organelle.__version__,
        **counted,
        **task.way,
    }
