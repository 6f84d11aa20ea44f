"""`csc train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import (
    DATA,
    WORK,
    CatalogFolder,
    DataPlace,
    ExperimentFile,
    Overwrite,
    WorkFolder,
    open_catalog,
)


def train(
    config: ExperimentFile,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataPlace = DATA,
    work: WorkFolder = WORK,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Folder for decoded crops. Default: cache in --work.")
    ] = None,
    cache_size: Annotated[
        float | None,
        typer.Option(
            "--cache-size", min=0, help="GiB that they may fill; 0 holds them in memory. Default: 64."
        ),
    ] = None,
) -> None:
    """Train the experiment's network; a run that was interrupted goes on where it was."""
    from organelle.experiment import CACHE_BYTES, load_experiment, train_experiment

    report = train_experiment(
        load_experiment(config),
        open_catalog(catalog),
        data=data,
        work=work,
        cache=cache,
        cache_bytes=CACHE_BYTES if cache_size is None else int(cache_size * 2**30),
        overwrite=overwrite,
    )
    for note in report.notes:
        typer.echo(note, err=True)
    taken_up = f", taken up at {report.resumed_at}" if report.resumed_at else ""
    typer.echo(f"{report.run}: {report.steps} steps{taken_up}")
    judged = "nothing held out" if report.best is None else f"mean IoU on held-out crops {report.best:.3f}"
    typer.echo(f"{report.checkpoint}: {judged}")
