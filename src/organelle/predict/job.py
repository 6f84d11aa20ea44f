"""A prediction as work in blocks: what a worker does, where volumes grow, and how they reach their place.

A job is a folder below `{work}/jobs`, named by a hash of all that it is made of::

    plan.json       what was to be done when it began, so that workers who come later do the same
    blocks.ledger   which blocks are done
    predictions/    the volumes, as they will lie below `{work}/predictions`
    left_out.jsonl  blocks that lack EM

The same call finds the same job, whoever makes it, so that it goes on where it was, and many may share it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import organelle
from organelle.blocks import Ledger
from organelle.catalog import Crop, Region, prediction_path
from organelle.catalog.layout import predicted_below
from organelle.classes import Kind
from organelle.errors import OutputExists
from organelle.files import locked, read_json, whole, write_json
from organelle.geometry import Box
from organelle.models.outputs import Channel
from organelle.predict.ahead import WriteBehind
from organelle.predict.backends import Agreement, one_thread_each
from organelle.predict.em import PatchEM
from organelle.predict.opening import OpenedForward, open_forward
from organelle.predict.plan import CropPlan, PredictPlan, way_of
from organelle.predict.planes import predict_views
from organelle.predict.stored import Stored, stored_as
from organelle.volumes import Volume, build_pyramid, create_multiscale, open_multiscale, write_groups


@dataclass(frozen=True)
class PredictJob:
    """The work of a plan (see `organelle.blocks.Work`), in a folder.

    A block reads its EM with what patches reach around it, one layer of patches ahead of the network, and
    writes its volumes one piece behind; the stored chunks of blocks never meet.
    """

    plan: PredictPlan
    folder: Path
    overwrite: bool = False

    @classmethod
    def open(cls, plan: PredictPlan, *, overwrite: bool = False) -> PredictJob:
        """The job of `plan`, begun now, or before by whoever made the same plan."""
        asked = {**_made_of(plan), "overwrite": overwrite}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        folder = plan.work / "jobs" / f"predict-{digest[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        todo = {_key(crop): list(crop.classes) for crop in plan.crops}
        with suppress(OutputExists):
            write_json(folder / "plan.json", todo)
        begun = read_json(folder / "plan.json")
        crops = tuple(replace(crop, classes=tuple(begun[_key(crop)])) for crop in plan.crops)
        return cls(replace(plan, crops=crops), folder, overwrite)

    @property
    def is_over(self) -> bool:
        """Whether somebody else finished the same plan, and removed its job, just before."""
        places = [prediction_path(self.plan.work, c.crop, n) for c in self.plan.crops for n in c.classes]
        return not self.overwrite and all(place.exists() for place in places)

    def drop(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def count(self) -> int:
        """Number of blocks."""
        return self.plan.blocks

    @property
    def made_of(self) -> dict[str, Any]:
        """All that determines the results, and how blocks are numbered."""
        return _made_of(self.plan)

    @cached_property
    def ledger(self) -> Ledger:
        """Which blocks are done."""
        return Ledger.open(self.folder / "blocks.ledger", count=self.count, made_of=self.made_of)

    def name(self, index: int) -> str:
        """What people call a block."""
        crop, box = self.plan.block(index)
        start = ", ".join(map(str, box.relative_to(crop.region).start))
        return f"{crop.crop.dataset}/{crop.crop.name} at voxel ({start}), {' x '.join(map(str, box.shape))}"

    def try_network(self) -> tuple[Agreement, ...]:
        """Open the network before any block needs it, so that what is wrong with it is said at once.

        Returns:
            How far each checkpoint's backend is from torch; nothing for torch.
        """
        crop = next(crop for crop in self.plan.crops if crop.classes)
        return self._opened.forward(crop.classes).agreements

    def run(self, index: int) -> None:
        """Predict a block and write it; a block where nothing was imaged stays without chunks."""
        crop, box = self.plan.block(index)
        if not crop.classes or box.is_empty:
            return
        em = self._opened.em(crop)
        if em.fine.is_blank(crop.grid.extent_of(box.relative_to(crop.region))):
            self._leave_out(crop, box, box.size)
            return
        stored = [stored_as(self._opened.channels[name]) for name in crop.classes]
        volumes = self._opened.volumes(crop)
        forward = self._opened.forward(crop.classes)
        slabs = predict_views(
            forward,
            em,
            box,
            self.plan.views,
            crop.block_shape,
            channels=len(volumes),
            blending=self.plan.settings.blending,
            threads=forward.threads,
        )
        missing = 0
        with one_thread_each(), WriteBehind() as behind:
            for piece, values in slabs:
                gaps = em.fine.gaps(piece)
                missing += 0 if gaps is None else int(gaps.sum())
                behind(partial(_write, volumes, stored, piece.relative_to(crop.region), values, gaps))
        em.fine.forget()
        if missing:
            self._leave_out(crop, box, missing)

    def finish(self) -> tuple[Path, ...]:
        """Move the volumes of crops whose blocks are done to their places; returns those that stand there.

        Whoever comes first does it, the others wait.
        """
        failed = {self.plan.block(block.index)[0].crop for block in self.ledger.failed()}
        finished = [crop for crop in self.plan.crops if crop.crop not in failed]
        # The folder may be gone: then all is done.
        with suppress(FileNotFoundError), locked(self.folder / ".lock"):
            for crop in finished:
                for name in crop.classes:
                    self._move(crop, name)
            if not failed:
                self.drop()
        return tuple(
            prediction_path(self.plan.work, crop.crop, name) for crop in finished for name in crop.classes
        )

    def left_out(self) -> dict[str, int]:
        """Voxels without EM per crop, as far as blocks are done."""
        blocks: dict[tuple[str, str], int] = {}
        with suppress(FileNotFoundError), (self.folder / "left_out.jsonl").open() as lines:
            for line in lines:
                with suppress(ValueError, KeyError, TypeError):  # a line that a kill cut off
                    entry = json.loads(line)
                    blocks[entry["crop"], str(entry["start"])] = entry["voxels"]
        found: dict[str, int] = {}
        for (crop, _), voxels in blocks.items():
            found[crop] = found.get(crop, 0) + voxels
        return found

    def _leave_out(self, crop: CropPlan, box: Box, voxels: int) -> None:
        entry = {"crop": _key(crop), "start": list(box.start), "voxels": voxels}
        with (self.folder / "left_out.jsonl").open("a") as lines:
            lines.write(json.dumps(entry) + "\n")

    def _move(self, crop: CropPlan, name: str) -> None:
        made = self._made(crop, name)
        final = prediction_path(self.plan.work, crop.crop, name)
        if not made.is_dir() or (final.exists() and not self.overwrite):
            return  # moved before; or the same, made by somebody else
        for litter in made.rglob("*.partial"):  # of writers that were killed
            litter.unlink()
        image = open_multiscale(made, writable=True)
        build_pyramid(image, Kind.IMAGE)
        write_groups(final.parent)
        with whole(final, overwrite=self.overwrite) as part:
            made.rename(part)

    def _made(self, crop: CropPlan, name: str) -> Path:
        return predicted_below(self.folder / "predictions", crop.crop, name)

    @cached_property
    def _opened(self) -> _Opened:
        return _Opened(self)

    def __reduce__(self) -> tuple[Callable[..., PredictJob], tuple[Any, ...]]:
        return PredictJob, (self.plan, self.folder, self.overwrite)


class _Opened:
    """What a worker holds open: the network, the EM and the volumes of the crop that it is at."""

    def __init__(self, job: PredictJob) -> None:
        self._job = job
        self._forwards: dict[tuple[str, ...], OpenedForward] = {}
        self._em: tuple[Crop | Region, PatchEM] | None = None
        self._volumes: tuple[Crop | Region, list[Volume]] | None = None

    @cached_property
    def channels(self) -> dict[str, Channel]:
        return {channel.name: channel for channel in self._job.plan.spec.channels}

    def forward(self, classes: tuple[str, ...]) -> OpenedForward:
        plan = self._job.plan
        if classes not in self._forwards:
            kept = plan.work / "cache" / "onnx"
            self._forwards[classes] = open_forward(
                plan.checkpoints, plan.spec, plan.settings, classes, cache=kept
            )
        return self._forwards[classes]

    def em(self, crop: CropPlan) -> PatchEM:
        if self._em is None or self._em[0] != crop.crop:
            self._em = crop.crop, PatchEM(open_multiscale(crop.em), self._job.plan.spec)
        return self._em[1]

    def volumes(self, crop: CropPlan) -> list[Volume]:
        if self._volumes is None or self._volumes[0] != crop.crop:
            found = [open_multiscale(path, writable=True).levels[0] for path in self._images(crop)]
            self._volumes = crop.crop, found
        return self._volumes[1]

    def _images(self, crop: CropPlan) -> Iterator[Path]:
        """The volumes of a crop, made by whoever comes first."""
        for name in crop.classes:
            path = self._job._made(crop, name)
            stored = stored_as(self.channels[name])
            if not path.is_dir():
                self._create(path, crop, name, stored)
            yield path

    def _create(self, path: Path, crop: CropPlan, name: str, stored: Stored) -> None:
        plan = self._job.plan
        write_groups(path.parent)
        try:
            with whole(path) as part:
                create_multiscale(
                    part,
                    crop.grid,
                    stored.dtype,
                    kind=Kind.IMAGE,
                    levels=plan.settings.levels,
                    attributes={"organelle": _record(name, stored, plan, crop)},
                    name=path.name,
                )
        except (OutputExists, OSError):
            if not path.is_dir():  # nobody else was faster: a full disk, say
                raise


def _write(
    volumes: list[Volume],
    stored: list[Stored],
    box: Box,
    values: NDArray[np.float32],
    gaps: NDArray[np.bool_] | None,
) -> None:
    for volume, form, channel in zip(volumes, stored, values, strict=True):
        if gaps is not None:
            channel[gaps] = form.nothing
        volume.write(box, form.encode(channel))


def _key(crop: CropPlan) -> str:
    return f"{crop.crop.dataset}/{crop.crop.name}"


def _made_of(plan: PredictPlan) -> dict[str, Any]:
    """In values that JSON can hold."""
    return {
        **way_of(plan.hashes, plan.settings),
        "crops": {
            _key(crop): {
                "em": str(crop.em),
                "em_seen": dict(crop.em_seen),
                "region": [list(crop.region.start), list(crop.region.shape)],
                "blocks": list(crop.blocks.shape),
                "channels": sorted({*crop.classes, *crop.kept}),
            }
            for crop in plan.crops
        },
    }


def _record(channel: str, stored: Stored, plan: PredictPlan, crop: CropPlan) -> dict[str, Any]:
    """What the volume says about itself."""
    return {
        "stage": "prediction",
        "class": channel.partition("/")[0],
        "channel": channel,
        "classes": list(plan.spec.classes),
        "version": organelle.__version__,
        **stored.record,
        **way_of(plan.hashes, plan.settings),
        "em": dict(crop.em_seen),
        "model": plan.spec.model_dump(mode="json"),
    }
