"""What lies in a group or folder that is no image, and what lies there instead of zarr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from organelle.errors import OrganelleError, did_you_mean, printable
from organelle.stores import Place
from organelle.volumes.inspect_levels import image_record
from organelle.volumes.inspect_metadata import Findings, RawNode, array_report, read_raw, read_record

MOST_INSIDE = 200
MOST_LOOKED_AT = 2000
DEEPEST = 5

SIGNS = {
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"II+\0": "a BigTIFF file",
    b"MM\0+": "a BigTIFF file",
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip",
}


def images_inside(node: RawNode) -> tuple[tuple[str, str], ...]:
    """Path and a word on each image, array and deepest group below a group, at most `MOST_INSIDE`.

    Where a server cannot list, the consolidated metadata (`.zmetadata`) is asked, if there is any.
    """
    return tuple(islice(_inside(node), MOST_INSIDE))


def _inside(node: RawNode) -> Iterator[tuple[str, str]]:
    waiting = [(child, child.name, 1) for child in folders_in(node.place)]
    if not waiting:
        yield from _consolidated(node.place)
        return
    looked = 0
    while waiting and looked < MOST_LOOKED_AT:
        place, path, depth = waiting.pop(0)
        looked += 1
        here = read_raw(place, Findings())
        story = _story(here)
        if story is not None:
            yield printable(path), story
            continue
        children = [(c, f"{path}/{c.name}", depth + 1) for c in folders_in(place)] if depth < DEEPEST else []
        if not children and here.kind == "group":
            yield printable(path), "empty group" if depth < DEEPEST else "group"
        waiting = [*children, *waiting]


def _story(node: RawNode) -> str | None:
    """A word on an image or array; None for what may hold some."""
    if node.kind == "array":
        report = array_report(node, "", Findings())
        shape = " x ".join(map(str, report.shape)) if report.shape else "?"
        return f"array of {shape} {report.dtype or '?'}"
    image, version = image_record(node.attributes)
    if image is None:
        return None
    datasets = image.get("datasets")
    levels = len(datasets) if isinstance(datasets, list) else 0
    return f"image of {levels} level{'' if levels == 1 else 's'}" + (f", NGFF {version}" if version else "")


def folders_in(place: Place) -> list[Any]:
    """What may be a node below a place, by name; nothing where it cannot be listed."""
    try:
        listed: list[Any] = list(islice(place.iterdir(), 10 * MOST_LOOKED_AT))
        folders = [
            p for p in listed if not p.name.startswith(".") and (not isinstance(p, Path) or p.is_dir())
        ]
    except (OSError, OrganelleError):
        return []
    return sorted(folders, key=lambda p: p.name)


def _consolidated(place: Place) -> Iterator[tuple[str, str]]:
    record = read_record(place / ".zmetadata", Findings()) or {}
    entries = record.get("metadata")
    if not isinstance(entries, Mapping):
        return
    for key in sorted(k for k in entries if isinstance(k, str) and k.endswith("/.zarray"))[:MOST_INSIDE]:
        facts = entries[key] if isinstance(entries[key], Mapping) else {}
        node = RawNode(place / key.removesuffix("/.zarray"), "array", 2, {}, facts)
        yield printable(key.removesuffix("/.zarray")), _story(node) or "array"


def what_it_is(place: Place) -> tuple[str, str]:
    """For a place that is no zarr node: what it is instead, and what to do."""
    convert = "make OME-NGFF of it: csc catalog import"
    if not place.exists():
        near = did_you_mean(place.name, (p.name for p in folders_in(place.parent)))
        return f"nothing is stored there{near}", "check the path or address: it must name a group or array"
    if place.is_file():
        return _file(place, convert)
    if (place / "attributes.json").is_file():
        return "it looks like N5", convert
    if isinstance(place, Path) and any(p.suffix.lower() in (".tif", ".tiff") for p in place.iterdir()):
        return "it is a folder of TIFF files", convert
    inside = next(iter(folders_in(place)), None)
    return "it is a folder without zarr metadata", (
        "name a volume in it" if inside is not None else "name the folder that holds .zattrs or zarr.json"
    )


def _file(place: Place, convert: str) -> tuple[str, str]:
    if isinstance(place, Path):
        with place.open("rb") as stream:
            start = stream.read(212)
        for sign, name in SIGNS.items():
            if start.startswith(sign):
                known = "csc validate looks at submissions" if name == "a zip" else convert
                return f"it is {name}", known
        if start[208:212] == b"MAP ":
            return "it is an MRC file", convert
    return "it is a file, not a zarr array or group", "name the folder of a volume"
