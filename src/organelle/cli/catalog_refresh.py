"""`csc catalog refresh`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from organelle.cli._options import REFRESHED, CatalogFolder, open_catalog

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.stores import Source


def refresh(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="ADDRESS",
            help="Folder, file://, http(s):// or s3:// with the tables. Without: tell what is kept.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check the tables and show what they change.")
    ] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove the tables that are kept.")] = False,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="URL of an S3 server that is not Amazon's.")
    ] = None,
    region: Annotated[str, typer.Option("--region", help="The bucket's region.")] = "us-east-1",
    catalog: CatalogFolder = None,
) -> None:
    """Take newer tables, check them, and keep them for --catalog refreshed.

    What they change is printed, compared with the built-in tables or with --catalog.
    """
    from organelle.errors import SettingsError

    if forget and (source or dry_run):
        raise SettingsError("--forget removes what is kept; type it alone")
    if forget:
        _forget()
    elif source is None:
        _tell_kept()
    else:
        _take(source, dry_run, endpoint, region, catalog)


def _take(source: str, dry_run: bool, endpoint: str | None, region: str, catalog: Path | None) -> None:
    from organelle.catalog.changes import change_lines
    from organelle.catalog.refresh import refresh_catalog
    from organelle.errors import printable

    before = _in_use(catalog)
    found = refresh_catalog(_source(source, endpoint, region), before, dry_run=dry_run)
    after = found.catalog
    typer.echo(
        f"{source}: {len(after.datasets)} datasets, {len(after.train_crops)} training and "
        f"{len(after.test_crops)} test crops; compared with the catalog {before.name}:"
    )
    for line in change_lines(found.changes) if found.changes else ["nothing differs"]:
        typer.echo(printable(line, most=2000))
    kept = f"kept in {found.folder}; --catalog refreshed uses it" if found.folder else "nothing was kept"
    typer.echo(kept)


def _source(address: str, endpoint: str | None, region: str) -> Source:
    """The place of the tables; an address may itself name endpoint and region, behind a question mark."""
    from organelle.stores import Remote, as_place, open_source

    bare, _, options = address.partition("?")
    place = as_place(address) if options else None
    if isinstance(place, Remote):
        endpoint, region = endpoint or place.source.endpoint, place.source.region
    return open_source(bare if isinstance(place, Remote) else address, endpoint=endpoint, region=region)


def _in_use(catalog: Path | None) -> Catalog:
    """The catalog to compare with; the built-in one where the tables to replace are gone or damaged."""
    from organelle.errors import CatalogError, FileMissing

    try:
        return open_catalog(catalog)
    except (CatalogError, FileMissing):
        if catalog != REFRESHED:
            raise
        return open_catalog(None)


def _tell_kept() -> None:
    from organelle.catalog.refresh import load_refreshed, refreshed_folder, refreshed_origin

    origin = refreshed_origin()
    if origin is None:
        typer.echo(
            f"no refreshed tables are kept in {refreshed_folder()}; give an address to fetch some from"
        )
        return
    catalog = load_refreshed()
    typer.echo(
        f"{refreshed_folder()}: {len(catalog.datasets)} datasets, {len(catalog.train_crops)} training and "
        f"{len(catalog.test_crops)} test crops, from {origin.source} on {origin.date}"
    )
    for name, digest in origin.sha256.items():
        typer.echo(f"  {name}  SHA-256 {digest}")


def _forget() -> None:
    from organelle.catalog.refresh import forget_refreshed

    gone = forget_refreshed()
    typer.echo(f"removed {gone}" if gone else "no refreshed tables are kept")
