"""`csc simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from organelle.cli._options import CatalogFolder, Overwrite, TruthPath, open_catalog


def simulate(
    truth_path: TruthPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="The zip to write.")],
    missing: Annotated[
        float | None, typer.Option("--missing", help="Share of objects that are not there. Default: 0.1.")
    ] = None,
    split: Annotated[
        float | None, typer.Option("--split", help="Share of objects cut in two. Default: 0.1.")
    ] = None,
    merged: Annotated[
        float | None,
        typer.Option("--merged", help="Share of objects joined with their nearest neighbour. Default: 0.1."),
    ] = None,
    shifted: Annotated[
        float | None, typer.Option("--shifted", help="Share of objects that lie elsewhere. Default: 0.2.")
    ] = None,
    shift_voxels: Annotated[
        int | None, typer.Option("--shift-voxels", help="How far these are shifted. Default: 2.")
    ] = None,
    eroded: Annotated[
        float | None,
        typer.Option("--eroded", help="Share of objects without their outermost voxels. Default: 0.1."),
    ] = None,
    invented: Annotated[
        float | None,
        typer.Option("--invented", help="Small balls, as share of the number of objects. Default: 0.05."),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option("--noise", help="Share of voxels of semantic classes that are flipped. Default: 0.001."),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Errors that are not named on this line are 0.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same submission.")] = 0,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
) -> None:
    """Make a submission of the truth with chosen errors, and foretell what the score will count."""
    from rich.console import Console

    from organelle.evaluate import SimulatedErrors, simulate

    options: dict[str, Any] = {
        "missing": missing,
        "split": split,
        "merged": merged,
        "shifted": shifted,
        "shift_voxels": shift_voxels,
        "eroded": eroded,
        "invented": invented,
        "noise": noise,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    errors = SimulatedErrors.only(**chosen) if only else SimulatedErrors(**chosen)
    report = simulate(truth_path, open_catalog(catalog), out, errors, seed=seed, overwrite=overwrite)
    Console().print(report)
