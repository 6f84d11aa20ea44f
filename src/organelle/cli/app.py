"""All commands in one place, and what happens to their errors."""

from __future__ import annotations

import errno
import io
import sys
from typing import Annotated

import typer

from organelle.cli.batch_eval import batch_eval
from organelle.cli.catalog import catalog_app
from organelle.cli.compare import compare
from organelle.cli.demo import demo
from organelle.cli.evaluate import evaluate
from organelle.cli.export import export
from organelle.cli.fetch_data import fetch_data
from organelle.cli.get_counts import get_counts
from organelle.cli.make_datasplit import make_datasplit
from organelle.cli.make_truth import make_truth
from organelle.cli.models import models
from organelle.cli.pack_results import pack_results
from organelle.cli.plan import plan
from organelle.cli.predict import predict
from organelle.cli.process import process
from organelle.cli.simulate import simulate
from organelle.cli.speedtest import speedtest
from organelle.cli.train import train
from organelle.cli.validate import validate
from organelle.cli.visualize import visualize

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

app = typer.Typer(
    name="csc",
    help="Segment organelles in electron microscopy: the CellMap Segmentation Challenge, end to end.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(catalog_app, name="catalog")
app.command("fetch-data")(fetch_data)
app.command("speedtest")(speedtest)
app.command("make-datasplit")(make_datasplit)
app.command("get-counts")(get_counts)
app.command("plan")(plan)
app.command("train")(train)
app.command("predict")(predict)
app.command("process")(process)
app.command("pack-results")(pack_results)
app.command("validate")(validate)
app.command("make-truth")(make_truth)
app.command("evaluate")(evaluate)
app.command("batch-eval")(batch_eval)
app.command("simulate")(simulate)
app.command("compare")(compare)
app.command("models")(models)
app.command("export")(export)
app.command("visualize")(visualize)
app.command("demo")(demo)


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001
) -> None:
    """Options that stand before the command; `main` reads `--debug` itself, wherever it stands."""
    if version:
        from organelle import __version__

        typer.echo(f"organelle {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line.

    An error of the family, or of the system (a full disk, a folder that may not be written), is printed in
    words, and the exit status is 1; `--debug` shows where it came from. Any other error is a fault of ours
    and shows its traceback.
    """
    from organelle.errors import OrganelleError, printable

    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of few letters is no reason to fail
    try:
        app(args=[a for a in arguments if a != "--debug"], prog_name="csc")
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            typer.echo(
                "interrupted: what is finished is kept; type the same command again to go on", err=True
            )
        raise
    except (OrganelleError, OSError) as error:
        if debug:
            raise
        typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
        lines = _told(error).split("\n")  # names from strangers' files must not steer the terminal
        typer.echo("\n".join(printable(line, most=4000) for line in lines), err=True)
        sys.exit(1)


def _told(error: Exception) -> str:
    """The error in words; a full disk does not say of itself what to do."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{error}; make room and type the same command again: what is finished is kept"
    return str(error)
