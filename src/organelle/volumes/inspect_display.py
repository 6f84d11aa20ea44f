"""An inspection as text for people, and as a record for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from organelle.volumes.inspect_records import Inspection, LevelReport


def inspection_text(found: Inspection) -> str:
    """All of an inspection in lines, problems last."""
    return "\n".join(_lines(found))


def inspection_record(found: Inspection) -> dict[str, Any]:
    """An inspection as JSON values; what is not finite becomes text."""
    record = asdict(found)
    record["usable"] = found.is_usable
    if found.encoding is not None:
        record["encoding"]["kind"] = found.encoding.kind.value
    result: dict[str, Any] = _json(record)
    return result


def _lines(found: Inspection) -> Iterator[str]:
    version = f", NGFF {found.ngff_version}" if found.ngff_version else ""
    kind = {"image": "an image", "array": "a single array", "group": "a group"}
    yield f"{found.place}: {kind.get(found.what, 'no zarr volume')}{version}"
    if found.axes:
        yield f"axes: {', '.join(found.axes)}"
    for level in found.levels:
        yield from _level_lines(level)
    for path, story in found.inside:
        yield f"holds {path}: {story}"
    if found.encoding is not None:
        unknown = found.encoding.unknown
        yield (
            f"labels: {found.encoding.kind.value} {found.encoding.class_name}; {found.encoding.absent} is "
            f"absent, {'no value' if unknown is None else unknown} is unknown"
        )
    for use in found.uses:
        yield f"{'can' if use.is_possible else 'cannot'} be {use.role} for {use.stages}: {use.why}"
    yield from map(str, found.problems)
    yield "usable" if found.is_usable else "not usable as it is"


def _level_lines(level: LevelReport) -> Iterator[str]:
    if not level.is_here:
        size = f", {_times(level.voxel_size_nm)} nm" if level.voxel_size_nm else ""
        yield f"{level.name}: listed, not stored{size}"
        return
    places = []
    if level.voxel_size_nm and level.origin_nm:
        places = [f"of {_times(level.voxel_size_nm)} nm, first centre at {_commas(level.origin_nm)} nm"]
    shape = _times(level.shape) if level.shape else "?"
    yield f"{level.name}: {' '.join([shape, level.dtype or 'of an unknown type', *places])}"
    yield f"    {', '.join(_storage(level))}"
    if level.count:
        yield f"    chunks stored: {level.count}, {_size(level.count.bytes)}{_of_all(level)}"
    if level.sample and level.sample.low is not None:
        s = level.sample
        yield (
            f"    values: {s.low:g} to {s.high:g}, mean {s.mean:.4g}, {s.zeros:.1%} zero "
            f"(in {s.voxels:,} voxels that were read)"
        )


def _storage(level: LevelReport) -> Iterator[str]:
    yield f"zarr v{level.zarr_format}"
    yield f"chunks {_times(level.chunks) if level.chunks else '?'}"
    if level.shards:
        yield f"in shards of {_times(level.shards)}"
    yield f"codecs {' > '.join(level.codecs)}"
    yield f"separator {level.separator}"
    yield f"fill value {level.fill_value}"


def _of_all(level: LevelReport) -> str:
    whole = math.prod(level.shape or ()) * level.voxel_bytes
    return f" (all voxels before compression: {_size(whole)})"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return ""


def _times(numbers: Sequence[float]) -> str:
    return " x ".join(f"{n:.10g}" for n in numbers)


def _commas(numbers: Sequence[float]) -> str:
    return ", ".join(f"{n:.10g}" for n in numbers)


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
