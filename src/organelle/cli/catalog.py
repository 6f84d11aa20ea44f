"""`csc catalog ...`: what exists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from organelle.cli._options import CatalogFolder, Overwrite, names, open_catalog, voxel_size
from organelle.cli.catalog_own import inspect
from organelle.cli.catalog_refresh import refresh

if TYPE_CHECKING:
    from rich.table import Table

    from organelle.catalog import CropFilter
    from organelle.catalog.listing import Row

catalog_app = typer.Typer(no_args_is_help=True, help="What exists: datasets, crops, classes.")

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


@catalog_app.command("datasets")
def datasets(
    dataset: Datasets = None,
    class_: Classes = None,
    organism: Organisms = None,
    min_voxel_size: Finest = None,
    max_voxel_size: Coarsest = None,
    split: Side = "all",
    crop: Crops = None,
    as_json: Json = False,
    as_csv: Csv = False,
    out: Out = None,
    catalog: CatalogFolder = None,
) -> None:
    """List datasets with the number of their crops.

    Filters choose crops; a dataset is listed if one of its crops fits.
    """
    from organelle.catalog import list_datasets
    from organelle.catalog.display import datasets_table
    from organelle.catalog.listing import DATASET_KEYS

    wanted = _filter(dataset, class_, organism, min_voxel_size, max_voxel_size, split, crop)
    found = list_datasets(open_catalog(catalog), wanted)
    _show("dataset", [e.row() for e in found], DATASET_KEYS, datasets_table(found), as_json, as_csv, out)


@catalog_app.command("crops")
def crops(
    dataset: Datasets = None,
    class_: Classes = None,
    organism: Organisms = None,
    min_voxel_size: Finest = None,
    max_voxel_size: Coarsest = None,
    split: Side = "all",
    crop: Crops = None,
    as_json: Json = False,
    as_csv: Csv = False,
    out: Out = None,
    catalog: CatalogFolder = None,
) -> None:
    """List crops: where they are, how large, and how finely labelled.

    With --crop their classes are named, otherwise counted.
    """
    from organelle.catalog import list_crops
    from organelle.catalog.display import crops_table
    from organelle.catalog.listing import CROP_KEYS, crop_row

    wanted = _filter(dataset, class_, organism, min_voxel_size, max_voxel_size, split, crop)
    found = list_crops(open_catalog(catalog), wanted)
    table = crops_table(found, with_classes=crop is not None)
    _show("crop", list(map(crop_row, found)), CROP_KEYS, table, as_json, as_csv, out)


@catalog_app.command("classes")
def classes(
    dataset: Datasets = None,
    class_: Classes = None,
    organism: Organisms = None,
    min_voxel_size: Finest = None,
    max_voxel_size: Coarsest = None,
    split: Side = "all",
    crop: Crops = None,
    as_json: Json = False,
    as_csv: Csv = False,
    out: Out = None,
    catalog: CatalogFolder = None,
) -> None:
    """List classes: what they contain, imply and exclude, and how many crops hold them.

    Other filters than --class choose the crops that are counted, and leave out classes that none holds.
    """
    from organelle.catalog import list_classes
    from organelle.catalog.display import classes_table
    from organelle.catalog.listing import CLASS_KEYS

    wanted = _filter(dataset, class_, organism, min_voxel_size, max_voxel_size, split, crop)
    found = list_classes(open_catalog(catalog), wanted)
    _show("class", [e.row() for e in found], CLASS_KEYS, classes_table(found), as_json, as_csv, out)


@catalog_app.command("class")
def one_class(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The class, for instance mito.")],
    catalog: CatalogFolder = None,
) -> None:
    """Tell all about one class: members, relations, crops, datasets."""
    from organelle.catalog import describe_class
    from organelle.catalog.display import class_story

    _print(class_story(describe_class(name, open_catalog(catalog).crops.values())))


@catalog_app.command("figures")
def figures(
    out: Annotated[Path, typer.Option("--out", help="Folder that receives the figures.")],
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
) -> None:
    """Draw what is annotated where, voxel sizes and crop sizes, as PNG and SVG."""
    from organelle.catalog.figures import draw_figures

    for file in draw_figures(open_catalog(catalog), out, overwrite=overwrite):
        typer.echo(file)


catalog_app.command("refresh")(refresh)
catalog_app.command("inspect")(inspect)


def _filter(
    dataset: str | None,
    class_: str | None,
    organism: str | None,
    finest: str | None,
    coarsest: str | None,
    split: Literal["train", "test", "all"],
    crop: str | None,
) -> CropFilter:
    from organelle.catalog import CropFilter

    organisms = None if organism is None else [part.strip() for part in organism.split(",")]
    sizes = (voxel_size("--min-voxel-size", finest), voxel_size("--max-voxel-size", coarsest))
    return CropFilter(names(dataset), names(class_), organisms, *sizes, split, crop)


def _show(
    what: str,
    rows: list[Row],
    keys: Sequence[str],
    table: Table,
    as_json: bool,
    as_csv: bool,
    out: Path | None,
) -> None:
    """Print or write the rows in the form that was asked for; say so in words when there are none."""
    from organelle.catalog import export
    from organelle.errors import SettingsError

    if as_json and as_csv:
        raise SettingsError("--json and --csv exclude each other; choose one")
    json_file = out is not None and out.suffix.lower() == ".json" and not as_csv
    if out is None and not as_json and not as_csv:
        if rows:
            _print(table)
    else:
        text = export.as_json(rows) if as_json or json_file else export.as_csv(rows, keys)
        _write(text, out)
    if not rows:
        typer.echo(f"no {what} fits all that was asked for; leave out or widen a filter", err=True)


def _write(text: str, out: Path | None) -> None:
    from organelle.files import whole

    if out is None:
        typer.echo(text, nl=False)
        return
    with whole(out) as part:
        part.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {out}")


def _print(table: Table) -> None:
    """Print `table`, as wide as it needs to be where no terminal sets a width."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 200))
    console.print(table)
