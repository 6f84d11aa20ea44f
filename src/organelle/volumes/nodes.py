"""What a path is in zarr's eyes: an array or a group, of version 2 or 3, and its attributes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from organelle.errors import FileMissing, FormatError, did_you_mean
from organelle.files import read_json


@dataclass(frozen=True, slots=True)
class Node:
    """One zarr array or group on disk."""

    path: Path
    kind: Literal["array", "group"]
    zarr_format: Literal[2, 3]
    attributes: dict[str, Any]


def read_node(path: Path | str) -> Node:
    """Read the metadata at `path`, but no data.

    Raises:
        FileMissing: nothing is there; names beside it are offered.
        FormatError: something else is there, or its metadata is broken.
    """
    place = Path(path)
    if not place.exists():
        near = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        raise FileMissing(f"nothing is stored at {place}{did_you_mean(place.name, near)}")
    if (place / "zarr.json").is_file():
        record = _record(place / "zarr.json")
        if record.get("node_type") not in ("array", "group"):
            raise FormatError(f"{place}/zarr.json: node_type is neither array nor group")
        return Node(place, record["node_type"], 3, _attributes(record.get("attributes"), place / "zarr.json"))
    attributes = _record(place / ".zattrs") if (place / ".zattrs").is_file() else {}
    if (place / ".zarray").is_file():
        return Node(place, "array", 2, attributes)
    if (place / ".zgroup").is_file() or "multiscales" in attributes:
        return Node(place, "group", 2, attributes)
    raise FormatError(
        f"{place} is not zarr: {_what_it_is(place)}; expected .zarray, .zgroup or zarr.json in it"
    )


def is_node(path: Path | str) -> bool:
    """Whether zarr metadata of an array or group lies at `path`."""
    return any((Path(path) / name).is_file() for name in (".zarray", ".zgroup", "zarr.json"))


def _record(file: Path) -> dict[str, Any]:
    return _attributes(read_json(file), file)


def _attributes(record: Any, file: Path) -> dict[str, Any]:
    if record is None:
        return {}
    if not isinstance(record, dict):
        raise FormatError(f"{file} holds {type(record).__name__}, expected a JSON object")
    return record


def _what_it_is(place: Path) -> str:
    if place.is_file():
        return "it is a file"
    if (place / "attributes.json").is_file():
        return "it looks like N5"
    names = sorted(p.name for p in place.iterdir())
    return f"it is a folder that holds {', '.join(names[:5])}" if names else "it is an empty folder"
