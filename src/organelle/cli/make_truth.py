"""`csc make-truth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import DATA, CatalogFolder, DataPlace, Overwrite, names, open_catalog


def make_truth(
    crops: Annotated[
        str, typer.Option("--crops", "-c", help="Training crops: numbers (1,2,3), dataset names, or 'all'.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder that receives truth.zarr and the three tables.")
    ],
    classes: Annotated[
        str | None,
        typer.Option("--classes", help="Classes, comma-separated. Default: all that the challenge scores."),
    ] = None,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataPlace = DATA,
) -> None:
    """Make truth of training crops, to score predictions of them at home.

    Voxels whose label is unknown are masked: nothing there is scored.
    """
    from rich.console import Console

    from organelle.evaluate import make_truth

    report = make_truth(
        open_catalog(catalog), crops, data=data, out=out, classes=names(classes), overwrite=overwrite
    )
    Console().print(report)
    typer.echo(f"score with: csc evaluate --catalog {out} -t {report.store} -s SUBMISSION")
