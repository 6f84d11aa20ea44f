"""`csc process`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import (
    WORK,
    CatalogFolder,
    CropNames,
    ExperimentFile,
    Overwrite,
    WorkFolder,
    open_catalog,
)


def process(
    config: ExperimentFile,
    crops: CropNames = "test",
    input_path: Annotated[
        Path | None,
        typer.Option("--input-path", "-i", help="Another work folder with the predictions."),
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output-path", "-o", help="Another work folder for the results.")
    ] = None,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    work: WorkFolder = WORK,
) -> None:
    """Turn predictions into masks and objects."""
    from organelle.experiment import load_experiment, process_experiment

    report = process_experiment(
        load_experiment(config),
        open_catalog(catalog),
        crops,
        work=input_path or work,
        output=output_path or work,
        overwrite=overwrite,
    )
    for warning in report.warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(f"{len(report.written)} volumes written, {len(report.kept)} were there")
