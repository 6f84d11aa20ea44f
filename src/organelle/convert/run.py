"""Carry out an import: layer by layer, so that a killed one goes on where it stopped.

All work stands in a folder beside the output, `.{name}.importing`, until it is whole. There, `done.txt`
names what is finished: a line per layer of chunks and level.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import organelle
from organelle.classes import Kind
from organelle.convert.plan import ImportPlan
from organelle.convert.sources import Source, open_foreign
from organelle.errors import FormatError, OrganelleError, OutputExists
from organelle.files import read_json, refuse_existing, write_json
from organelle.geometry import Box
from organelle.progress import track
from organelle.volumes import (
    Multiscale,
    Volume,
    create_multiscale,
    downsample,
    open_multiscale,
    write_groups,
)

PYRAMID_TILE = 128
"""Side of the blocks in which coarser levels are made: eight of them are read for one."""

Convert = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    plan: ImportPlan
    path: Path
    steps: int
    """Layers that were made."""
    kept: int
    """Layers that an earlier call had made."""


def import_volume(plan: ImportPlan, *, overwrite: bool = False) -> ImportReport:
    """Write the image of `plan`; it stands at its place when it is whole.

    Memory is bounded by `plan.memory_bytes` and what the libraries need; where a layer of chunks does not
    fit, it goes through a file in the work folder. When the call ends early, the same call goes on.

    Args:
        plan: from `plan_import`.
        overwrite: whether to replace what stands at the output.

    Raises:
        OutputExists: something stands there, or an unfinished import of something else, or another import
            is under way.
        FormatError: voxels that cannot be decoded, or do not fit the stored type.
    """
    refuse_existing(plan.output, overwrite=overwrite)
    with (
        _workshop(plan) as work,
        open_foreign(
            plan.source, array=plan.settings.array, repeat_missing=plan.settings.repeat_missing
        ) as source,
    ):
        image = _image(plan, work)
        ledger = _Ledger(work / "done.txt")
        steps = _steps(plan, image)
        todo = [step for step in steps if step.name not in ledger.done]
        for step in track(todo, f"import {plan.facts.name}"):
            step.carry_out(source, work)
            ledger.add(step.name)
        _publish(work / "volume" / plan.output.name, plan.output, work)
    return ImportReport(plan, plan.output, len(todo), len(steps) - len(todo))


@dataclass(frozen=True)
class _Step:
    """One layer of chunks of one level."""

    name: str
    plan: ImportPlan
    fine: Volume | None
    target: Volume
    layer: Box

    def carry_out(self, source: Source, work: Path) -> None:
        if self.fine is None:
            _copy_layer(self.plan, source, self.target, self.layer, work / "layer.raw")
        else:
            _shrink_layer(self.fine, self.target, self.layer, self.plan.kind)


def _steps(plan: ImportPlan, image: Multiscale) -> list[_Step]:
    steps = []
    for number, target in enumerate(image.levels):
        fine = image.levels[number - 1] if number else None
        depth, height, width = target.chunks[0], *target.shape[1:]
        layers = target.grid.box.tiles((depth, height, width))
        steps += [_Step(f"{target.name} {layer.start[0]}", plan, fine, target, layer) for layer in layers]
    return steps


def _copy_layer(plan: ImportPlan, source: Source, target: Volume, layer: Box, spool: Path) -> None:
    """Bring a layer of chunks over, in bands of rows.

    Where several bands are needed and a piece of the file reaches over them, each piece is decoded once
    and its voxels go through a file.
    """
    convert = _converter(plan)
    bands = list(layer.tiles((plan.chunks[0], plan.band_rows, layer.shape[2])))
    if not plan.is_spooled:
        for band in bands:
            target.write(band, _read(source, band, convert, plan.dtype))
        return
    try:
        with spool.open("wb") as stream:
            for thin in layer.tiles((plan.facts.pieces[0], *layer.shape[1:])):
                convert(source.read(thin)).astype(plan.dtype, copy=False).tofile(stream)
        for band in bands:
            target.write(band, _spooled(spool, band, layer, plan.dtype))
    finally:
        spool.unlink(missing_ok=True)


def _read(source: Source, band: Box, convert: Convert, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A band, read in pieces as thick as those of the file, so that little is held twice."""
    out = np.empty(band.shape, dtype)
    for part in band.tiles((source.facts.pieces[0], *band.shape[1:])):
        out[part.slices(band.start)] = convert(source.read(part))
    return out


def _spooled(spool: Path, band: Box, layer: Box, dtype: np.dtype[Any]) -> NDArray[Any]:
    out = np.empty(band.shape, dtype)
    _, height, width = layer.shape
    for z in range(band.shape[0]):
        offset = (z * height + band.start[1]) * width * dtype.itemsize
        out[z] = np.fromfile(spool, dtype, band.shape[1] * width, offset=offset).reshape(band.shape[1:])
    return out


def _shrink_layer(fine: Volume, target: Volume, layer: Box, kind: Kind) -> None:
    tile = [target.chunks[0], *(max(c, PYRAMID_TILE // c * c) for c in target.chunks[1:])]
    for box in layer.tiles(tile):
        source = Box.between([2 * a for a in box.start], [2 * b for b in box.stop]).intersect(fine.grid.box)
        if not fine.is_blank(source):
            target.write(box, downsample(fine.read(source), kind))


def _converter(plan: ImportPlan) -> Convert:
    """Voxels of the file as they are stored."""
    if plan.window is not None:
        low, high = plan.window
        return lambda values: _to_bytes(values, low, high)
    wanted = plan.dtype
    if np.can_cast(plan.facts.dtype, wanted, "safe"):
        return lambda values: values
    return lambda values: _exactly(values, wanted, plan.facts.name)


def _to_bytes(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """`low` to 0, `high` to 255, in proportion, rounded half to even; beyond them 0 and 255, NaN to 0."""
    out = np.empty(values.shape, np.uint8)
    for z in range(values.shape[0]):  # plane by plane: the floats of all would take four times the memory
        plane = values[z].astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
        plane -= low
        plane *= 255 / (high - low)
        np.nan_to_num(plane, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
        out[z] = np.rint(np.clip(plane, 0, 255, out=plane), out=plane)
    return out


def _exactly(values: NDArray[Any], dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    with np.errstate(invalid="ignore", over="ignore"):
        converted = values.astype(dtype)
    if not np.array_equal(converted.astype(values.dtype), values):
        raise FormatError(
            f"{where}: values from {values.min()} to {values.max()} ({values.dtype}) do not fit {dtype}; "
            "choose a larger --dtype, or --to-uint8 LOW,HIGH for grey values"
        )
    return converted


@contextmanager
def _workshop(plan: ImportPlan) -> Iterator[Path]:
    """The folder of the unfinished import, held by this call alone; it is left when the call ends early."""
    work = plan.output.parent / f".{plan.output.name}.importing"
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputExists(f"another import is writing {plan.output}; wait for it, or stop it") from error
        _check_same(plan, work)
        yield work
    shutil.rmtree(work, ignore_errors=True)


def _check_same(plan: ImportPlan, work: Path) -> None:
    record = work / "import.json"
    try:
        same = read_json(record) == plan.fingerprint if record.exists() else None
    except OrganelleError:
        same = False
    if same is False:
        raise OutputExists(
            f"{work} holds an unfinished import of another source, or with other settings; type that command "
            "again to go on with it, or delete the folder"
        )
    if same is None:
        write_json(record, plan.fingerprint)


def _image(plan: ImportPlan, work: Path) -> Multiscale:
    """The image under way; made anew unless an earlier call had made it."""
    place = work / "volume" / plan.output.name
    if (work / "done.txt").exists():
        return open_multiscale(place, writable=True)
    shutil.rmtree(place, ignore_errors=True)
    image = create_multiscale(
        place,
        plan.grid,
        plan.dtype,
        kind=plan.kind,
        levels=plan.levels,
        chunks=plan.settings.chunks,
        attributes={"organelle": _record(plan)},
    )
    (work / "done.txt").touch()
    return image


def _record(plan: ImportPlan) -> dict[str, Any]:
    """What the image says about where it comes from."""
    return {
        "stage": "import",
        "source": plan.facts.name,
        "format": plan.facts.format,
        "voxel_size_from": "the user" if plan.settings.voxel_size_nm else plan.facts.said,
        "to_uint8": None if plan.window is None else list(plan.window),
        "notes": list(plan.notes),
        "version": organelle.__version__,
    }


class _Ledger:
    """The finished steps, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text()
        self.done = set(text[: text.rfind("\n") + 1].splitlines())
        path.write_text("".join(f"{name}\n" for name in sorted(self.done)))  # without a line cut short

    def add(self, name: str) -> None:
        with self.path.open("a") as stream:
            stream.write(f"{name}\n")


def _publish(made: Path, output: Path, work: Path) -> None:
    if output.exists():
        shutil.rmtree(work / "before", ignore_errors=True)
        output.rename(work / "before")
    made.rename(output)
    write_groups(output.parent)
