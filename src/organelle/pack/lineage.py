"""Where every row of a submission comes from, as far as the volumes say: a JSON file beside the zip.

Volumes carry a record of their making in their attributes, under `organelle`. A processed one names its
recipe and its predictions, a prediction the hash of its checkpoint; the checkpoint with that hash lies in the
folder of a training run, which names its settings and the hashes of its data. What does not say is `unknown`.
The file holds no clock and no absolute path: the same volumes in the same places make the same file.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import organelle
from organelle.catalog import prediction_path
from organelle.errors import FileMissing, FormatError
from organelle.files import read_json, sha256
from organelle.pack.checkpoints import find_checkpoints
from organelle.pack.plan import PackPlan, PlannedRow
from organelle.pack.records import PackedRow
from organelle.pack.settings import PackSettings
from organelle.volumes import Multiscale, open_multiscale

FORMAT = "organelle lineage 1"
CHECKPOINT = "checkpoint_sha256"
"""The key under which a record names the checkpoint, or the checkpoints, that it comes from."""


def lineage_path(out: Path) -> Path:
    """`submission.lineage.json` beside `submission.zip`."""
    return out.with_name(f"{out.name.removesuffix('.zip')}.lineage.json")


def trace_lineage(
    plan: PackPlan, packed: Sequence[PackedRow], out: Path, *, catalog: str, settings: PackSettings
) -> dict[str, Any]:
    """The lineage of all rows as JSON values; reads attributes, and hashes checkpoints that lie in the runs.

    Args:
        plan: the rows and their sources.
        packed: what was written of each, in the same order.
        out: the zip; paths are relative to its folder.
        catalog: name of the table of crops.
        settings: how it is stored.

    Returns:
        `rows`, one for each of the table: `source` is null where zeros were written, `unknown` names what
        is not known of it. `checkpoints` by their hash. `runs`: the work folders, and how many rows each
        gave. `versions` of what packed.
    """
    home = out.resolve().parent
    rows = [_row(row, done, home) for row, done in zip(plan.rows, packed, strict=True)]
    wanted = dict.fromkeys(sha for row in rows for sha in row["checkpoints"])
    checkpoints = find_checkpoints(wanted, plan.runs, home)
    for row in rows:
        if any(checkpoints[sha]["data"] is None for sha in row["checkpoints"]):
            row["unknown"].append("training data")
    record = {
        "format": FORMAT,
        "catalog": catalog,
        "settings": settings.model_dump(mode="json"),
        "versions": {
            "organelle": organelle.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "zarr", "numcodecs")},
        },
        "runs": [{"work": _relative(w, home), "rows": len(names)} for w, names in plan.runs.items()],
        "checkpoints": checkpoints,
        "rows": rows,
    }
    return dict(_plain(record))


def trace_row(row: PlannedRow, home: Path) -> dict[str, Any]:
    """What decides how a row is packed, as JSON values: its grid, its source, and what that says of itself.

    `sha256` of a source that says nothing is that of its files. Paths are relative to `home`.
    """
    image = None if row.source is None else open_multiscale(row.source)
    return dict(
        _plain(
            {
                "row": row.name,
                "kind": row.kind.value,
                "grid": asdict(row.crop.grid),
                "run": None if row.work is None else _relative(row.work, home),
                "source": None if image is None else _source(image, home),
            }
        )
    )


def _row(row: PlannedRow, packed: PackedRow, home: Path) -> dict[str, Any]:
    record: dict[str, Any] = {
        **trace_row(row, home),
        "dtype": packed.dtype,
        "ids": packed.ids,
        "voxels": packed.voxels,
        "passed_over": [_relative(work, home) for work in row.passed_over],
        "predictions": {},
        "checkpoints": [],
        "unknown": [],
    }
    return record if row.source is None else record | _traced(row, open_multiscale(row.source), home)


def _traced(row: PlannedRow, source: Multiscale, home: Path) -> dict[str, Any]:
    said = _said(source)
    made_from = said.get("predictions")
    made_from = made_from if isinstance(made_from, Mapping) else {}
    predictions = {str(name): _prediction(row, str(name), way, home) for name, way in made_from.items()}
    checkpoints = list(dict.fromkeys(_checkpoints([said, *(p["says"] for p in predictions.values())])))
    unknown = [
        what
        for what, known in {
            "version": "version" in said,
            "recipe": "recipe" in said,
            "prediction": bool(predictions),
            "checkpoint": bool(checkpoints),
            "training data": bool(checkpoints),
        }.items()
        if not known
    ]
    return {
        "predictions": predictions,
        "checkpoints": checkpoints,
        "unknown": unknown,
    }


def _source(image: Multiscale, home: Path) -> dict[str, Any]:
    said = _said(image)
    return _volume(image, home) | {"says": said} | ({} if said else {"sha256": sha256(image.folder)})


def _prediction(row: PlannedRow, class_name: str, way: Any, home: Path) -> dict[str, Any]:
    """What the processed volume says of one prediction, and the prediction itself if it still lies there."""
    there = _standing(row, class_name)
    if there is None or not isinstance(way, Mapping) or not way.items() <= (said := _said(there)).items():
        return {"path": None, "grid": None, "dtype": None, "says": way}
    return _volume(there, home) | {"says": said}


def _standing(row: PlannedRow, class_name: str) -> Multiscale | None:
    if row.work is None:
        return None
    try:
        return open_multiscale(prediction_path(row.work, row.crop, class_name))
    except (FileMissing, FormatError):
        return None


def _volume(image: Multiscale, home: Path) -> dict[str, Any]:
    level = image.levels[0]
    return {
        "path": _relative(image.folder, home),
        "grid": asdict(level.grid),
        "dtype": str(level.dtype),
    }


def _said(image: Multiscale) -> dict[str, Any]:
    """The record that a volume carries; empty for volumes of others."""
    record = image.attributes.get("organelle")
    return dict(record) if isinstance(record, Mapping) and "stage" in record else {}


def _checkpoints(records: Iterable[Any]) -> Iterable[str]:
    """The hashes of checkpoints named anywhere in records."""
    for record in records:
        if isinstance(record, Mapping):
            found = record.get(CHECKPOINT)
            named = found if isinstance(found, (list, tuple)) else [found]
            yield from (sha for sha in named if isinstance(sha, str))
            yield from _checkpoints(value for key, value in record.items() if key != CHECKPOINT)
        elif isinstance(record, (list, tuple)):
            yield from _checkpoints(record)


def _plain(value: Any) -> Any:
    """Values that strict JSON can hold: numbers that are none become words."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _relative(path: Path, home: Path) -> str:
    return Path(os.path.relpath(path.resolve(), home)).as_posix()


def read_lineage(out: Path | str) -> dict[str, Any]:
    """The lineage beside the zip `out`.

    Raises:
        FileMissing: there is none.
        FormatError: it is broken, or no lineage.
    """
    path = lineage_path(Path(out))
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise FormatError(f"{path} is no {FORMAT!r} file")
    return record
