"""What a place is in zarr's eyes: an array or a group, of version 2 or 3, and its attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from organelle.errors import FileMissing, FormatError, did_you_mean
from organelle.stores import Place, Remote, as_place
from organelle.stores.places import ask_ahead

METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


@dataclass(frozen=True, slots=True)
class Node:
    """One stored zarr array or group."""

    path: Place
    kind: Literal["array", "group"]
    zarr_format: Literal[2, 3]
    attributes: dict[str, Any]


def read_node(path: Place | str) -> Node:
    """Read the metadata at `path`, but no data.

    Raises:
        FileMissing: nothing is there; names beside it are offered.
        FormatError: something else is there, or its metadata is broken.
        TransferError: a remote place that cannot be read.
    """
    place = as_place(path)
    found = _metadata(place)
    if "zarr.json" in found:
        record = _record(found, place / "zarr.json")
        if record.get("node_type") not in ("array", "group"):
            raise FormatError(f"{place}/zarr.json: node_type is neither array nor group")
        return Node(place, record["node_type"], 3, _attributes(record.get("attributes"), place / "zarr.json"))
    attributes = _record(found, place / ".zattrs") if ".zattrs" in found else {}
    if ".zarray" in found:
        return Node(place, "array", 2, attributes)
    if ".zgroup" in found or "multiscales" in attributes:
        return Node(place, "group", 2, attributes)
    if not place.exists():
        near = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
        raise FileMissing(f"nothing is stored at {place}{did_you_mean(place.name, near)}")
    raise FormatError(
        f"{place} is not zarr: {_what_it_is(place)}; expected .zarray, .zgroup or zarr.json in it"
    )


def is_node(path: Place | str) -> bool:
    """Whether zarr metadata of an array or group lies at `path`."""
    place = as_place(path)
    if isinstance(place, Remote):
        return any(name != ".zattrs" for name in _metadata(place))
    return any((place / name).is_file() for name in (".zarray", ".zgroup", "zarr.json"))


def _metadata(place: Place) -> dict[str, bytes]:
    """The metadata files that are there, by name; of a remote place all are asked for at once."""
    if isinstance(place, Remote):
        ask_ahead(place / name for name in METADATA)
        contents = {name: (place / name).content() for name in METADATA}
        return {name: data for name, data in contents.items() if data is not None}
    return {name: (place / name).read_bytes() for name in METADATA if (place / name).is_file()}


def _record(found: dict[str, bytes], file: Place) -> dict[str, Any]:
    try:
        record = json.loads(found[file.name])
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file} is not valid JSON: {error}") from error
    return _attributes(record, file)


def _attributes(record: Any, file: Place) -> dict[str, Any]:
    if record is None:
        return {}
    if not isinstance(record, dict):
        raise FormatError(f"{file} holds {type(record).__name__}, expected a JSON object")
    return record


def _what_it_is(place: Place) -> str:
    if place.is_file():
        return "it is a file"
    if (place / "attributes.json").is_file():
        return "it looks like N5"
    names = sorted(p.name for p in place.iterdir())
    return f"it is a folder that holds {', '.join(names[:5])}" if names else "it is an empty folder"
