"""N5 containers (https://github.com/saalfeldlab/n5): axes are stored x, y, z, and so are their attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.convert.sources import Facts, check_numbers, three, unit_nm, voxel_size
from organelle.errors import FormatError, OrganelleError, did_you_mean, require_module
from organelle.files import read_json
from organelle.geometry import Box, Nm

MOST_NAMED = 20
MOST_LOOKED_AT = 2000


@dataclass
class N5Array:
    """One array; blocks that are not stored read as 0."""

    facts: Facts
    store: Any

    def read(self, box: Box) -> NDArray[Any]:
        """The voxels of `box`; blocks that it touches are decoded."""
        z, y, x = box.slices()
        try:
            values = self.store[x, y, z].read().result()
        except (ValueError, OSError) as error:
            raise FormatError(f"{self.facts.name}: {box} cannot be read ({error}); copy it again") from error
        return np.ascontiguousarray(np.asarray(values).T, self.facts.dtype)

    def close(self) -> None:
        """Nothing is kept open."""


def open_n5(path: Path, array: str | None, repeat_missing: bool = False) -> N5Array:  # noqa: ARG001
    """Open the array `array` below `path`, or its only one; of a pyramid s0, s1, ... the finest."""
    tensorstore = require_module("tensorstore", "import")
    place = _chosen(path, array)
    facts = _facts(path, place)
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": str(place.resolve())}}
    try:
        store = tensorstore.open(spec, open=True, read=True).result()
    except (ValueError, OSError) as error:
        raise FormatError(f"{place} cannot be opened as N5 ({error}); write it again") from error
    return N5Array(facts, store)


def _chosen(path: Path, wanted: str | None) -> Path:
    if wanted is not None:
        place = path / wanted.strip("/")
        if not _is_array(place):
            arrays = [str(p.relative_to(path)) for p in _arrays(path)]
            raise FormatError(
                f"{path} has no array {wanted!r}{did_you_mean(wanted, arrays)}; {_listing(path)}"
            )
        return place
    found = [path] if _is_array(path) else list(_arrays(path))
    if len({p.parent for p in found}) == 1 and any(p.name == "s0" for p in found):
        return next(p for p in found if p.name == "s0")
    if len(found) != 1:
        raise FormatError(f"{path}: {_listing(path)}{'; choose one with --array PATH' if found else ''}")
    return found[0]


def _arrays(path: Path) -> Iterator[Path]:
    """Arrays below a container, by name; not into arrays, whose blocks are many."""
    waiting = [path]
    looked = 0
    while waiting and looked < MOST_LOOKED_AT:
        here = waiting.pop(0)
        looked += 1
        if _is_array(here):
            yield here
        else:
            waiting += sorted(p for p in here.iterdir() if p.is_dir() and not p.name.startswith("."))


def _listing(path: Path) -> str:
    names = [str(p.relative_to(path)) for p in _arrays(path)]
    more = f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    return f"it holds the arrays {', '.join(names[:MOST_NAMED])}{more}" if names else "it holds no array"


def _is_array(place: Path) -> bool:
    return {"dimensions", "dataType"} <= _attributes(place).keys()


def _attributes(place: Path) -> Mapping[str, Any]:
    try:
        record = read_json(place / "attributes.json")
    except (OrganelleError, OSError):
        return {}
    return record if isinstance(record, Mapping) else {}


def _facts(path: Path, place: Path) -> Facts:
    record = _attributes(place)
    name = path.name if place == path else f"{path.name}:{place.relative_to(path)}"
    dimensions, blocks = record.get("dimensions"), record.get("blockSize")
    if dimensions is None or blocks is None or not (_three_whole(dimensions) and _three_whole(blocks)):
        raise FormatError(
            f"{place} has the dimensions {dimensions} in blocks of {blocks}; a volume has x, y, z"
        )
    try:
        dtype = np.dtype(str(record["dataType"]))
    except TypeError as error:
        raise FormatError(f"{place} holds {record['dataType']!r}, which is no type of numbers") from error
    check_numbers(dtype, str(place))
    size, origin, said = _place(place)
    notes = ("axes are stored x, y, z and were turned to z, y, x",)
    shape, pieces = three(dimensions[::-1]), three(blocks[::-1])
    return Facts("N5", name, shape, dtype, pieces, size, said, origin, notes, (place / "attributes.json",))


def _three_whole(value: Any) -> bool:
    return (
        isinstance(value, Sequence) and len(value) == 3 and all(isinstance(n, int) and n > 0 for n in value)
    )


def _place(place: Path) -> tuple[Nm | None, Nm | None, str]:
    """Voxel size and offset from the array's attributes, else from those of the groups above it."""
    for folder in (place, *list(place.resolve().parents)[:4]):
        attributes = _attributes(folder)
        for tell in (_transform, _pixel_resolution, _resolution):
            told = tell(attributes)
            if told is not None:
                size, origin, what = told
                factors = _attributes(place).get("downsamplingFactors")
                return _coarser(size, factors, what), origin, what
        if folder.suffix == ".n5":
            break
    return None, None, "its attributes do not say (neither pixelResolution, resolution nor transform)"


Told = tuple[Nm | None, Nm | None, str]


def _transform(attributes: Mapping[str, Any]) -> Told | None:
    """`transform` of the COSEM containers: axes, scale, translate and units side by side."""
    record = attributes.get("transform")
    if not isinstance(record, Mapping) or not isinstance(record.get("axes"), Sequence):
        return None
    axes = [str(a) for a in record["axes"]]
    units = _units(record.get("units"), 3)
    scale, translate = record.get("scale"), record.get("translate", (0, 0, 0))
    if (
        sorted(axes) != ["x", "y", "z"]
        or units is None
        or scale is None
        or len(scale) != 3
        or len(translate) != 3
    ):
        return None
    at = {a: (float(s) * u, float(t) * u) for a, s, t, u in zip(axes, scale, translate, units, strict=True)}
    size = voxel_size([at[a][0] for a in "zyx"])
    return size, (at["z"][1], at["y"][1], at["x"][1]), "its attribute transform"


def _pixel_resolution(attributes: Mapping[str, Any]) -> Told | None:
    """`pixelResolution`: x, y, z with a unit."""
    record = attributes.get("pixelResolution")
    numbers = record.get("dimensions") if isinstance(record, Mapping) else record
    unit = record.get("unit", "um") if isinstance(record, Mapping) else "um"
    units = _units(unit, 3)
    if voxel_size(numbers) is None or units is None:
        return None
    return _zyx(numbers, units), None, f"its attribute pixelResolution (x, y, z in {unit})"


def _resolution(attributes: Mapping[str, Any]) -> Told | None:
    """`resolution`: x, y, z, with `units` (`unit`), else in nm as Paintera writes it; `offset` likewise."""
    numbers = attributes.get("resolution")
    units = _units(attributes.get("units", attributes.get("unit", "nm")), 3)
    if voxel_size(numbers) is None or units is None:
        return None
    offset = attributes.get("offset")
    has_place = isinstance(offset, Sequence) and len(offset) == 3
    origin = _zyx(offset, units) if has_place else None
    return _zyx(numbers, units), origin, "its attribute resolution (x, y, z)"


def _zyx(numbers: Any, units: Sequence[float]) -> Nm:
    x, y, z = (float(n) * u for n, u in zip(numbers, units, strict=True))
    return z, y, x


def _units(value: Any, count: int) -> list[float] | None:
    listed = value if isinstance(value, list) else [value] * count
    sizes = [unit_nm(unit) for unit in listed]
    known = [size for size in sizes if size is not None]
    return known if len(known) == count else None


def _coarser(size: Nm | None, factors: Any, what: str) -> Nm | None:
    """A coarse level's `pixelResolution` is that of the finest, times its `downsamplingFactors`."""
    if size is None or "pixelResolution" not in what or voxel_size(factors) is None:
        return size
    z, y, x = (s * float(f) for s, f in zip(size, factors[::-1], strict=True))
    return z, y, x
