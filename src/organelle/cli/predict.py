"""`csc predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import (
    DATA,
    WORK,
    BlockMinutes,
    CatalogFolder,
    DataPlace,
    ExperimentFile,
    Overwrite,
    WorkFolder,
    open_catalog,
    seconds_of,
)


def predict(
    config: ExperimentFile,
    crops: Annotated[
        str | None,
        typer.Option(
            "--crops", "-c", help="Crop numbers, dataset names, 'test', 'all' or '*'. Default: test."
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", "-r", help="DATASET, or DATASET:Z0-Z1,Y0-Y1,X0-X1 in nm; may be repeated."),
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output-path", "-o", help="Another work folder for the predictions.")
    ] = None,
    skip_orthoplanes: Annotated[
        bool, typer.Option("--skip-orthoplanes", "-so", help="2D networks: planes across one axis alone.")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="Local processes that share the blocks.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a Dask scheduler: tcp://HOST:PORT.")
    ] = None,
    block_minutes: BlockMinutes = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what it would do and cost, and do nothing.")
    ] = False,
    patch_seconds: Annotated[
        float | None,
        typer.Option(
            "--patch-seconds", min=0, help="With --dry-run: seconds per patch, instead of measuring."
        ),
    ] = None,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataPlace = DATA,
    work: WorkFolder = WORK,
) -> None:
    """Predict crops or regions with the experiment's best checkpoint, every voxel of them.

    Start it as often as you like, on as many machines as see the work folder: all share the blocks.
    """
    from organelle.catalog import Region
    from organelle.experiment import load_experiment, plan_prediction, predict_experiment

    experiment = load_experiment(config)
    if skip_orthoplanes:
        changed = experiment.predict.model_copy(update={"planes": "patch"})
        experiment = experiment.model_copy(update={"predict": changed})
    asked = {
        "crops": crops or (None if region else "test"),
        "data": data,
        "work": work,
        "output": output_path,
        "regions": tuple(map(Region.parse, region or ())),
        "overwrite": overwrite,
    }
    if dry_run:
        from rich.console import Console

        from organelle.predict import estimate, measure_patch

        plan = plan_prediction(experiment, open_catalog(catalog), **asked)
        for warning in plan.warnings:
            typer.echo(f"note: {warning}", err=True)
        seconds = measure_patch(plan) if patch_seconds is None and plan.patches else patch_seconds
        Console().print(estimate(plan, patch_seconds=seconds, workers=workers))
        return
    report = predict_experiment(
        experiment,
        open_catalog(catalog),
        **asked,
        workers=workers,
        scheduler=scheduler,
        block_seconds=seconds_of(block_minutes),
    )
    for warning in report.warnings:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(f"{len(report.written)} volumes written, {len(report.kept)} were there")
