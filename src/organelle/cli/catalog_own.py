"""`csc catalog inspect`, `import` and `register`: volumes that are not the challenge's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from organelle.cli._options import DATA, Overwrite, class_names, names, voxel_size

if TYPE_CHECKING:
    from organelle.geometry import Box, Extent

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


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="TIFF file, folder of TIFF slices, MRC, HDF5, N5, or zarr of other axes."
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The image that will stand there.")],
    voxel_size_nm: Annotated[
        str | None,
        typer.Option("--voxel-size", help="z,y,x in nm, or one number. Default: as the file says."),
    ] = None,
    offset: Annotated[
        str | None, typer.Option("--offset", help="Centre of the first voxel, z,y,x in nm. Default: 0,0,0.")
    ] = None,
    array: Annotated[
        str | None, typer.Option("--array", help="Which array of HDF5, N5 or zarr; which series of TIFF.")
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Values are labels or ids: never mix them in coarser levels.")
    ] = False,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Type to store; every value must fit. Default: the file's.")
    ] = None,
    to_uint8: Annotated[
        str | None,
        typer.Option("--to-uint8", help="LOW,HIGH: the values that become 0 and 255; auto: measure them."),
    ] = None,
    chunks: Annotated[str, typer.Option("--chunks", help="Shape of the stored chunks, z,y,x.")] = "64,64,64",
    levels: Annotated[
        int | None, typer.Option("--levels", min=1, max=16, help="Default: until no axis exceeds 256 voxels.")
    ] = None,
    memory: Annotated[int, typer.Option("--memory", min=1, help="MiB for voxels under way.")] = 256,
    repeat_missing: Annotated[
        bool, typer.Option("--repeat-missing", help="Fill missing slices with the slice before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Turn a TIFF, MRC, HDF5 or N5 volume into OME-NGFF with a pyramid.

    Memory is bounded, whatever the size. A call that was cut off goes on when it is typed again.
    """
    from organelle.convert import ImportSettings, import_volume, plan_import
    from organelle.convert.display import plan_text

    settings = ImportSettings(
        voxel_size_nm=_sizes("--voxel-size", voxel_size_nm),
        offset_nm=_numbers("--offset", offset),
        array=array,
        labels=labels,
        dtype=dtype,
        to_uint8=_window(to_uint8),
        chunks=_counts("--chunks", chunks),
        levels=levels,
        memory_bytes=memory * 2**20,
        repeat_missing=repeat_missing,
    )
    plan = plan_import(source, output, settings, overwrite=overwrite)
    typer.echo(plan_text(plan))
    if not dry_run:
        report = import_volume(plan, overwrite=overwrite)
        went_on = (
            f" ({report.kept} of {report.kept + report.steps} steps were done before)" if report.kept else ""
        )
        typer.echo(f"wrote {report.path}{went_on}")


def register(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the dataset.")],
    place: Place,
    catalog: Annotated[
        Path, typer.Option("--catalog", envvar="CSC_CATALOG", help="Folder of the tables; made if need be.")
    ],
    data: Annotated[
        Path, typer.Option("--data", envvar="CSC_DATA", help="Data folder, which receives a link to the EM.")
    ] = DATA,
    crop: Annotated[
        list[str] | None,
        typer.Option(
            "--crop",
            help="Box to predict: START:STOP of z,y,x in EM voxels, or in nm with nm behind it; "
            "can be repeated. Default: the whole volume.",
        ),
    ] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="What to predict. Default: all scored classes.")
    ] = None,
    voxel_size_nm: Annotated[
        str | None, typer.Option("--voxel-size", help="Of the crops, z,y,x in nm. Default: the EM's finest.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Folder with an image per class, named like it: a training crop."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "-O", help="Give a known dataset this EM and these crops instead.")
    ] = False,
) -> None:
    """Make your own EM a dataset of a folder catalog, with crops to predict.

    The EM stays where it is; the same call twice changes nothing.
    """
    from organelle.catalog.register import one_line
    from organelle.catalog.register import register as register_em

    done = register_em(
        name,
        place,
        catalog=catalog,
        data=data,
        boxes=[_box(text) for text in crop or []],
        classes=class_names(classes),
        voxel_size_nm=_sizes("--voxel-size", voxel_size_nm),
        labels=labels,
        overwrite=overwrite,
    )
    typer.echo(
        f"{done.dataset.name}: EM at {done.em}, crops added: {len(done.added)}, kept: {len(done.kept)}"
    )
    for one in (*done.kept, *done.added):
        typer.echo(one_line(one))
    for note in done.notes:
        typer.echo(f"note: {note}")


def _box(text: str) -> Box | Extent:
    """`"0:64,0:128,32:96"` in voxels, `"0:512,0:1024,256:768nm"` in nm."""
    from organelle.errors import SettingsError
    from organelle.geometry import Box, Extent

    bare = text.strip().removesuffix("nm")
    try:
        pairs = [part.split(":") for part in names(bare) or []]
        ends = [[float(end) for end in pair] for pair in pairs]
        (az, bz), (ay, by), (ax, bx) = ends
    except ValueError:
        ends = []
    in_nm = bare != text.strip()
    whole = in_nm or all(end.is_integer() for pair in ends for end in pair)
    if not ends or not whole or any(not a < b for a, b in ends):
        raise SettingsError(
            f"--crop {text!r} is no box; write 0:64,0:128,32:96 (z,y,x in voxels), or ...:768nm"
        )
    if in_nm:
        return Extent((az, ay, ax), (bz - az, by - ay, bx - ax))
    return Box.between([int(a) for a, _ in ends], [int(b) for _, b in ends])


def _sizes(option: str, text: str | None) -> tuple[float, float, float] | None:
    sizes = voxel_size(option, text)
    return None if sizes is None else (sizes[0], sizes[1], sizes[2])


def _numbers(option: str, text: str | None) -> tuple[float, float, float] | None:
    """`"0,-4,8"` as three numbers; None when nothing was given."""
    from organelle.errors import SettingsError

    if text is None:
        return None
    try:
        z, y, x = (float(part) for part in names(text) or [])
    except ValueError:
        raise SettingsError(f"{option} {text!r} is not three numbers; write 0,0,0 (z, y, x in nm)") from None
    return z, y, x


def _counts(option: str, text: str) -> tuple[int, int, int]:
    """`"64"` as three equal counts, `"1,512,512"` as they are."""
    from organelle.errors import SettingsError

    parts = names(text) or []
    if len(parts) not in (1, 3) or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise SettingsError(f"{option} {text!r} is not a shape; write 64 or 64,64,64 (z, y, x)")
    z, y, x = (int(part) for part in (parts * 3 if len(parts) == 1 else parts))
    return z, y, x


def _window(text: str | None) -> tuple[float, float] | Literal["auto"] | None:
    """`"100,40000"` as two numbers, or `auto`."""
    from organelle.errors import SettingsError

    if text is None:
        return None
    if text.strip() == "auto":
        return "auto"
    try:
        low, high = (float(part) for part in names(text) or [])
    except ValueError:
        raise SettingsError(f"--to-uint8 {text!r} is not two values; write LOW,HIGH or auto") from None
    return low, high
