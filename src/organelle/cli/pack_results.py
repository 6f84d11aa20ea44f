"""`csc pack-results`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import WORK, CatalogFolder, Overwrite, WorkFolder, open_catalog


def pack_results(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG", help="An experiment's TOML file, for its sections assemble and pack."
        ),
    ] = None,
    input_path: Annotated[
        Path | None,
        typer.Option(
            "--input-path", "-i", help="Another work folder that holds processed/, instead of the default."
        ),
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output-path", "-o", help="The zip. Default: submission.zip in --work.")
    ] = None,
    overwrite: Overwrite = False,
    max_workers: Annotated[
        int | None,
        typer.Option(
            "--max-workers", "-w", min=1, help="Rows at a time. Default: as cores and memory allow."
        ),
    ] = None,
    scored_view: Annotated[
        bool, typer.Option(help="Show what the scorer will see of every row; that reads all of it once more.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which row would be taken from where.")
    ] = False,
    catalog: CatalogFolder = None,
    work: WorkFolder = WORK,
) -> None:
    """Pack every row of the test table into one zip, ready to be handed in."""
    import time

    from rich.console import Console

    from organelle.pack import (
        AssembleSettings,
        PackSettings,
        SubmissionSettings,
        load_submission_settings,
        pack,
        plan_pack,
        see_packed,
    )

    crops, source = open_catalog(catalog), input_path or work
    said = SubmissionSettings(PackSettings(), AssembleSettings())
    settings = load_submission_settings(config) if config else said
    assemble = settings.assemble
    if input_path:
        assemble = assemble.model_copy(update={"default": None})
    if dry_run:
        Console().print(plan_pack(crops, source, assemble=assemble))
        return
    report = pack(
        crops,
        source,
        output_path or work / "submission.zip",
        overwrite=overwrite,
        workers=max_workers,
        settings=settings.pack,
        assemble=assemble,
    )
    if not scored_view:
        Console().print(report)
        return
    Console().print(report.overview)
    begun = time.monotonic()
    Console().print(see_packed(report, crops, workers=max_workers))
    typer.echo(f"looking at it took {time.monotonic() - begun:.0f} s; --no-scored-view leaves that out")
