"""`csc tune`."""

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
    class_names,
    open_catalog,
)


def tune(
    config: ExperimentFile,
    crops: Annotated[
        str | None, typer.Option("--crops", "-c", help="Some of the crops held out. Default: all of them.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", "-C", help="Classes to tune. Default: those of the experiment.")
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="Version whose score shall rise: 2026-06, 2026-07, pq.")
    ] = "2026-06",
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Recipes that are tried for each class.")
    ] = 80,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the recipes that are drawn by chance.")] = 0,
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output-path", "-o", help="The tuned experiment. Default: NAME-tuned.toml beside CONFIG."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="Processes that share the trials.")
    ] = 1,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataPlace = DATA,
    work: WorkFolder = WORK,
) -> None:
    """Search the recipes that score best on the crops held out, and write the experiment with them.

    A search that was interrupted goes on where it was. Test crops are never looked at.
    """
    from rich.console import Console

    from organelle.experiment.tuning import tune_experiment
    from organelle.tune import TuneChoices

    made = tune_experiment(
        config,
        open_catalog(catalog),
        crops,
        data=data,
        work=work,
        output=output_path,
        classes=class_names(classes),
        choices=TuneChoices(metric=metric, trials=trials, seed=seed, workers=workers),
        overwrite=overwrite,
    )
    for note in (*made.warnings, *made.report.notes):
        typer.echo(f"note: {note}", err=True)
    Console().print(made.report)
    typer.echo(f"{made.path}: {len(made.report.changed)} of {len(made.report.classes)} recipes changed")
    typer.echo(f"table and pictures: {made.report.folder}")
