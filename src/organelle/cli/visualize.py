"""`csc visualize`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from organelle.cli._options import DATA, WORK, CatalogFolder, Overwrite, WorkFolder, names, open_catalog

if TYPE_CHECKING:
    from organelle.visualize import Scene


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
    from organelle.cli._options import class_names
    from organelle.visualize import Choice, parse_kinds, visualize, write_sheets

    choice = Choice(names(datasets), crops, class_names(classes), parse_kinds(names(kinds)))
    scene = visualize(open_catalog(catalog), choice, data=data, work=work, submission_path=submission_path)
    if png is None:
        _serve(scene, port, no_browser=no_browser)
    else:
        typer.echo(f"wrote {write_sheets(scene, png, overwrite=overwrite)[-1]}")
    _tell_problems(scene)


def _serve(scene: Scene, port: int, *, no_browser: bool) -> None:
    """Answer until Ctrl-C; the link stands on standard output."""
    from organelle.visualize import serve

    with serve(scene, port) as server:
        typer.echo(server.url)
        if no_browser or not webbrowser.open(server.url):
            typer.echo(
                f"Open this link in a browser; from another machine after: ssh -L {server.port}:localhost:"
                f"{server.port} THIS_MACHINE",
                err=True,
            )
        typer.echo("Ctrl-C ends.", err=True)
        server.wait()


def _tell_problems(scene: Scene) -> None:
    for key, words in scene.problems.items():
        typer.echo(f"left out {key}: {words}", err=True)
