"""OME-NGFF `multiscales` metadata (https://ngff.openmicroscopy.org/0.4) to and from voxel sizes in nm.

A level's `scale` and `translation` give the centre of its first voxel; a transformation at the level of
the whole image applies after them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from organelle.errors import FormatError
from organelle.geometry import Grid, Nm

NM_PER_UNIT = {
    "angstrom": 0.1,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "nm": 1.0,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "um": 1e3,
    "µm": 1e3,
    "millimeter": 1e6,
}


@dataclass(frozen=True, slots=True)
class Level:
    """One array of a multiscale image: its name, voxel size, and the centre of its first voxel."""

    name: str
    voxel_size_nm: Nm
    origin_nm: Nm


def parse_multiscales(attributes: Mapping[str, Any], where: str) -> tuple[Level, ...] | None:
    """The levels that a group's attributes list, fine to coarse; `None` if it is not a multiscale image.

    Axes without a unit count as nanometres.

    Raises:
        FormatError: the metadata is there but cannot be used; `where` names the group.
    """
    inner = attributes.get("ome", attributes)
    listed = inner.get("multiscales") if isinstance(inner, Mapping) else None
    if not listed:
        return None
    try:
        image = listed[0]
        units = _units_nm(image["axes"], where)
        after = image.get("coordinateTransformations", [])
        levels = [
            Level(str(d["path"]), *_place([*d["coordinateTransformations"], *after], units, where))
            for d in image["datasets"]
        ]
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise FormatError(
            f"{where}: its multiscales metadata is incomplete ({type(error).__name__}: {error})"
        ) from error
    return tuple(sorted(levels, key=lambda level: math.prod(level.voxel_size_nm)))


def multiscales_attributes(name: str, grids: Mapping[str, Grid]) -> dict[str, Any]:
    """NGFF 0.4 attributes of an image whose levels lie at the keys of `grids`."""
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    datasets = [
        {"path": path, "coordinateTransformations": _transformations(grid)} for path, grid in grids.items()
    ]
    whole = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
    image = {
        "version": "0.4",
        "name": name,
        "axes": axes,
        "datasets": datasets,
        "coordinateTransformations": whole,
    }
    return {"multiscales": [image]}


def _transformations(grid: Grid) -> list[dict[str, Any]]:
    scale, translation = list(grid.voxel_size_nm), list(grid.origin_nm)
    return [{"type": "scale", "scale": scale}, {"type": "translation", "translation": translation}]


def _units_nm(axes: Sequence[Any], where: str) -> Nm:
    names = [axis["name"] if isinstance(axis, Mapping) else str(axis) for axis in axes]
    if names != ["z", "y", "x"]:
        raise FormatError(f"{where}: its axes are {', '.join(names)}; only z, y, x can be read")
    units = [axis.get("unit", "nanometer") if isinstance(axis, Mapping) else "nanometer" for axis in axes]
    for unit in units:
        if unit not in NM_PER_UNIT:
            raise FormatError(
                f"{where}: unit {unit!r} of an axis is unknown; known: {', '.join(NM_PER_UNIT)}"
            )
    z, y, x = (NM_PER_UNIT[unit] for unit in units)
    return z, y, x


def _place(transformations: Sequence[Mapping[str, Any]], units: Nm, where: str) -> tuple[Nm, Nm]:
    """Voxel size and first centre in nm after all transformations, in their order."""
    size, origin = [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]
    for step in transformations:
        if step["type"] == "scale":
            factors = _three(step["scale"])
            size = [a * f for a, f in zip(size, factors, strict=True)]
            origin = [a * f for a, f in zip(origin, factors, strict=True)]
        elif step["type"] == "translation":
            origin = [a + t for a, t in zip(origin, _three(step["translation"]), strict=True)]
        elif step["type"] != "identity":
            raise FormatError(f"{where}: transformation {step['type']!r} is neither scale nor translation")
    return _three(a * u for a, u in zip(size, units, strict=True)), _three(
        a * u for a, u in zip(origin, units, strict=True)
    )


def _three(numbers: Any) -> Nm:
    z, y, x = (float(n) for n in numbers)
    return z, y, x
