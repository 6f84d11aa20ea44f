"""Faults in the words of somebody who knows cells and not metrics."""

from __future__ import annotations

from organelle.classes import Kind
from organelle.evaluate.costliest import Cost
from organelle.evaluate.records import SKIPPED, STOPPED, UNREADABLE
from organelle.geometry import Grid
from organelle.metrics import Fault

KIND_WORDS = {
    "missed": "missed",
    "invented": "invented",
    "merged": "merged",
    "split": "split",
    "displaced": "outline off",
    "missing": "not handed in",
    UNREADABLE: "unreadable",
    STOPPED: "stopped",
    SKIPPED: "skipped",
    "matching_failed": "not matched",
}
"""In the order in which a page explains them."""

_WHOLE_ROWS = {
    "missing": "This class was not handed in for this crop, so all of it counts as missed.",
    UNREADABLE: "What was handed in cannot be read, so all of it counts as missed.",
    STOPPED: "What was handed in needed more memory or time than a row may, so all of it counts as missed.",
    SKIPPED: "Too many objects: the metric leaves this crop out. Done right, it would count.",
    "matching_failed": "The objects could not be matched, so the crop does not count.",
}


def sentence(cost: Cost) -> str:
    """What happened."""
    fault, name = cost.fault, cost.row.class_name
    if fault is None:
        return _WHOLE_ROWS.get(cost.row.status, cost.row.status)
    if fault.gathered > 1:
        return f"{fault.gathered:,} more of this kind, each of which costs no more than those listed."
    if cost.row.kind is Kind.SEMANTIC:
        if fault.kind == "missed":
            return f"A piece of {name} is not in the prediction."
        return f"The prediction has {name} where there is none."
    return _about_objects(fault, name)


def _about_objects(fault: Fault, name: str) -> str:
    match fault.kind:
        case "missed":
            return f"An object of {name} is not in the prediction."
        case "invented":
            return f"The prediction has an object of {name} where there is none."
        case "merged":
            return f"{len(fault.truth):,} objects of {name} are one in the prediction."
        case "split":
            told = f"One object of {name} is {len(fault.components):,} in the prediction."
            if fault.truth_pieces > 1:
                told += (
                    f" The truth itself has it in {fault.truth_pieces:,} pieces; even that would pay for it."
                )
            return told
        case _:
            return f"Found, but its outline is up to {fault.distance_nm:,.0f} nm away."


def volume(voxels: int, grid: Grid) -> str:
    """`1,234 voxels, 0.0421 µm³`."""
    nm3 = voxels * grid.voxel_volume_nm3
    size = f"{nm3 / 1e9:.3g} µm³" if nm3 >= 1e6 else f"{nm3:,.0f} nm³"
    return f"{voxels:,} voxel{'' if voxels == 1 else 's'}, {size}"


def place(fault: Fault, grid: Grid) -> str:
    """`1284, 40, 1655`: the middle of the fault in nm, z y x."""
    return ", ".join(f"{nm:.10g}" for nm in (round(n, 1) for n in grid.to_nm(fault.voxel)))
