"""`csc validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import CatalogFolder, Workers, open_catalog


def validate(
    submission: Annotated[Path, typer.Argument(metavar="FILE", help="The zip or folder to be handed in.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
    scored: Annotated[
        bool, typer.Option("--scored", help="Show what the scorer will see of every row.")
    ] = False,
    truth_path: Annotated[
        Path | None,
        typer.Option("--truth-path", "-t", help="Truth whose masks and limits --scored should know."),
    ] = None,
    workers: Workers = None,
    catalog: CatalogFolder = None,
) -> None:
    """Name every problem of a submission; the exit status is 1 if there is an error."""
    import json

    from rich.console import Console

    from organelle.submission import validate

    report = validate(submission, open_catalog(catalog), scored=scored, truth=truth_path, workers=workers)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=1))
    else:
        Console().print(report)
    if not report.ok:
        raise typer.Exit(1)
