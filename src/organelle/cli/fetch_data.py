"""`csc fetch-data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from organelle.cli._options import DATA, CatalogFolder, names, open_catalog


def fetch_data(
    source: Annotated[
        Path, typer.Option("--source", help="Folder in the bucket's layout, for instance a mounted copy.")
    ],
    crops: Annotated[
        str, typer.Option("--crops", "-c", help="Crop numbers (1,2,3), dataset names, 'test', 'all' or '*'.")
    ] = "all",
    destination: Annotated[
        Path, typer.Option("--dest", "-d", help="Folder that receives the volumes.")
    ] = DATA,
    raw_padding: Annotated[
        int, typer.Option("--raw-padding", "-p", min=0, help="EM around each crop, in voxels.")
    ] = 0,
    access_mode: Annotated[
        Literal["append", "overwrite"],
        typer.Option("--access-mode", "-m", help="Keep files that are there, or copy them again."),
    ] = "append",
    fetch_all_em_resolutions: Annotated[
        bool,
        typer.Option("--fetch-all-em-resolutions", "-all-res", help="Also EM that is finer than the labels."),
    ] = False,
    classes: Annotated[
        str | None, typer.Option("--classes", help="Only the labels of these classes.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied.")] = False,
    catalog: CatalogFolder = None,
) -> None:
    """Copy crops: their labels, and the EM around them."""
    from rich.console import Console
    from rich.table import Table

    from organelle.fetch import plan_fetch, transfer

    plan = plan_fetch(
        source,
        open_catalog(catalog),
        crops,
        padding_voxels=raw_padding,
        all_resolutions=fetch_all_em_resolutions,
        classes=names(classes),
    )
    table = Table("crop", "dataset", "EM files", "label files", "MB")
    for part in plan.crops:
        size = sum(o.bytes for o in (*part.em, *part.labels)) / 1e6
        table.add_row(
            str(part.crop.id), part.crop.dataset, str(len(part.em)), str(len(part.labels)), f"{size:.1f}"
        )
    Console().print(table)
    typer.echo(f"{len(plan.objects)} files, {plan.bytes / 1e6:.1f} MB")
    if plan.absent:
        typer.echo(f"{len(plan.absent)} EM chunks are not in the source; they stay unknown, not black")
    if not dry_run:
        report = transfer(plan, destination, access_mode=access_mode)
        typer.echo(
            f"{destination}: {report.moved} files copied ({report.moved_bytes / 1e6:.1f} MB), "
            f"{report.skipped} were there"
        )
