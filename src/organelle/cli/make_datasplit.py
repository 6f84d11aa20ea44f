"""`csc make-datasplit`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from organelle.cli._options import (
    DATA,
    REFRESHED,
    CatalogFolder,
    DataPlace,
    Overwrite,
    names,
    open_catalog,
    voxel_size,
)

if TYPE_CHECKING:
    from organelle.catalog import Catalog, Datasplit
    from organelle.stores import Place


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
        float | None,
        typer.Option("--validate-ratio", "-vr", help="Share of the crops to hold out. Default: 0.1."),
    ] = None,
    datasets: Annotated[
        str | None, typer.Option("--datasets", "-ds", help="Datasets, comma-separated. Default: all.")
    ] = None,
    crops: Annotated[str, typer.Option("--crops", "-cr", help="Crop numbers, or 'all'.")] = "all",
    csv_path: Annotated[
        Path, typer.Option("--csv-path", help="Table to write; {fold} stands for the number of the fold.")
    ] = Path("datasplit.csv"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same split.")] = 0,
    stratify: Annotated[
        bool,
        typer.Option("--stratify/--no-stratify", help="Bring every class to both sides, where that can be."),
    ] = True,
    hold_out: Annotated[
        list[str] | None,
        typer.Option("--hold-out", metavar="DATASET", help="Hold out all of this dataset; can be repeated."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="Deal the crops into so many folds, one table for each.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", min=0, help="Write only this fold, counted from 0.")
    ] = None,
    from_csv: Annotated[
        Path | None,
        typer.Option("--from-csv", help="Take the split of this table, and write it for the volumes here."),
    ] = None,
    use_s3: Annotated[
        bool, typer.Option("--use-s3", help="Name the volumes in the public bucket, not those below --data.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Do not print what the sides hold, only the notes.")
    ] = False,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataPlace = DATA,
) -> None:
    """Write the table that says which crops are for training and which are held out.

    Crops that share volume always stand on the same side.
    """
    from organelle.catalog import PUBLIC_S3, make_datasplit, make_folds, read_datasplit
    from organelle.cli._listing import named
    from organelle.errors import SettingsError

    known = open_catalog(catalog)
    forced = _forced(force_all_classes, force_all_classes_train, force_all_classes_validate)
    taken: dict[str, Any] = {
        "classes": named("--classes", classes),
        "max_voxel_size_nm": voxel_size("--scale", scale),
        "datasets": named("--datasets", datasets),
        "crops": crops,
        "force_all_classes": forced,
    }
    if forced and classes is None:
        raise SettingsError("-fa, -ft, -fv force all of which classes? Add --classes")
    drawn: dict[str, Any] = {"seed": seed, "stratify": stratify}
    if from_csv is not None:
        chosen = {"--classes": classes, "--scale": scale, "--datasets": datasets, "-fa, -ft, -fv": forced}
        narrowed = {**chosen, "--crops": None if crops == "all" else crops}
        drawing = {
            "--validate-ratio": validate_ratio,
            "--hold-out": hold_out,
            "--folds": folds,
            "--fold": fold,
        }
        _require_absent("--from-csv", {**narrowed, **drawing})
        splits = {0: read_datasplit(from_csv, known)}
    elif folds is not None or fold is not None:
        _require_absent("--folds", {"--validate-ratio": validate_ratio, "--hold-out": hold_out})
        wanted = _wanted_folds(folds, fold, csv_path)
        made = make_folds(known, folds or 0, **taken, **drawn)
        splits = {i: made[i] for i in wanted}
    else:
        away = _held_out(hold_out or [])
        if away:
            _require_absent("--hold-out", {"--validate-ratio": validate_ratio})
        ratio = 0.1 if validate_ratio is None else validate_ratio
        splits = {0: make_datasplit(known, validate_ratio=ratio, hold_out=away, **taken, **drawn)}
    public = tuple(known.datasets) if catalog == REFRESHED else None
    where = PUBLIC_S3 if use_s3 else data
    _write(splits, where, csv_path, public, overwrite=overwrite, quiet=quiet)
    if from_csv is not None:
        _tell_missing(from_csv, known)


def _write(
    splits: dict[int, Datasplit],
    data: Place | str,
    csv_path: Path,
    public: Collection[str] | None,
    *,
    overwrite: bool,
    quiet: bool,
) -> None:
    from organelle.catalog import split_notes, write_datasplit
    from organelle.files import refuse_existing

    paths = {i: Path(str(csv_path).replace("{fold}", str(i))) for i in splits}
    for path in paths.values():
        refuse_existing(path, overwrite=overwrite)
    for i, split in splits.items():
        write_datasplit(split, data, paths[i], overwrite=overwrite, public=public)
        if len(splits) == 1 and not quiet:
            _print_holdings(split)
        typer.echo(f"{paths[i]}: {len(split.train)} crops for training, {len(split.validate)} held out")
        for note in split_notes(split):
            typer.echo(f"note: {note}")


def _print_holdings(split: Datasplit) -> None:
    """Print crops and volume of both sides per class and per dataset."""
    from organelle.catalog import class_holdings, dataset_holdings, holding_of
    from organelle.catalog.display import holdings_table
    from organelle.cli._listing import print_table

    for what, rows in (
        ("class", class_holdings(split)),
        ("dataset", (*dataset_holdings(split), holding_of(split, "all crops"))),
    ):
        print_table(holdings_table(what, rows))
        typer.echo()


def _held_out(given: list[str]) -> list[str]:
    from organelle.errors import SettingsError

    for part in given:
        if not names(part):
            raise SettingsError(f"--hold-out {part!r} names no dataset")
    return [name for part in given for name in names(part) or ()]


def _wanted_folds(folds: int | None, fold: int | None, csv_path: Path) -> list[int]:
    from organelle.errors import SettingsError

    if folds is None:
        raise SettingsError(f"--fold {fold} of how many? Add --folds")
    if fold is not None and fold >= max(folds, 1):
        raise SettingsError(f"--fold {fold} is not one of {folds}; they are counted from 0")
    if fold is None and "{fold}" not in str(csv_path):
        raise SettingsError(
            "each fold needs a table of its own: add --csv-path split_{fold}.csv, or --fold 0"
        )
    return list(range(folds)) if fold is None else [fold]


def _require_absent(option: str, others: dict[str, object]) -> None:
    from organelle.errors import SettingsError

    given = [name for name, value in others.items() if value is not None and value != []]
    if given:
        raise SettingsError(f"{option} leaves nothing to choose for {', '.join(given)}; keep one of them")


def _tell_missing(path: Path, catalog: Catalog) -> None:
    """Say that stores are gone, which harms nobody: rows are understood by crop number and classes."""
    from organelle.catalog import missing_stores

    gone = missing_stores(path, catalog)
    for store, lines in [*gone.items()][:5]:
        typer.echo(f"note: {store} does not exist here ({path}, {_lines(lines)})")
    if len(gone) > 5:
        typer.echo(f"note: nor do {len(gone) - 5} other stores of this table")
    if gone:
        typer.echo("note: crops and classes were taken over; volumes are looked for below --data")


def _lines(numbers: tuple[int, ...], most: int = 8) -> str:
    told = ", ".join(map(str, numbers[:most]))
    return f"line{'s' if len(numbers) > 1 else ''} {told}{' ...' if len(numbers) > most else ''}"


def _forced(both: bool, train: bool, validate: bool) -> Literal["both", "train", "validate"] | None:
    if both or (train and validate):
        return "both"
    return "train" if train else "validate" if validate else None
