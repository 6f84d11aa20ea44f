"""Process crops: read probabilities, follow each class's recipe, write objects and masks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import organelle
from organelle.catalog import Catalog
from organelle.classes import Kind
from organelle.files import whole
from organelle.geometry import Box
from organelle.process.objects import Cut, LabelBlocks, Mask, fill_holes, find_objects, grow_back
from organelle.process.plan import ProcessPlan, ProcessTask, plan_process
from organelle.process.recipes import ProcessSettings
from organelle.progress import track
from organelle.volumes import Volume, create_multiscale, create_volume, open_multiscale, write_groups

SPECKS = 0.001
"""More objects per voxel than this are specks: fewer than 1000 voxels of the crop for each."""


@dataclass(frozen=True)
class Processed:
    """What became of one class of one crop."""

    path: Path
    class_name: str
    objects: int
    """Objects (instance classes) or pieces; -1 where nobody counted."""
    dropped: int
    """Objects that were too small."""
    voxels: int
    """Foreground voxels."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ProcessReport:
    """What `process` did."""

    plan: ProcessPlan
    results: tuple[Processed, ...]

    @property
    def written(self) -> tuple[Path, ...]:
        """The outputs of this call."""
        return tuple(result.path for result in self.results)

    @property
    def kept(self) -> tuple[Path, ...]:
        """Outputs that were there already."""
        return self.plan.kept

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        return tuple(warning for result in self.results for warning in result.warnings)


def process(
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    *,
    work: Path | str,
    settings: ProcessSettings | None = None,
    output: Path | str | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> ProcessReport:
    """Write `{output}/processed/{dataset}.zarr/crop{N}/{class}` for every crop and class.

    Instance classes become ids 1..N in the order of their first voxel, in the smallest type that holds
    them; semantic classes become 0 and 1. The grid is that of the prediction. Each output appears when it
    is whole; what the same recipe made from the same predictions before is kept.

    Args:
        catalog: what exists.
        crops: as in `Catalog.select`: `"test"`, `"*"`, numbers.
        work: folder with the predictions.
        output: another work folder for what is made; default: `work`.
        settings: the section `[process]`.
        classes: those to process; default: all that are predicted.
        overwrite: replace outputs that stand there.

    Raises:
        FileMissing: a class, or one that its recipe subtracts, is not predicted.
        GridMismatch: predictions that are to be subtracted lie on different grids.
        OutputExists: the output of another recipe or prediction stands there. Nothing was computed.
    """
    settings = settings or ProcessSettings()
    plan = plan_process(
        catalog,
        crops,
        work=work,
        settings=settings,
        output=output,
        classes=classes,
        overwrite=overwrite,
    )
    results = [_process_one(task, settings, overwrite=overwrite) for task in track(plan.tasks, "process")]
    return ProcessReport(plan, tuple(results))


def _process_one(task: ProcessTask, settings: ProcessSettings, *, overwrite: bool) -> Processed:
    cut = Cut(task.grid.shape, settings.block_shape)
    write_groups(task.output.parent)
    with whole(task.output, overwrite=overwrite) as part:
        steps = _Steps(task, cut, part.parent / "steps")
        blocks = steps.run()
        ids = max(1, steps.objects) if task.kind is Kind.INSTANCE else 1
        image = create_multiscale(
            part,
            task.grid,
            np.min_scalar_type(ids),
            kind=task.kind,
            attributes={"organelle": _record(task, steps.objects)},
        )
        voxels = _store(blocks, image.levels[0])
    return Processed(
        task.output, task.class_name, steps.objects, steps.dropped, voxels, _warnings(task, steps.objects)
    )


class _Steps:
    """Follows a recipe; between two steps the labels lie in a scratch volume in `folder`."""

    def __init__(self, task: ProcessTask, cut: Cut, folder: Path) -> None:
        self.task = task
        self.cut = cut
        self.folder = folder
        self.objects = -1
        self.dropped = 0
        self._probabilities = _Probabilities(task)

    def run(self) -> LabelBlocks:
        """The blocks of the result: ids, or 1 for a semantic class."""
        recipe, grid = self.task.recipe, self.task.grid
        if self.task.kind is Kind.SEMANTIC and not recipe.needs_objects:
            return ((box, self._probabilities.cut_foreground(box).astype(np.uint32)) for box in self.cut)
        found = find_objects(
            self._probabilities.cut_foreground,
            self.cut,
            recipe.min_volume_nm3 / grid.voxel_volume_nm3,
            recipe.connectivity,
        )
        self.objects, self.dropped = found.count, found.dropped
        blocks = found.blocks if self.task.kind is Kind.INSTANCE else _as_mask(found.blocks)
        if recipe.fill_holes:
            blocks = fill_holes(self._keep(blocks, "whole").read, self.cut)
        if recipe.grow_nm:
            blocks = grow_back(
                self._keep(blocks, "filled").read,
                self._probabilities.foreground,
                self.cut,
                recipe.grow_nm,
                grid.voxel_size_nm,
            )
        return blocks

    def _keep(self, blocks: LabelBlocks, name: str) -> Volume:
        volume = create_volume(self.folder / name, self.task.grid, np.uint32)
        _store(blocks, volume)
        return volume


class _Probabilities:
    """The foreground of a task's predictions, box by box."""

    def __init__(self, task: ProcessTask) -> None:
        self._recipe = task.recipe
        images = {name: open_multiscale(path) for name, path in task.predictions.items()}
        self._own, *self._minus = (
            (images[name].levels[0], _scale(images[name].attributes, images[name].levels[0].dtype))
            for name in (task.class_name, *task.recipe.minus)
        )

    def foreground(self, box: Box) -> Mask:
        """Where the class itself is."""
        return _at_least(*self._own, self._recipe.threshold, box)

    def cut_foreground(self, box: Box) -> Mask:
        """The same without the classes that are subtracted."""
        mask = self.foreground(box)
        for volume, scale in self._minus:
            mask &= ~_at_least(volume, scale, self._recipe.minus_threshold, box)
        return mask


def _at_least(volume: Volume, scale: float, threshold: float, box: Box) -> Mask:
    values = volume.read(box)
    limit = threshold * scale
    return np.asarray(values >= (limit if values.dtype.kind == "f" else math.ceil(limit - 1e-6)))


def _scale(attributes: dict[str, Any], dtype: np.dtype[Any]) -> float:
    """The stored value that means probability 1."""
    known = attributes.get("organelle", {}).get("probability_scale")
    return float(known or (1 if dtype.kind in "fb" else np.iinfo(dtype).max))


def _as_mask(blocks: LabelBlocks) -> LabelBlocks:
    return ((box, (labels > 0).astype(np.uint32)) for box, labels in blocks)


def _store(blocks: Iterator[tuple[Box, NDArray[np.uint32]]], volume: Volume) -> int:
    """Write all blocks; returns the number of voxels that are not 0."""
    voxels = 0
    for box, labels in blocks:
        volume.write(box, labels.astype(volume.dtype))
        voxels += int(np.count_nonzero(labels))
    return voxels


def _warnings(task: ProcessTask, objects: int) -> tuple[str, ...]:
    if task.kind is not Kind.INSTANCE or objects <= SPECKS * task.grid.box.size:
        return ()
    return (
        f"{task.crop.dataset}/{task.crop.name}/{task.class_name}: {objects:,} objects, one per "
        f"{task.grid.box.size // objects} voxels of the crop, are specks; the metric skips a crop with "
        f"far too many objects. Raise threshold or min_volume_nm3 in [process.{task.class_name}]",
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
