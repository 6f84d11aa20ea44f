"""`csc process`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import (
    WORK,
    BlockMinutes,
    CatalogFolder,
    ExperimentFile,
    Overwrite,
    WorkFolder,
    open_catalog,
    seconds_of,
)


def process(
    config: ExperimentFile,
    crops: Annotated[
        str | None,
        typer.Option(
            "--crops", "-c", help="Crop numbers, dataset names, 'test', 'all' or '*'. Default: test."
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", "-r", help="A region that was predicted, written in the same way."),
    ] = None,
    input_path: Annotated[
        Path | None,
        typer.Option("--input-path", "-i", help="Another work folder with the predictions."),
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output-path", "-o", help="Another work folder for the results.")
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--max-workers", "--workers", "-w", min=1, help="Local processes that share the volumes."
        ),
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a Dask scheduler: tcp://HOST:PORT.")
    ] = None,
    block_minutes: BlockMinutes = None,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    work: WorkFolder = WORK,
) -> None:
    """Turn predictions into masks and objects."""
    from organelle.catalog import Region
    from organelle.experiment import load_experiment, process_experiment

    report = process_experiment(
        load_experiment(config),
        open_catalog(catalog),
        crops or (None if region else "test"),
        work=input_path or work,
        output=output_path or work,
        regions=tuple(map(Region.parse, region or ())),
        overwrite=overwrite,
        workers=workers,
        scheduler=scheduler,
        block_seconds=seconds_of(block_minutes),
    )
    for warning in report.warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(f"{len(report.written)} volumes written, {len(report.kept)} were there")
