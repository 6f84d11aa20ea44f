"""`csc compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Results of csc evaluate -r; the others are compared with the first.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
    draws: Annotated[
        int, typer.Option("--draws", min=100, help="Drawings of crops for the intervals.")
    ] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the drawing.")] = 0,
) -> None:
    """Compare scores class by class, with intervals over crops."""
    import json
    from dataclasses import asdict

    from rich.console import Console

    from organelle.evaluate import compare, comparison_table

    found = compare(results, draws=draws, seed=seed)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        Console().print(comparison_table(found))
