"""`csc batch-eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import (
    WORK,
    CatalogFolder,
    InstanceClasses,
    MemoryGiB,
    Metric,
    TruthPath,
    WorkFolder,
    class_names,
    gibibytes,
    open_catalog,
)


def batch_eval(
    csv_path: Annotated[
        Path,
        typer.Option("--csv-path", "-c", help="Table with the columns data_path and evaluation_id."),
    ],
    truth_path: TruthPath,
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output-path", "-o", help="Folder of eval_ID.results. Default: beside each submission."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Dask scheduler, tcp://HOST:PORT. Default: this machine alone."),
    ] = None,
    instance_classes: InstanceClasses = None,
    metric: Metric = "2026-06",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-w",
            min=0,
            help="Rows of a submission at a time. Default: as cores and memory allow; with --scheduler 1.",
        ),
    ] = None,
    memory: MemoryGiB = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "-O", help="Replace results that were made from something else.")
    ] = False,
    work: WorkFolder = WORK,
    catalog: CatalogFolder = None,
) -> None:
    """Score many submissions, here or on a Dask cluster; the exit status is 1 if one failed."""
    import warnings

    from rich.console import Console

    from organelle.evaluate import batch_eval

    with warnings.catch_warnings():
        # in words, without the line of code that it comes from
        warnings.showwarning = lambda message, *_, **__: typer.echo(f"note: {message}", err=True)
        report = batch_eval(
            csv_path,
            truth_path,
            open_catalog(catalog),
            instance_classes=class_names(instance_classes),
            metric=metric,
            output=output_path,
            work=work,
            workers=workers,
            memory_bytes=gibibytes(memory),
            scheduler=scheduler,
            overwrite=overwrite,
        )
    Console().print(report)
    typer.echo(f"written: {report.summary_path}")
    if report.failed:
        raise typer.Exit(1)
