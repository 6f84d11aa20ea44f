"""Pack: every row of the test table into one zip, ids intact, exactly on the crop's grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from organelle.catalog import Catalog
from organelle.children import Allowance, Job, Outcome, cores, run_jobs
from organelle.errors import OutputExists, SubmissionError
from organelle.files import read_json, refuse_existing, sha256, whole, write_json
from organelle.pack.lineage import lineage_path, trace_lineage
from organelle.pack.plan import PackPlan, plan_pack
from organelle.pack.records import PackReport
from organelle.pack.row import RowTask, row_tasks, write_row
from organelle.pack.settings import AssembleSettings, PackSettings
from organelle.pack.source import BLOCK_VOXELS, finer
from organelle.pack.unfinished import Unfinished
from organelle.progress import track
from organelle.submission import validate
from organelle.volumes import open_multiscale

SMALL_VOXELS = 1 << 27
"""Submissions with fewer filled voxels than this are packed before a second process has started."""

ROW_BYTES = 64 * BLOCK_VOXELS
"""The most memory of one row: a block of 64-bit ids, its source, and what resampling copies of them."""


def pack(
    catalog: Catalog,
    work: Path | str,
    out: Path | str,
    *,
    overwrite: bool = False,
    workers: int | None = 1,
    settings: PackSettings | None = None,
    assemble: AssembleSettings | None = None,
) -> PackReport:
    """Write the submission for the test crops of `catalog` to the zip `out`, and its lineage beside it.

    Each row is read from `{work}/processed`, wherever in there an experiment left it, and laid on the crop's
    grid; rows that nobody predicted become zeros, because a missing row scores worse. The same input gives
    the same bytes, for any number of workers. Memory: a few blocks of each row at a time.

    When the work ends early, finished rows stay in a hidden folder beside `out`, and the next call with the
    same `out` goes on there; rows whose source has changed are packed again.

    Args:
        catalog: its test table names the rows.
        work: the work folder that rows are taken from, unless `assemble` names another.
        out: the zip; the lineage is `{out without .zip}.lineage.json`.
        overwrite: replace the zip and the lineage that stand there.
        workers: rows at a time, each in a process of its own; 1: all in this process; None: as cores allow.
        settings: the section `[pack]`.
        assemble: the section `[assemble]`.

    Raises:
        OutputExists: `out` or a lineage without its zip is there, or another process packs it.
        FileMissing, GridMismatch, SubmissionError: see `plan_pack`; also negative ids.
        ChunkError: a source that cannot be decoded. Nothing stands under `out` then.
    """
    final, stored = Path(out), settings or PackSettings()
    refuse_existing(final, overwrite=overwrite)
    plan = plan_pack(catalog, work, assemble=assemble)
    with Unfinished(final, row_tasks(plan, stored)) as unfinished:
        if not unfinished.found:
            refuse_existing(lineage_path(final), overwrite=overwrite)
        _write_rows(unfinished, _count(workers, plan))
        made = unfinished.close_zip()
        _check(made, catalog)
        lineage = trace_lineage(plan, unfinished.rows, final, catalog=catalog.name, settings=stored)
        lineage["submission"] = {
            "file": final.name, "bytes": made.stat().st_size, "sha256": sha256(made)
        }  # fmt: skip
        _write_lineage(lineage_path(final), lineage, overwrite=overwrite)
        with whole(final, overwrite=overwrite) as place:
            made.rename(place)
    return PackReport(
        final,
        tuple(unfinished.rows),
        lineage_path(final),
        plan.runs,
        unfinished.found,
        sum(bool(row["unknown"]) for row in lineage["rows"]),
    )


def _count(workers: int | None, plan: PackPlan) -> int:
    """How many processes are worth their start."""
    voxels = sum(row.crop.grid.box.size for row in plan.filled)
    most = 1 if workers is None and voxels < SMALL_VOXELS else workers or cores()
    return max(1, min(most, len(plan.filled)))


def _write_rows(unfinished: Unfinished, workers: int) -> None:
    left = unfinished.left
    finished = (
        _here(left, unfinished.folder) if workers == 1 else _in_children(left, unfinished.folder, workers)
    )
    unfinished.add()
    for task in track(finished, "packing", total=len(left)):
        unfinished.add(task)


def _here(tasks: Iterable[RowTask], folder: Path) -> Iterator[RowTask]:
    for task in tasks:
        write_row(task, folder)
        yield task


def _in_children(tasks: Iterable[RowTask], folder: Path, workers: int) -> Iterator[RowTask]:
    """Rows of zeros here, the others in child processes, the largest first."""
    yield from _here((task for task in tasks if task.source is None), folder)
    filled = {task.name: task for task in tasks if task.source is not None}
    jobs = [
        Job(name, {"task": asdict(task), "folder": str(folder.resolve())}, _allowance(task))
        for name, task in filled.items()
    ]
    for outcome in run_jobs("organelle.pack.row:write_row_in_child", jobs, workers=workers):
        _require(outcome)
        yield filled[outcome.key]


def _allowance(task: RowTask) -> Allowance:
    """Enough for any source: one chunk of it, or of the crop, may hold more than a block should."""
    volume = open_multiscale(str(task.source)).levels[0]
    target = task.target
    voxels = target.box.size * finer(volume.grid, target)
    chunk = min(target.box.size, task.chunk_voxels**3) * finer(volume.grid, target)
    memory = ROW_BYTES + 4 * math.prod(volume.chunks) * volume.dtype.itemsize + 32 * int(chunk)
    return Allowance(memory, 600 + 4e-6 * voxels, 3600 + 1e-4 * voxels)


def _require(outcome: Outcome) -> None:
    if outcome.failure is not None:
        raise SubmissionError(f"{outcome.key}: {outcome.failure}")
    if outcome.value:
        raise OSError(outcome.value["errno"], outcome.value["strerror"], outcome.value["filename"])


def _check(path: Path, catalog: Catalog) -> None:
    """Let the validator look at the finished file before it gets its name."""
    report = validate(path, catalog, read_values=False)
    if report.problems:
        raise SubmissionError(
            "what was packed does not pass the validator, so it was not kept:\n"
            + "\n".join(f"{p.code}: {p}" for p in report.problems)
        )


def _write_lineage(path: Path, record: dict[str, object], *, overwrite: bool) -> None:
    """Write it before the zip gets its name; one that a call of the same work has left is the same."""
    if path.is_file() and not overwrite:
        if read_json(path) == record:
            return
        raise OutputExists(
            f"{path} is the lineage of another submission, and is not overwritten; move it away, or add "
            "--overwrite"
        )
    write_json(path, record, overwrite=overwrite)
