"""`csc catalog ...`: what exists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._listing import (
    Classes,
    Coarsest,
    Crops,
    Csv,
    Datasets,
    Finest,
    Json,
    Organisms,
    Out,
    Side,
    crop_filter,
    print_table,
    show,
)
from organelle.cli._options import CatalogFolder, Overwrite, open_catalog
from organelle.cli.catalog_own import import_, inspect, register
from organelle.cli.catalog_refresh import refresh

catalog_app = typer.Typer(no_args_is_help=True, help="What exists: datasets, crops, classes.")


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
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
) -> None:
    """List datasets with the number of their crops.

    Filters choose crops; a dataset is listed if one of its crops fits.
    """
    from organelle.catalog import list_datasets
    from organelle.catalog.display import datasets_table
    from organelle.catalog.listing import DATASET_KEYS

    wanted = crop_filter(dataset, class_, organism, min_voxel_size, max_voxel_size, split, crop)
    found = list_datasets(open_catalog(catalog), wanted)
    rows = [entry.row() for entry in found]
    show("dataset", rows, DATASET_KEYS, datasets_table(found), as_json, as_csv, out, overwrite)


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
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
) -> None:
    """List crops: where they are, how large, and how finely labelled.

    With --crop their classes are named, otherwise counted.
    """
    from organelle.catalog import list_crops
    from organelle.catalog.display import crops_table
    from organelle.catalog.listing import CROP_KEYS, crop_row

    wanted = crop_filter(dataset, class_, organism, min_voxel_size, max_voxel_size, split, crop)
    found = list_crops(open_catalog(catalog), wanted)
    table = crops_table(found, with_classes=crop is not None)
    show("crop", list(map(crop_row, found)), CROP_KEYS, table, as_json, as_csv, out, overwrite)


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
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
) -> None:
    """List classes: what they contain, imply and exclude, and how many crops hold them.

    Other filters than --class choose the crops that are counted, and leave out classes that none holds.
    """
    from organelle.catalog import list_classes
    from organelle.catalog.display import classes_table
    from organelle.catalog.listing import CLASS_KEYS

    wanted = crop_filter(dataset, class_, organism, min_voxel_size, max_voxel_size, split, crop)
    found = list_classes(open_catalog(catalog), wanted)
    rows = [entry.row() for entry in found]
    show("class", rows, CLASS_KEYS, classes_table(found), as_json, as_csv, out, overwrite)


@catalog_app.command("class")
def one_class(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The class, for instance mito.")],
    catalog: CatalogFolder = None,
) -> None:
    """Tell all about one class: members, relations, crops, datasets."""
    from organelle.catalog import describe_class
    from organelle.catalog.display import class_story

    print_table(class_story(describe_class(name, open_catalog(catalog).crops.values())))


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
catalog_app.command("import")(import_)
catalog_app.command("register")(register)
