"""Explain a whole result, and write the explanation down as JSON for organisers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from organelle.evaluate.bench import Bench
from organelle.evaluate.costliest import MOST, Cost, Explanation, Loss, Unskipped, costliest
from organelle.evaluate.explain import ExplainedRow, counts_record
from organelle.evaluate.fault_scenes import fault_scene
from organelle.evaluate.fault_words import sentence
from organelle.evaluate.records import Result
from organelle.geometry import Grid
from organelle.metrics import FAULT_KINDS, Change, Fault, total_change
from organelle.progress import track
from organelle.scenes import VIEWER, state_link, viewer_state

if TYPE_CHECKING:
    from organelle.catalog import Catalog

MOST_OF_ROW = 40
"""Faults of one row that are listed in the JSON; all of them are counted."""


def explain(result: Result, bench: Bench, *, most: int = MOST) -> Explanation:
    """Look at every row of a result again and say where its points were lost.

    Args:
        result: What `evaluate` found.
        bench: Submission and truth as they were evaluated.
        most: Faults in the list of the costliest.
    """
    rows = track(bench.explain(result), "explain", total=len(result.rows))
    return costliest(rows, result, most=most)


def faults_path(report: Path | str) -> Path:
    """`NAME.html` -> `NAME_faults.json`."""
    path = Path(report)
    return path.with_name(f"{path.stem}_faults.json")


def explain_record(
    explanation: Explanation, catalog: Catalog, *, serve_url: str | None = None, viewer_url: str = VIEWER
) -> dict[str, Any]:
    """Everything that is known about lost points, as JSON values. It betrays the truth: for organisers only.

    Args:
        explanation: What `explain` found.
        catalog: Gives the dataset of each crop.
        serve_url: See `fault_scene`.
        viewer_url: Which Neuroglancer links open.
    """
    return {
        "metric": explanation.metric,
        "gains_are_of": explanation.measure,
        explanation.measure: explanation.overall,
        "classes": [_loss(loss) for loss in explanation.classes],
        "crops": [_loss(loss) for loss in explanation.crops],
        "costliest": [_cost(cost, catalog, serve_url, viewer_url) for cost in explanation.costliest],
        "remainders": [_cost(cost, catalog, serve_url, viewer_url) for cost in explanation.remainders],
        "skipped": [_unskipped(found) for found in explanation.unskipped],
        "rows": {row.place: _row(row) for row in explanation.rows},
    }


def _loss(loss: Loss) -> dict[str, Any]:
    return {"name": loss.name, "gain": loss.gain, "share": loss.share, "share_by_kind": dict(loss.by_kind)}


def _cost(cost: Cost, catalog: Catalog, serve_url: str | None, viewer_url: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "crop": cost.row.crop_id,
        "class": cost.row.class_name,
        "kind": cost.kind,
        "what": sentence(cost),
        "gain": cost.gain,
        "class_gain": cost.class_gain,
        "change": asdict(cost.change),
    }
    if cost.fault is None:
        return record
    scene = fault_scene(cost.row, cost.fault, catalog.crop(cost.row.crop_id).dataset, serve_url)
    state = viewer_state(scene)
    return record | _fault(cost.fault, cost.row.grid) | {"neuroglancer": state_link(state, viewer_url)}


def _fault(fault: Fault, grid: Grid) -> dict[str, Any]:
    extent = grid.extent_of(fault.box)
    return {
        "kind": fault.kind,
        "place_nm": list(grid.to_nm(fault.voxel)),
        "box_nm": {"start": list(extent.start_nm), "stop": list(extent.stop_nm)},
        "voxel": list(fault.voxel),
        "voxels": fault.voxels,
        "volume_nm3": fault.voxels * grid.voxel_volume_nm3,
        "distance_nm": fault.distance_nm,
        "truth_ids": list(fault.truth),
        "components": list(fault.components),
        "gathered": fault.gathered,
        "truth_pieces": fault.truth_pieces,
        "change": asdict(fault.change),
    }


def _row(row: ExplainedRow) -> dict[str, Any]:
    worst = sorted(row.faults, key=lambda fault: (-_size(fault.change), fault.kind, fault.voxel))
    return {
        "status": row.status,
        "perfect": counts_record(row.perfect),
        "without_limit": row.without_limit and counts_record(row.without_limit),
        "by_kind": {kind: _of_kind(row, kind) for kind in FAULT_KINDS},
        "faults": [_fault(fault, row.grid) for fault in worst[:MOST_OF_ROW]],
    }


def _of_kind(row: ExplainedRow, kind: str) -> dict[str, Any]:
    faults = [fault for fault in row.faults if fault.kind == kind]
    return {
        "faults": sum(fault.gathered for fault in faults),
        "voxels": sum(fault.voxels for fault in faults),
        "change": asdict(total_change(faults)),
    }


def _size(change: Change) -> float:
    """How much counts would change, all in one number."""
    return change.tp - change.fp - change.fn + change.sum


def _unskipped(found: Unskipped) -> dict[str, Any]:
    return {"place": found.row.place, "class_score": found.class_score, "score": found.overall}
