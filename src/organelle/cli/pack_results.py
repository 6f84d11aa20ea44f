"""`csc pack-results`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import WORK, CatalogFolder, Overwrite, WorkFolder, open_catalog


def pack_results(
    input_path: Annotated[
        Path | None, typer.Option("--input-path", "-i", help="Another work folder that holds processed/.")
    ] = None,
    output_path: Annotated[
        Path | None, typer.Option("--output-path", "-o", help="The zip. Default: submission.zip in --work.")
    ] = None,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    work: WorkFolder = WORK,
) -> None:
    """Pack every row of the test table into one zip, ready to be handed in."""
    from rich.console import Console

    from organelle.pack import pack

    source = input_path or work
    report = pack(open_catalog(catalog), source, output_path or work / "submission.zip", overwrite=overwrite)
    Console().print(report)
