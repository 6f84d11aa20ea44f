"""`csc portal ...`: the challenge's own house."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import Overwrite

portal_app = typer.Typer(help="The challenge's portal: explorer, submissions, queue, leaderboard, news.")

Folder = Annotated[
    Path, typer.Option("--data", metavar="FOLDER", help="Where all of the portal lives; made if missing.")
]


@portal_app.callback(invoke_without_command=True)
def portal(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Where all of the portal lives; made if missing."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Where the web server listens.")
    ] = 8000,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for other machines, too.")
    ] = "127.0.0.1",
    demo: Annotated[
        bool, typer.Option("--demo", help="With a synthetic challenge, teams, submissions and posts.")
    ] = False,
) -> None:
    """Start the challenge's portal: web server, queue and workers, from one folder.

    Without a command the portal runs until Ctrl-C.
    """
    if context.invoked_subcommand is not None:
        return
    if data is None:
        raise typer.BadParameter("name the portal's folder: --data FOLDER")
    from organelle.portal import portal

    portal(data, port=port, host=host, demo=demo, tell=typer.echo)


@portal_app.command("check")
def check(data: Folder) -> None:
    """Name what is unsafe for production; the exit status is 1 if anything is."""
    from organelle.portal.upkeep import check_portal

    found = check_portal(data)
    for finding in found:
        typer.echo(f"- {finding}")
    typer.echo(f"{len(found)} things to mend" if found else "nothing to mend")
    raise typer.Exit(1 if found else 0)


@portal_app.command("organiser")
def organiser(
    data: Folder,
    email: Annotated[str, typer.Option("--email", help="Whom the link signs in.")],
    port: Annotated[int, typer.Option("--port", help="Where the web server listens, for the link.")] = 8000,
) -> None:
    """Print a link that signs somebody in as an organiser, once."""
    from organelle.portal.upkeep import organiser_link

    typer.echo(organiser_link(data, email, port=port))


@portal_app.command("backup")
def backup(
    data: Folder,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The backup, a tar.")],
    overwrite: Overwrite = False,
) -> None:
    """Write database, key and submissions into one file, while the portal goes on."""
    from organelle.portal.upkeep import backup_portal

    note = backup_portal(data, to, overwrite=overwrite)
    typer.echo(f"{to}: {note['submissions']} submissions, {note['bytes'] / 1e6:.1f} MB")


@portal_app.command("restore")
def restore(
    data: Folder,
    source: Annotated[
        Path, typer.Option("--from", metavar="FILE", help="What csc portal backup has written.")
    ],
) -> None:
    """Make a backup a portal again, in a new folder."""
    from organelle.portal.backup import restore as restore_portal

    note = restore_portal(source, data)
    typer.echo(f"{data}: {note['submissions']} submissions; start it with csc portal --data {data}")


@portal_app.command("rescore")
def rescore(data: Folder) -> None:
    """Have everything scored anew, with what the configuration says now; the old board stays meanwhile."""
    from organelle.portal.upkeep import rescore_portal

    typer.echo(f"{rescore_portal(data)} submissions wait to be scored again; workers of the portal do it")


@portal_app.command("thumbnails")
def thumbnails(
    data: Folder,
    volumes: Annotated[
        Path,
        typer.Option("--volumes", metavar="FOLDER", help="Volumes on this machine, in the bucket's layout."),
    ],
    overwrite: Overwrite = False,
) -> None:
    """Draw a small picture of every crop whose volumes are here, for the explorer."""
    from organelle.portal.upkeep import draw_thumbnails

    made = draw_thumbnails(data, volumes, overwrite=overwrite)
    typer.echo(f"{len(made)} pictures drawn" if made else f"nothing new to draw in {volumes}")


@portal_app.command("export")
def export(
    data: Folder,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The JSON file to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Write teams, submissions, results and the audit log to a JSON file, for organisers."""
    from organelle.portal.upkeep import export_portal

    counts = export_portal(data, to, overwrite=overwrite)
    typer.echo(f"{to}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
