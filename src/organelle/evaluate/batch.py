"""Many submissions: the lines of a table, one after the other here, or side by side on a cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.evaluate.batch_cluster import evaluate_on_cluster
from organelle.evaluate.batch_line import BatchTask, LineOutcome, evaluate_line
from organelle.evaluate.batch_report import BatchReport, refuse_other_table, summary_path, write_summary
from organelle.evaluate.batch_table import BatchLine, read_batch
from organelle.evaluate.kept import plan_hash
from organelle.evaluate.scoring import library_versions, plan_evaluation, require_scorable
from organelle.evaluate.truth import open_truth
from organelle.files import sha256
from organelle.metrics import require_version
from organelle.progress import track

if TYPE_CHECKING:
    from organelle.catalog import Catalog


def batch_eval(
    csv_path: Path | str,
    truth: Path | str,
    catalog: Catalog,
    *,
    instance_classes: Collection[str] | None = None,
    metric: str = "2026-06",
    output: Path | str | None = None,
    work: Path | str | None = None,
    workers: int | None = None,
    memory_bytes: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> BatchReport:
    """Score every submission of a table; each gets `eval_ID.results` and `eval_ID_extended.results`.

    A line whose results are there is kept, if they were made from the same submission and truth, for the
    same rows, with the same versions. So a batch that was killed goes on when it is started again.

    Args:
        csv_path: Table with the columns `data_path` and `evaluation_id`, see `read_batch`.
        truth: Folder of a zarr-2 group `crop{N}/{class}`.
        catalog: Its table of test crops gives each crop's grid.
        instance_classes: What to score as objects; default: `INSTANCE_CLASSES`.
        metric: Version of the metric that comes first.
        output: Folder of the results and of the summary; default: results beside their submissions, and
            `NAME_summary.csv` beside the table `NAME.csv`.
        work: Folder in which finished rows are kept, so that half a submission is not lost; None: nowhere.
        workers: Rows at a time, in child processes; default: as many as there are cores, on a cluster one
            per submission. 0: no child processes, and no limits: for files of one's own.
        memory_bytes: For the rows of one submission together; default: nine tenths of what is available.
        scheduler: Address of a Dask scheduler, `tcp://HOST:PORT`; default: one submission after the other in
            this process.
        overwrite: Replace results that were made from something else. Otherwise such a line fails.

    Returns:
        What became of each line, also written as CSV. A line that fails says why and ends nothing else.

    Raises:
        FileMissing, FormatError: a table that cannot be used, with all its problems; nothing was scored.
        OutputExists: something else than a summary stands in the place of the summary.
        ScoringError: no truth in the folder, truth of another challenge, an unknown metric version, or
            workers with other versions.
        MissingExtra, SettingsError: no Dask, or no scheduler at that address.
    """
    require_version(metric)
    lines = read_batch(csv_path, output=output)
    summary = summary_path(csv_path, output)
    refuse_other_table(summary, overwrite=overwrite)
    store = open_truth(truth)
    plan = plan_evaluation(store, catalog, instance_classes=instance_classes)
    require_scorable(plan, store, catalog)
    task = BatchTask(
        truth=store.path.absolute(),
        catalog=catalog,
        instance_classes=None if instance_classes is None else tuple(instance_classes),
        metric=metric,
        work=None if work is None else Path(work).absolute(),
        workers=1 if scheduler and workers is None else workers,
        memory_bytes=memory_bytes,
        overwrite=overwrite,
        truth_sha256=sha256(store.path),
        plan=plan_hash(plan, catalog),
        versions=library_versions(),
    )
    found = dict(track(_carried_out(lines, task, scheduler), "submissions", total=len(lines)))
    report = BatchReport(tuple(found[line] for line in lines), summary)
    write_summary(report)
    return report


def _carried_out(
    lines: Sequence[BatchLine], task: BatchTask, scheduler: str | None
) -> Iterator[tuple[BatchLine, LineOutcome]]:
    """The lines and what became of them, in the order in which they end."""
    if scheduler is not None:
        yield from evaluate_on_cluster(lines, task, scheduler)
        return
    for line in lines:
        yield line, evaluate_line(line, task)
