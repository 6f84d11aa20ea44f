"""`csc demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    work: Annotated[
        Path, typer.Option("--work", envvar="CSC_WORK", help="Folder that receives all that is made.")
    ] = Path("demo"),
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="A mini challenge (tables, bucket/, truth.zarr); default: a synthetic cell."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tiny synthetic cell and a few steps, to see that all works.")
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, help="Steps of training; default: 500 on a synthetic cell, 1000 on real data."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the cell and of training.")] = 0,
) -> None:
    """Walk the whole path: train, predict, process, pack, evaluate; ends with a score table and a report."""
    from organelle.demo import demo

    demo(work, challenge=data, quick=quick, steps=steps, seed=seed)
