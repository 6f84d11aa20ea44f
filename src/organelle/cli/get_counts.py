"""`csc get-counts`."""

from __future__ import annotations

from typing import Annotated

import typer

from organelle.cli._options import CatalogFolder, names, open_catalog


def get_counts(
    classes: Annotated[
        str | None,
        typer.Option("--classes", "-c", help="Classes, comma-separated. Default: all that are scored."),
    ] = None,
    catalog: CatalogFolder = None,
) -> None:
    """Show in how many training crops each class is annotated, per dataset."""
    from rich.console import Console
    from rich.table import Table

    from organelle.catalog import count_annotations

    counts = count_annotations(open_catalog(catalog), names(classes))
    table = Table("class", "all", *counts.datasets, title="Training crops in which a class is annotated")
    for name in counts.classes:
        numbers = [counts.total(name), *(counts.crops[name, dataset] for dataset in counts.datasets)]
        table.add_row(name, *(str(n) if n else "·" for n in numbers))
    Console().print(table)
