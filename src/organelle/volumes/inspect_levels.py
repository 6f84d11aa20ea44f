"""What the levels of an image say about each other: places, shapes, and what is listed but absent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from organelle.errors import FormatError, printable
from organelle.volumes.inspect_metadata import Findings
from organelle.volumes.inspect_records import LevelReport
from organelle.volumes.ngff import NM_PER_UNIT, Level, parse_multiscales

MOST_LEVELS = 64

SHIFT = 0.05
"""Part of a voxel by which a level may lie beside its place: tables round."""

PLAUSIBLE_NM = (0.05, 5000.0)


def image_record(attributes: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str | None]:
    """The first multiscale image of a group's attributes, and the version of the metadata."""
    inner = attributes.get("ome", attributes)
    inner = inner if isinstance(inner, Mapping) else {}
    listed = inner.get("multiscales")
    if not isinstance(listed, list) or not listed:
        return None, None
    image = listed[0] if isinstance(listed[0], Mapping) else {}
    version = image.get("version", inner.get("version"))
    return image, None if version is None else printable(str(version), most=40)


def axes_of(image: Mapping[str, Any], where: str, found: Findings) -> tuple[str, ...]:
    """Names of the axes with their units, and what is wrong with them."""
    listed = image.get("axes")
    if not isinstance(listed, list) or not listed:
        found.error(
            "axes-missing",
            where,
            "its metadata names no axes",
            'add "axes" to the multiscales metadata: z, y, x with their units',
        )
        return ()
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in listed[:16]]
    names = [str(axis.get("name")) for axis in axes]
    if names != ["z", "y", "x"]:
        found.error(
            "axes-order",
            where,
            f"its axes are {', '.join(names)}; stages read z, y, x only",
            "turn it with csc catalog import, which drops axes of length 1",
        )
    for axis in axes:
        _check_unit(axis, where, found)
    return tuple(printable(f"{axis.get('name')} [{axis.get('unit', 'no unit')}]", most=60) for axis in axes)


def _check_unit(axis: Mapping[str, Any], where: str, found: Findings) -> None:
    name = axis.get("name")
    if name not in ("z", "y", "x"):
        return
    unit = axis.get("unit")
    if unit is None:
        found.warning(
            "unit-missing",
            where,
            f"axis {name} has no unit and counts as nanometres",
            'add "unit": "nanometer" if that is right',
        )
    elif not isinstance(unit, str) or unit not in NM_PER_UNIT:
        found.error(
            "unit-unknown",
            where,
            f"the unit {unit!r} of axis {name} is not known",
            f"use one of {', '.join(NM_PER_UNIT)}",
        )


def listed_levels(attributes: Mapping[str, Any], where: str, found: Findings) -> tuple[Level | str, ...]:
    """The levels that the metadata lists; their names alone where it does not place them."""
    names: list[str] = []
    try:
        placed = parse_multiscales(attributes, where)
    except (FormatError, ArithmeticError) as error:
        placed = None
        if not found.problems:
            found.error("metadata-incomplete", where, str(error), "mend the multiscales metadata")
        image, _ = image_record(attributes)
        datasets = (image or {}).get("datasets")
        entries = datasets if isinstance(datasets, list) else []
        names = [d["path"] for d in entries if isinstance(d, Mapping) and isinstance(d.get("path"), str)]
    levels: tuple[Level | str, ...] = placed or tuple(names)
    if not levels:
        found.error("no-levels", where, "its metadata lists no level", 'add its arrays to "datasets"')
    if len(levels) > MOST_LEVELS:
        found.warning(
            "many-levels",
            where,
            f"{len(levels)} levels are listed; {MOST_LEVELS} were looked at",
            "no image needs so many",
        )
    return levels[:MOST_LEVELS]


def check_levels(levels: Sequence[LevelReport], where: str, found: Findings) -> None:
    """Compare the levels with the finest, and with what voxel sizes can be."""
    if absent := [level.name for level in levels if not level.is_here]:
        _tell_absent(absent, len(levels), where, found)
    placed = [level for level in levels if level.voxel_size_nm and level.origin_nm]
    if not placed:
        return
    _check_size(placed[0], where, found)
    for level in placed[1:]:
        _check_place(placed[0], level, where, found)
        if placed[0].is_here and level.is_here:
            _check_shape(placed[0], level, where, found)
            if level.dtype != placed[0].dtype:
                found.warning(
                    "level-dtype",
                    where,
                    f"{level.name} holds {level.dtype}, {placed[0].name} {placed[0].dtype}",
                    "write all levels in one type",
                )


def _tell_absent(absent: Sequence[str], listed: int, where: str, found: Findings) -> None:
    what = f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} listed but not stored here"
    if len(absent) == listed:
        found.error("levels-absent", where, what, "fetch the image, or name the folder that holds its levels")
    else:
        found.note("levels-absent", where, what, "fetch them if you need their voxel size")


def _check_size(level: LevelReport, where: str, found: Findings) -> None:
    size = level.voxel_size_nm
    if size is None:
        return
    if not all(math.isfinite(v) and v > 0 for v in size):
        found.error(
            "voxel-size",
            where,
            f"the voxel size of {level.name} is {_nm(size)} nm",
            'mend its "scale": three positive numbers',
        )
        return
    low, high = PLAUSIBLE_NM
    if min(size) < low or max(size) > high:
        found.warning(
            "voxel-size",
            where,
            f"voxels of {_nm(size)} nm are none of electron microscopy",
            "is the unit right?",
        )
    if max(size) > 1.05 * min(size):
        found.note(
            "anisotropic",
            where,
            f"voxels of {_nm(size)} nm are no cubes (z, y, x)",
            "stages resample it where the model's voxel size differs",
        )


def _check_place(finest: LevelReport, level: LevelReport, where: str, found: Findings) -> None:
    """A level of means over f voxels begins (f - 1) / 2 voxels of the finest later: t0 + v0 (f - 1) / 2."""
    v0, t0 = finest.voxel_size_nm, finest.origin_nm
    v, t = level.voxel_size_nm, level.origin_nm
    if v0 is None or t0 is None or v is None or t is None:
        return
    if not all(math.isfinite(n) and n > 0 for n in (*v0, *v)) or not all(map(math.isfinite, (*t0, *t))):
        found.error(
            "voxel-size",
            where,
            f"{level.name} has voxels of {_nm(v)} nm at {_nm(t)} nm",
            'mend its "scale" and "translation"',
        )
        return
    factors = [b / a for a, b in zip(v0, v, strict=True)]
    if any(abs(f - round(f)) > 0.01 * f for f in factors):
        found.warning(
            "level-scale",
            where,
            f"voxels of {level.name} ({_nm(v)} nm) are no whole multiples of "
            f"those of {finest.name} ({_nm(v0)} nm)",
            "check its scale",
        )
        return
    due = [a + s * (f - 1) / 2 for a, s, f in zip(t0, v0, factors, strict=True)]
    shift = [b - a for a, b in zip(due, t, strict=True)]
    if any(abs(d) > SHIFT * s for d, s in zip(shift, v0, strict=True)):
        found.warning(
            "level-place",
            where,
            f"{level.name} has the translation {_nm(t)} nm; the centre of its "
            f"first voxel should be at {_nm(due)} nm, so that it lies {_nm(shift)} nm beside "
            f"{finest.name}",
            "mend the translation, unless the level was really made so",
        )


def _check_shape(finest: LevelReport, level: LevelReport, where: str, found: Findings) -> None:
    v0, v = finest.voxel_size_nm, level.voxel_size_nm
    if not (finest.shape and level.shape and v0 and v and len(finest.shape) == len(level.shape) == 3):
        return
    for n0, n, a, b in zip(finest.shape, level.shape, v0, v, strict=True):
        if a > 0 and b > 0 and math.isfinite(b / a) and abs(n * b - n0 * a) >= max(a, b) * 1.001:
            found.warning(
                "level-shape",
                where,
                f"{level.name} has {_times(level.shape)} voxels of {_nm(v)} nm, "
                f"which is not the extent of {finest.name} ({_times(finest.shape)} of {_nm(v0)} nm)",
                "check its scale, or build the pyramid again",
            )
            return


def _nm(numbers: Sequence[float]) -> str:
    return ", ".join(f"{n:g}" for n in numbers)


def _times(numbers: Sequence[float]) -> str:
    return " x ".join(f"{n:g}" for n in numbers)
