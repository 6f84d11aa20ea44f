"""What all lists of the catalog share: filters, and forms of output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from organelle.cli._options import names, voxel_size

if TYPE_CHECKING:
    from organelle.catalog import CropFilter
    from organelle.catalog.listing import Row
    from organelle.catalog.terminal import TextTable

Datasets = Annotated[str | None, typer.Option("--dataset", "-ds", help="Datasets, comma-separated.")]
Classes = Annotated[str | None, typer.Option("--class", "-c", help="Any of these classes, comma-separated.")]
Organisms = Annotated[
    str | None, typer.Option("--organism", help="Organisms, comma-separated; one word of a name will do.")
]
Finest = Annotated[
    str | None, typer.Option("--min-voxel-size", help="No axis of the labels is finer: nm, or z,y,x in nm.")
]
Coarsest = Annotated[
    str | None, typer.Option("--max-voxel-size", help="No axis of the labels is coarser: nm, or z,y,x in nm.")
]
Side = Annotated[Literal["train", "test", "all"], typer.Option("--split", help="Which crops.")]
Crops = Annotated[
    str | None, typer.Option("--crop", help="Crop numbers (1,2,3), dataset names, 'test' or 'train'.")
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON list.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print a CSV table.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write a file instead: JSON if it ends in .json or with --json, else CSV."),
]


def crop_filter(
    dataset: str | None,
    class_: str | None,
    organism: str | None,
    finest: str | None,
    coarsest: str | None,
    split: Literal["train", "test", "all"],
    crop: str | None,
) -> CropFilter:
    """The filter that was typed; an option that names nothing is an error."""
    from organelle.catalog import CropFilter

    organisms = named("--organism", organism, by_blanks=False)
    sizes = (voxel_size("--min-voxel-size", finest), voxel_size("--max-voxel-size", coarsest))
    return CropFilter(named("--dataset", dataset), named("--class", class_), organisms, *sizes, split, crop)


def named(option: str, text: str | None, *, by_blanks: bool = True) -> list[str] | None:
    """The names after an option, separated by commas and, if so, by blanks.

    None when the option was not given, an error when it names nothing.
    """
    from organelle.errors import SettingsError

    if text is None:
        return None
    found = names(text) if by_blanks else [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise SettingsError(f"{option} names nothing; leave it out, or name something after it")
    return found


def show(
    what: str,
    rows: Sequence[Row],
    keys: Sequence[str],
    table: TextTable,
    as_json: bool,
    as_csv: bool,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Print or write the rows in the form that was asked for; say so in words when there are none."""
    from organelle.catalog import export
    from organelle.errors import SettingsError

    if as_json and as_csv:
        raise SettingsError("--json and --csv exclude each other; choose one")
    json_file = out is not None and out.suffix.lower() == ".json" and not as_csv
    if out is None and not as_json and not as_csv:
        if rows:
            print_table(table)
    else:
        text = export.as_json(rows) if as_json or json_file else export.as_csv(rows, keys)
        _write(text, out, overwrite)
    if not rows:
        typer.echo(f"no {what} fits all that was asked for; leave out or widen a filter", err=True)


def print_table(table: TextTable) -> None:
    """Print `table` as wide as the terminal."""
    from organelle.catalog.terminal import terminal_width

    typer.echo("\n".join(table.lines(terminal_width())))


def _write(text: str, out: Path | None, overwrite: bool) -> None:
    from organelle.files import whole

    if out is None:
        typer.echo(text, nl=False)
        return
    with whole(out, overwrite=overwrite) as part:
        part.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {out}")
