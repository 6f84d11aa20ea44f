"""`csc submit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from organelle.cli._options import CatalogFolder, Overwrite, Workers, open_catalog

if TYPE_CHECKING:
    from organelle.pack import Portal

TOKEN = "CSC_TOKEN"
"""The variable that may hold the token; an option would show it to everyone who lists processes."""


def submit(
    submission: Annotated[Path, typer.Argument(metavar="ZIP", help="What csc pack-results has made.")],
    to: Annotated[
        str, typer.Option("--to", metavar="FOLDER_OR_URL", help="A folder, or the address of a portal.")
    ],
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File that holds the portal's token. Default: CSC_TOKEN."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--validate/--no-validate", help="Hand in nothing in which the validator sees errors."),
    ] = True,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Send the token over plain http to another machine, too.")
    ] = False,
    method: Annotated[
        str | None, typer.Option("--method", help="Name of the method, as the leaderboard shall show it.")
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", help="How it works, and what it was trained on.")
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", metavar="URL", help="Address of the code, if it is public.")
    ] = None,
    publish: Annotated[
        bool | None, typer.Option("--publish/--private", help="Whether it may stand on the leaderboard.")
    ] = None,
    anonymous: Annotated[
        bool | None,
        typer.Option("--anonymous/--named", help="Whether the leaderboard calls the team by another name."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--watch", help="Follow it at the portal until it is scored or refused.")
    ] = False,
    overwrite: Overwrite = False,
    workers: Workers = None,
    catalog: CatalogFolder = None,
) -> None:
    """Hand a submission in: copy it to a folder, or send it to a portal, in pieces that survive a cut."""
    import os

    from organelle.errors import SettingsError
    from organelle.pack import About, Portal, read_token, require_token, submit

    place: Path | Portal = Path(to)
    if "://" in to:
        named = os.environ.get(TOKEN)
        token = read_token(token_file) if token_file else named and require_token(named, TOKEN)
        place = Portal(to, token or None, insecure=insecure)
    about = About(method, description, code, publish, anonymous)
    if not isinstance(place, Portal) and (wait or about.fields()):
        raise SettingsError(f"{to} is a folder; only a portal takes descriptions and can be watched")
    receipt = submit(
        submission,
        place,
        open_catalog(catalog),
        overwrite=overwrite,
        about=about,
        check=check,
        workers=workers,
    )
    typer.echo(receipt.summary)
    if not receipt.lineage:
        typer.echo("note: without a lineage, because none lies beside the zip", err=True)
    if wait and isinstance(place, Portal):
        _watch(place, str(receipt.answer.get("id", "")))


def _watch(portal: Portal, number: str) -> None:
    """Tell how it goes; the exit code is 0 only when it is scored."""
    from organelle.pack import outcome, watch

    record = watch(portal, number, tell=typer.echo)
    for line in outcome(record):
        typer.echo(line)
    if record.get("state") != "scored":
        raise typer.Exit(1)
