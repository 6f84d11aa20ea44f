"""`csc visualize`."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from organelle.cli._listing import Csv, Json
from organelle.cli._options import (
    DATA,
    WORK,
    CatalogFolder,
    Overwrite,
    WorkFolder,
    class_names,
    names,
    open_catalog,
)

if TYPE_CHECKING:
    from organelle.visualize import Choice, Scene


def visualize(
    datasets: Annotated[str | None, typer.Option("--datasets", "-d", help="Only these datasets.")] = None,
    crops: Annotated[
        str | None,
        typer.Option("--crops", "-c", help="Crop numbers (1,2,3), dataset names, 'test' or 'all'."),
    ] = None,
    classes: Annotated[str | None, typer.Option("--classes", "-C", help="Only these classes.")] = None,
    kinds: Annotated[
        str | None,
        typer.Option("--kinds", "-k", help="Only em, truth, prediction, processed or submission."),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes one that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
    png: Annotated[
        Path | None,
        typer.Option("--png", help="Draw contact sheets and a page of thumbnails into this folder instead."),
    ] = None,
    overwrite: Overwrite = False,
    links: Annotated[
        bool, typer.Option("--links", help="List the public links of the challenge instead.")
    ] = False,
    as_json: Json = False,
    as_csv: Csv = False,
    submission_path: Annotated[
        Path | None,
        typer.Option("--submission-path", "-s", help="Zip or folder. Default: submission.zip in --work."),
    ] = None,
    data: Annotated[
        str,
        typer.Option("--data", envvar="CSC_DATA", help="Volumes in the bucket's layout: folder or address."),
    ] = str(DATA),
    work: WorkFolder = WORK,
    catalog: CatalogFolder = None,
) -> None:
    """Look at EM, truth, predictions, processed volumes and submissions in Neuroglancer."""
    from organelle.visualize import Choice, parse_kinds, visualize, write_sheets

    choice = Choice(_dataset_names(datasets), crops, class_names(classes), parse_kinds(names(kinds)))
    if links:
        _list_links(choice, as_json=as_json, as_csv=as_csv)
        return
    scene = visualize(open_catalog(catalog), choice, data=data, work=work, submission_path=submission_path)
    if png is None:
        _serve(scene, port, no_browser=no_browser)
    else:
        typer.echo(f"wrote {write_sheets(scene, png, overwrite=overwrite)[-1]}")
        _tell_problems(scene, set())


def _dataset_names(text: str | None) -> list[str] | None:
    from organelle.errors import SettingsError

    found = names(text)
    if found == []:
        raise SettingsError(f"{text!r} names no dataset; leave the option out, or name some")
    return found


def _serve(scene: Scene, port: int, *, no_browser: bool) -> None:
    """Answer until Ctrl-C; the link stands on standard output."""
    from organelle.visualize import serve

    with serve(scene, port) as server:
        typer.echo(server.url)
        sys.stdout.flush()  # whoever waits for the link in a pipe gets it now
        if no_browser or not _open_browser(server.url):
            tunnel = f"ssh -L {server.port}:localhost:{server.port} THIS_MACHINE"
            typer.echo(f"Open this link in a browser; from another machine after: {tunnel}", err=True)
        typer.echo("Ctrl-C ends.", err=True)
        told: set[str] = set()
        try:
            while server.wait(0.5):
                _tell_problems(scene, told)
        except KeyboardInterrupt:
            typer.echo("", err=True)


def _open_browser(url: str) -> bool:
    """Whether a window came up; a browser in the terminal has no WebGL and would only take the terminal."""
    has_screen = any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    return (has_screen or not sys.platform.startswith("linux")) and webbrowser.open(url)


def _list_links(choice: Choice, *, as_json: bool, as_csv: bool) -> None:
    from organelle.catalog import export
    from organelle.errors import SettingsError
    from organelle.visualize.links import LINK_KEYS, public_links

    if as_json and as_csv:
        raise SettingsError("--json and --csv exclude each other; choose one")
    rows = [link.row() for link in public_links(choice)]
    if as_json or as_csv:
        typer.echo(export.as_json(rows) if as_json else export.as_csv(rows, LINK_KEYS), nl=False)
        return
    for row in rows:
        typer.echo(f"{row['dataset']:21} {row['crop'] or '':>4}  {row['link']}")


def _tell_problems(scene: Scene, told: set[str]) -> None:
    """Each image that cannot be read is named once."""
    for key in scene.problems.keys() - told:
        typer.echo(f"left out {key}: {scene.problems[key]}", err=True)
        told.add(key)
