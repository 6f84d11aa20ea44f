"""`csc train`."""

from __future__ import annotations

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
) -> None:
    """Train the experiment's network; a run that was interrupted goes on where it was."""
    from organelle.experiment import load_experiment, train_experiment

    report = train_experiment(
        load_experiment(config), open_catalog(catalog), data=data, work=work, overwrite=overwrite
    )
    taken_up = f", taken up at {report.resumed_at}" if report.resumed_at else ""
    typer.echo(f"{report.run}: {report.steps} steps{taken_up}")
    judged = "nothing held out" if report.best is None else f"mean IoU on held-out crops {report.best:.3f}"
    typer.echo(f"{report.checkpoint}: {judged}")
