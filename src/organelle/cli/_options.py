"""Options that several commands share, with one name, one meaning and one default."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.stores import Place

CatalogFolder = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        envvar="CSC_CATALOG",
        help="Folder with datasets.csv, train_crops.csv, test_crops.csv, or 'refreshed'. "
        "Default: the real challenge.",
    ),
]


def _place(text: str | Path) -> Place:
    from organelle.stores import as_place

    return as_place(text)


DataPlace = Annotated[
    Any,  # a Place; typer would try to understand the union
    typer.Option(
        "--data",
        envvar="CSC_DATA",
        parser=_place,
        metavar="FOLDER_OR_URL",
        help="Where the volumes lie in the bucket's layout: a folder, s3://... or https://...; only read.",
    ),
]
DataToShow = Annotated[
    Any,  # a Place, or None
    typer.Option(
        "--data", envvar="CSC_DATA", parser=_place, metavar="FOLDER_OR_URL", help="EM to show in the report."
    ),
]
WorkFolder = Annotated[
    Path, typer.Option("--work", envvar="CSC_WORK", help="Folder that receives all that is made.")
]
CropNames = Annotated[
    str,
    typer.Option("--crops", "-c", help="Crop numbers (1,2,3), dataset names, 'test', 'all' or '*'."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", "-O", help="Replace results that exist.")]
ExperimentFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The experiment's TOML file.")]
TruthPath = Annotated[Path, typer.Option("--truth-path", "-t", help="The ground truth, truth.zarr.")]
InstanceClasses = Annotated[
    str | None, typer.Option("--instance-classes", "-ic", help="Classes to score as objects.")
]
Metric = Annotated[str, typer.Option("--metric", help="Version that comes first: 2026-06, 2026-07, pq.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=0, help="Rows at a time. Default: as cores and memory allow."),
]
MemoryGiB = Annotated[
    float | None, typer.Option("--memory", min=0.1, help="GiB for all rows at a time. Default: what is free.")
]
BlockMinutes = Annotated[
    float | None,
    typer.Option(
        "--block-minutes",
        help="End a worker that is at one block for longer, since it hangs; the block counts as failed. "
        "Default: never.",
    ),
]

DATA = Path("data")
WORK = Path("work")
REFRESHED = Path("refreshed")
"""What `--catalog` is for the tables that `csc catalog refresh` keeps."""


def open_catalog(folder: Path | None) -> Catalog:
    """The catalog in `folder`, the one that `csc catalog refresh` keeps, or the built-in one."""
    if folder == REFRESHED:
        from organelle.catalog.refresh import load_refreshed

        return load_refreshed()
    from organelle.catalog import load_catalog

    return load_catalog(folder)


def gibibytes(memory: float | None) -> int | None:
    """GiB as bytes; None when nothing was given, or more than any machine has."""
    return int(memory * 2**30) if memory is not None and memory < 2**20 else None


def seconds_of(minutes: float | None) -> float | None:
    """Minutes as seconds; None when nothing was given."""
    return None if minutes is None else 60 * minutes


def class_names(text: str | None) -> list[str] | None:
    """Names of classes; None when nothing was given, an error when something was that is no name."""
    from organelle.errors import SettingsError

    found = names(text)
    if found == []:
        raise SettingsError(f"{text!r} names no class; leave the option out, or name classes: mito,nuc")
    return found


def voxel_size(option: str, text: str | None) -> list[float] | None:
    """`"8"` as three equal sizes, `"8,4,4"` as they are, z, y, x in nm; None when nothing was given."""
    from organelle.errors import SettingsError

    if text is None:
        return None
    try:
        sizes = [float(part) for part in names(text) or []]
    except ValueError:
        sizes = []
    if len(sizes) not in (1, 3) or not min(sizes) > 0:
        raise SettingsError(f"{option} {text!r} is not a voxel size; write 8 or 8,4,4 (z, y, x in nm)")
    return sizes * 3 if len(sizes) == 1 else sizes


def require_separate(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Refuse outputs that are folders, stand for another output, or for an input, before work begins."""
    from organelle.errors import OutputExists, SettingsError

    seen = {path.resolve(): "an input" for path in inputs}
    for path in outputs:
        if path is None:
            continue
        if path.is_dir():
            raise OutputExists(f"{path} is a folder; name a file in it")
        place = path.resolve()
        if place in seen:
            raise SettingsError(f"{path} is {seen[place]} of this command, too; choose another name")
        seen[place] = "an output"


def names(text: str | None) -> list[str] | None:
    """`"mito, er"` as a list; None when nothing was given."""
    if text is None:
        return None
    return [part for part in text.replace(",", " ").split() if part]
