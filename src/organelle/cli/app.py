"""All commands in one place, and what happens to their errors."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

COMMANDS = (
    "catalog",
    "fetch-data",
    "speedtest",
    "make-datasplit",
    "get-counts",
    "plan",
    "run",
    "train",
    "predict",
    "process",
    "tune",
    "pack-results",
    "validate",
    "submit",
    "make-truth",
    "evaluate",
    "batch-eval",
    "simulate",
    "compare",
    "models",
    "export",
    "visualize",
    "portal",
    "demo",
)
"""In the order of the help. `some-verb` is the function `some_verb` in a module of that name."""

GROUPS = ("catalog", "portal")
"""Commands that have commands of their own."""


def app_of(commands: Iterable[str]) -> typer.Typer:
    """The command line with some of its commands: those that are not asked for cost time to import."""
    made = typer.Typer(
        name="csc",
        help="Segment organelles in electron microscopy: the CellMap Segmentation Challenge, end to end.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    made.callback(invoke_without_command=True)(top)
    for name in commands:
        word = name.replace("-", "_")
        module = import_module(f"organelle.cli.{word}")
        if name in GROUPS:
            made.add_typer(getattr(module, f"{word}_app"), name=name)
        else:
            made.command(name)(getattr(module, word))
    return made


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
        asked = next((word for word in arguments if not word.startswith("-")), "")
        app = app_of([asked] if asked in COMMANDS else COMMANDS)
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
