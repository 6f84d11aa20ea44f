"""`csc make-datasplit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from organelle.cli._options import DATA, CatalogFolder, DataFolder, Overwrite, names, open_catalog


def make_datasplit(
    classes: Annotated[
        str | None, typer.Option("--classes", "-c", help="Classes, comma-separated. Default: all annotated.")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option("--scale", "-s", help="Coarsest voxel size of labels to take: nm, or z,y,x in nm."),
    ] = None,
    force_all_classes: Annotated[
        bool, typer.Option("--force-all-classes", "-fa", help="Every crop must annotate all classes.")
    ] = False,
    force_all_classes_train: Annotated[
        bool, typer.Option("--force-all-classes-train", "-ft", help="Every training crop must.")
    ] = False,
    force_all_classes_validate: Annotated[
        bool, typer.Option("--force-all-classes-validate", "-fv", help="Every validation crop must.")
    ] = False,
    validate_ratio: Annotated[
        float, typer.Option("--validate-ratio", "-vr", help="Share of the crops to hold out.")
    ] = 0.1,
    datasets: Annotated[
        str | None, typer.Option("--datasets", "-ds", help="Datasets, comma-separated. Default: all.")
    ] = None,
    crops: Annotated[str, typer.Option("--crops", "-cr", help="Crop numbers, or 'all'.")] = "all",
    csv_path: Annotated[Path, typer.Option("--csv-path", help="Table to write.")] = Path("datasplit.csv"),
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same split.")] = 0,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataFolder = DATA,
) -> None:
    """Write the table that says which crops are for training and which are held out.

    Crops that share volume always stand on the same side.
    """
    from organelle.catalog import make_datasplit, write_datasplit

    split = make_datasplit(
        open_catalog(catalog),
        classes=names(classes),
        validate_ratio=validate_ratio,
        seed=seed,
        max_voxel_size_nm=_voxel_size(scale),
        datasets=names(datasets),
        crops=crops,
        force_all_classes=_forced(force_all_classes, force_all_classes_train, force_all_classes_validate),
    )
    write_datasplit(split, data, csv_path, overwrite=overwrite)
    typer.echo(f"{csv_path}: {len(split.train)} crops for training, {len(split.validate)} held out")
    for name, (train, validate) in split.crops_per_class().items():
        typer.echo(f"  {name:<12} {train:>4} {validate:>4}")
    if split.near_test:
        numbers = ", ".join(str(crop.id) for crop in split.near_test)
        typer.echo(f"note: crops {numbers} share volume with test crops")


def _voxel_size(text: str | None) -> list[float] | None:
    """`"8"` as three equal sizes, `"8,4,4"` as they are."""
    from organelle.errors import SettingsError

    try:
        sizes = [float(part) for part in names(text) or []]
    except ValueError:
        sizes = [0.0]
    if text is None:
        return None
    if len(sizes) not in (1, 3) or min(sizes) <= 0:
        raise SettingsError(f"--scale {text!r} is not a voxel size; write 8 or 8,4,4 (z, y, x in nm)")
    return sizes * 3 if len(sizes) == 1 else sizes


def _forced(both: bool, train: bool, validate: bool) -> Literal["both", "train", "validate"] | None:
    if both or (train and validate):
        return "both"
    return "train" if train else "validate" if validate else None
