"""`csc predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import (
    DATA,
    WORK,
    CatalogFolder,
    CropNames,
    DataPlace,
    ExperimentFile,
    Overwrite,
    WorkFolder,
    open_catalog,
)


def predict(
    config: ExperimentFile,
    crops: CropNames = "test",
    output_path: Annotated[
        Path | None, typer.Option("--output-path", "-o", help="Another work folder for the predictions.")
    ] = None,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataPlace = DATA,
    work: WorkFolder = WORK,
) -> None:
    """Predict crops with the experiment's best checkpoint, every voxel of them."""
    from organelle.experiment import load_experiment, predict_experiment

    report = predict_experiment(
        load_experiment(config),
        open_catalog(catalog),
        crops,
        data=data,
        work=work,
        output=output_path,
        overwrite=overwrite,
    )
    for warning in report.warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(f"{len(report.written)} volumes written, {len(report.kept)} were there")
