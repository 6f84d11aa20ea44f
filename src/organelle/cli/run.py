"""`csc run`."""

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
    Metric,
    WorkFolder,
    open_catalog,
    seconds_of,
)


def run(
    configs: Annotated[
        list[Path], typer.Argument(metavar="CONFIG...", help="The TOML file of one or more experiments.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            help="Fetch what is missing from this root of a bucket: folder, http(s):// or s3:// URL. "
            "Default: the public one when crops of the real challenge are missing, else nothing.",
        ),
    ] = None,
    raw_padding: Annotated[
        str,
        typer.Option("--raw-padding", "-p", help="EM to fetch around crops, in voxels (64) or nm (500nm)."),
    ] = "0",
    truth_path: Annotated[
        Path | None,
        typer.Option(
            "--truth-path", "-t", help="Truth of the test crops, if you hold one. Default: held-out crops."
        ),
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="Take what comes before STAGE as it is.")
    ] = None,
    last: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after STAGE.")] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="STAGE", help="Only STAGE.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how every stage stands, and what is left to do.")
    ] = False,
    metric: Metric = "2026-06",
    workers: Annotated[
        int,
        typer.Option("--workers", "-w", min=1, help="Local processes that predict, process and pack."),
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", help="Address of a Dask scheduler, to predict and process: tcp://HOST:PORT."
        ),
    ] = None,
    block_minutes: BlockMinutes = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "-O", help="Replace outputs that were made in another way.")
    ] = False,
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
    """Go from data to score: do the stages that are lacking, leave those that are done.

    Stages: fetch, train, predict, process, pack, validate, evaluate.
    """
    from rich.console import Console

    from organelle.catalog import PUBLIC_S3
    from organelle.experiment import (
        CACHE_BYTES,
        RunChoices,
        Span,
        load_experiment,
        plan_run,
        run_experiments,
    )
    from organelle.fetch import read_padding

    experiments, crops = [load_experiment(config) for config in configs], open_catalog(catalog)
    choices = RunChoices(
        source=source,
        fallback=PUBLIC_S3 if catalog is None else None,
        padding=read_padding(raw_padding),
        truth=truth_path,
        metric=metric,
        cache=cache,
        cache_bytes=CACHE_BYTES if cache_size is None else int(cache_size * 2**30),
        span=Span.named(first, last, only),
        overwrite=overwrite,
        workers=workers,
        scheduler=scheduler,
        block_seconds=seconds_of(block_minutes),
    )
    if dry_run:
        plan = plan_run(experiments, crops, data=data, work=work, choices=choices)
        Console().print(plan)
        if plan.stale:
            typer.echo("what is stale is only replaced with --overwrite")
        return
    report = run_experiments(experiments, crops, data=data, work=work, choices=choices)
    if report.submission:
        typer.echo(f"{report.submission}: look at it with csc visualize, hand it in with csc submit")
