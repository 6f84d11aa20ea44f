"""`csc get-counts`."""

from __future__ import annotations

from typing import Annotated

import typer

from organelle.cli._listing import (
    Coarsest,
    Crops,
    Csv,
    Datasets,
    Finest,
    Json,
    Organisms,
    Out,
    crop_filter,
    show,
)
from organelle.cli._options import CatalogFolder, Overwrite, class_names, open_catalog


def get_counts(
    classes: Annotated[
        str | None,
        typer.Option("--classes", "--class", "-c", help="Classes, comma-separated. Default: all scored."),
    ] = None,
    dataset: Datasets = None,
    organism: Organisms = None,
    min_voxel_size: Finest = None,
    max_voxel_size: Coarsest = None,
    crop: Crops = None,
    as_json: Json = False,
    as_csv: Csv = False,
    out: Out = None,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
) -> None:
    """Count the training crops in which each class is annotated, per dataset.

    The filters, those of "csc catalog", choose the crops that are counted.
    """
    from organelle.catalog import count_annotations
    from organelle.catalog.display import counts_table

    wanted = crop_filter(dataset, None, organism, min_voxel_size, max_voxel_size, "train", crop)
    counts = count_annotations(open_catalog(catalog), class_names(classes), wanted)
    show("class", counts.rows(), counts.keys, counts_table(counts), as_json, as_csv, out, overwrite)
