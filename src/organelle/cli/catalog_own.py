"""`csc catalog inspect`, `import` and `register`: volumes that are not the challenge's."""

from __future__ import annotations

from typing import Annotated

import typer

Place = Annotated[
    str,
    typer.Argument(metavar="PATH_OR_URL", help="Image, array or group; also s3:// and https:// addresses."),
]


def inspect(
    place: Place,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Chunks to read values from; 0: none.")] = 8,
) -> None:
    """Tell what a stored volume is, which stages can use it, and all that is wrong with it.

    Status 1 when it cannot be used.
    """
    import json

    from organelle.volumes.inspect import inspect_image
    from organelle.volumes.inspect_display import inspection_record, inspection_text

    found = inspect_image(place, sampled_chunks=sample)
    if as_json:
        typer.echo(json.dumps(inspection_record(found), indent=1, allow_nan=False))
    else:
        typer.echo(inspection_text(found))
    if not found.is_usable:
        raise typer.Exit(1)
