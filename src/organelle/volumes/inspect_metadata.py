"""The metadata of any zarr node, as it stands in its files: taken apart with care, nothing believed.

What `nodes` and `ngff` refuse with an error is here told apart: each finding becomes a `Problem`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from organelle.errors import OrganelleError, printable
from organelle.stores import Place
from organelle.volumes.inspect_records import LevelReport, Problem, Severity

LARGEST_RECORD = 32 * 2**20
"""Metadata of more bytes than this is not parsed."""

LARGEST_AXIS = 2**48
"""A longer axis is a fault, not a volume."""

METADATA_FILES = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")


@dataclass
class Findings:
    """Problems, gathered on the way."""

    problems: list[Problem] = field(default_factory=list)

    def error(self, code: str, where: object, what: str, next: str) -> None:
        """Note something for which the volume cannot be used."""
        self._add(Severity.ERROR, code, where, what, next)

    def warning(self, code: str, where: object, what: str, next: str) -> None:
        """Note something that may make a result wrong."""
        self._add(Severity.WARNING, code, where, what, next)

    def note(self, code: str, where: object, what: str, next: str) -> None:
        """Note something good to know."""
        self._add(Severity.NOTE, code, where, what, next)

    def _add(self, severity: Severity, code: str, where: object, what: str, next: str) -> None:
        problem = Problem(severity, code, printable(str(where)), printable(what), printable(next))
        if problem not in self.problems:
            self.problems.append(problem)


@dataclass(frozen=True)
class RawNode:
    """What lies at a place: its kind, version, attributes, and for an array its record."""

    place: Place
    kind: str  # array, group, nothing
    zarr_format: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


def read_raw(place: Place, found: Findings) -> RawNode:
    """The node at `place`; what cannot be read of it is a problem in `found`."""
    modern = read_record(place / "zarr.json", found)
    if modern is not None:
        kind = modern.get("node_type")
        if kind not in ("array", "group"):
            found.error(
                "node-type",
                place / "zarr.json",
                f"node_type is {kind!r}, neither array nor group",
                "write the volume again, or mend this line",
            )
            return RawNode(place, "nothing", 3)
        return RawNode(place, str(kind), 3, _mapping(modern.get("attributes")), modern)
    attributes = read_record(place / ".zattrs", found) or {}
    array = read_record(place / ".zarray", found)
    if array is not None:
        return RawNode(place, "array", 2, attributes, array)
    if read_record(place / ".zgroup", found) is not None or "multiscales" in attributes:
        return RawNode(place, "group", 2, attributes)
    return RawNode(place, "nothing", None, attributes)


def read_record(file: Place, found: Findings) -> dict[str, Any] | None:
    """A JSON object; None if the file is not there, an empty one if it is there but broken."""
    try:
        if not file.is_file():
            return None
        if isinstance(file, Path) and file.stat().st_size > LARGEST_RECORD:
            found.error(
                "metadata-too-large",
                file,
                f"it has more than {LARGEST_RECORD >> 20} MiB",
                "it cannot be metadata of a volume; write the volume again",
            )
            return {}
        record = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        found.error("metadata-broken", file, f"it is not valid JSON ({error})", "fetch or write it again")
        return {}
    except (OSError, OrganelleError) as error:
        found.error(
            "metadata-unreadable", file, f"it cannot be read ({error})", "check permissions and the network"
        )
        return {}
    if not isinstance(record, dict):
        found.error(
            "metadata-broken",
            file,
            f"it holds {type(record).__name__}, not a JSON object",
            "fetch or write it again",
        )
        return {}
    return record


def array_report(node: RawNode, name: str, found: Findings) -> LevelReport:
    """The facts of an array's record; what is missing or strange in it is a problem."""
    facts = _facts_v3(node.record) if node.zarr_format == 3 else _facts_v2(node.record)
    where = str(node.place)
    shape, chunks = _sizes(facts["shape"], least=0), _sizes(facts["chunks"], least=1)
    if shape is None:
        found.error(
            "array-shape",
            where,
            f"its shape {_short(facts['shape'])} is not a list of whole numbers",
            "write the array again",
        )
    if chunks is None or (shape is not None and len(chunks) != len(shape)):
        found.error(
            "array-chunks",
            where,
            f"its chunks {_short(facts['chunks'])} do not fit its shape",
            "write the array again",
        )
        chunks = None
    return LevelReport(
        name,
        True,
        node.zarr_format,
        shape,
        dtype=_dtype(facts["dtype"]),
        chunks=chunks,
        shards=_sizes(facts["shards"], least=1),
        codecs=tuple(facts["codecs"]),
        separator=facts["separator"],
        key_prefix=facts["prefix"],
        fill_value=facts["fill"],
    )


def _facts_v2(record: Mapping[str, Any]) -> dict[str, Any]:
    filters = record.get("filters")
    steps = [*(filters if isinstance(filters, list) else []), record.get("compressor")]
    return {
        "shape": record.get("shape"),
        "chunks": record.get("chunks"),
        "dtype": record.get("dtype"),
        "shards": None,
        "codecs": [_codec_v2(step) for step in steps if step is not None] or ["raw"],
        "separator": str(record.get("dimension_separator") or "."),
        "prefix": "",
        "fill": record.get("fill_value"),
    }


def _facts_v3(record: Mapping[str, Any]) -> dict[str, Any]:
    outer = _mapping(_mapping(record.get("chunk_grid")).get("configuration")).get("chunk_shape")
    listed = record.get("codecs")
    codecs = [_mapping(c) for c in listed] if isinstance(listed, list) else []
    sharding = next((_mapping(c.get("configuration")) for c in codecs if _is_sharding(c)), None)
    keys = _mapping(record.get("chunk_key_encoding"))
    default = "." if keys.get("name") == "v2" else "/"
    inner = sharding.get("codecs") if sharding else None
    inside = [_mapping(c) for c in inner] if isinstance(inner, list) else []
    return {
        "shape": record.get("shape"),
        "chunks": sharding.get("chunk_shape") if sharding else outer,
        "dtype": record.get("data_type"),
        "shards": outer if sharding else None,
        "codecs": [str(c.get("name")) for c in codecs] + [str(c.get("name")) for c in inside],
        "separator": str(_mapping(keys.get("configuration")).get("separator") or default),
        "prefix": "" if keys.get("name") == "v2" else "c",
        "fill": record.get("fill_value"),
    }


def _is_sharding(codec: Mapping[str, Any]) -> bool:
    return codec.get("name") == "sharding_indexed"


def _codec_v2(step: Any) -> str:
    record = _mapping(step)
    inner = f" ({record['cname']})" if "cname" in record else ""
    return f"{record.get('id', _short(step))}{inner}"


def _dtype(value: Any) -> str | None:
    """The type's name in numpy; None if it is none."""
    import numpy as np

    if not isinstance(value, str):
        return None
    try:
        return str(np.dtype(value).newbyteorder("=")) if len(value) < 40 else None
    except (TypeError, ValueError):
        return None


def _sizes(value: Any, *, least: int) -> tuple[int, ...] | None:
    if not isinstance(value, list) or len(value) > 16:
        return None
    whole = [n for n in value if isinstance(n, int) and not isinstance(n, bool) and least <= n < LARGEST_AXIS]
    return tuple(whole) if len(whole) == len(value) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _short(value: Any) -> str:
    return printable(repr(value), most=80)
