"""`csc get-counts`."""

from __future__ import annotations

from typing import Annotated

import typer

from organelle.cli._options import CatalogFolder, names, open_catalog


def get_counts(
    classes: Annotated[
        str | None,
        typer.Option("--classes", "-c", help="Classes, comma-separated; default: all scored."),
    ] = None,
    catalog: CatalogFolder = None,
) -> None:
    """Show in how many training crops each class is annotated, per dataset."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from organelle.catalog import count_annotations

    counts = count_annotations(open_catalog(catalog), names(classes))
    table = Table("class", "crops", "in", title="Crops in which a class is annotated", box=SIMPLE_HEAD)
    for name in counts.classes:
        where = ((dataset, counts.crops[name, dataset]) for dataset in counts.datasets)
        table.add_row(name, str(counts.total(name)), ", ".join(f"{d} {n}" for d, n in where if n))
    Console().print(table)
