"""`csc export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import Overwrite, require_separate


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="What training wrote.")],
    onnx: Annotated[Path | None, typer.Option("--onnx", help="Write an ONNX file here.")] = None,
    bioimageio: Annotated[
        Path | None, typer.Option("--bioimageio", help="Write a bioimage.io model package (zip) here.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the package's model.")] = None,
    author: Annotated[
        list[str] | None, typer.Option("--author", help="Who made it, for the package; may be repeated.")
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="SPDX identifier of the package's licence.")
    ] = "CC-BY-4.0",
    overwrite: Overwrite = False,
) -> None:
    """Write a checkpoint in forms that other programs read, compared with torch before they appear."""
    from organelle.errors import SettingsError
    from organelle.models import export_bioimageio, export_onnx

    if onnx is None and bioimageio is None:
        raise SettingsError("nothing was asked for: add --onnx FILE.onnx or --bioimageio FILE.zip")
    require_separate([onnx, bioimageio], [checkpoint])
    if onnx:
        file = export_onnx(checkpoint, onnx, overwrite=overwrite)
        typer.echo(f"{file.path}: {_compared(file.largest_difference, file.allowed)}")
    if bioimageio:
        package = export_bioimageio(
            checkpoint, bioimageio, name=name, authors=author or (), licence=licence, overwrite=overwrite
        )
        compared = _compared(package.largest_difference, package.allowed)
        typer.echo(f"{package.path}: {' and '.join(package.formats)}; {compared}")
        for warning in package.warnings:
            typer.echo(f"  recommended: {warning}")


def _compared(difference: float, allowed: float) -> str:
    return f"logits differ from torch's by at most {difference:.2g} (allowed: {allowed:.2g})"
