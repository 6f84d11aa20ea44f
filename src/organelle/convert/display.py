"""A plan of an import as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from organelle.convert.plan import ImportPlan


def plan_text(plan: ImportPlan) -> str:
    """What will be done, in lines."""
    return "\n".join(_lines(plan))


def _lines(plan: ImportPlan) -> Iterator[str]:
    facts, grid = plan.facts, plan.grid
    told = facts.said if plan.settings.voxel_size_nm is None else "--voxel-size"
    yield f"{facts.name}: {facts.format}, {_times(facts.shape)} voxels (z, y, x) of {facts.dtype}"
    yield (
        f"voxel size: {_times(grid.voxel_size_nm)} nm, from {told}; "
        f"first centre at {', '.join(f'{n:g}' for n in grid.origin_nm)} nm"
    )
    if plan.window is not None:
        yield f"to 8 bit: {plan.window[0]:g} becomes 0, {plan.window[1]:g} becomes 255"
    kind = "labels (most frequent value)" if plan.settings.labels else "grey values (mean)"
    yield f"{plan.output}: {plan.dtype}, {kind}, {plan.levels} level{'s' if plan.levels > 1 else ''}"
    yield f"chunks of {_times(plan.chunks)}, {plan.output_bytes / 2**20:,.1f} MiB before compression"
    yield f"memory for voxels: {plan.memory_bytes / 2**20:,.1f} MiB"
    for note in plan.notes:
        yield f"note: {note}"


def _times(numbers: Sequence[float]) -> str:
    return " x ".join(f"{n:.10g}" for n in numbers)
