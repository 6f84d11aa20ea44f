"""`csc fetch-data`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from organelle.cli._options import DATA, CatalogFolder, class_names, open_catalog

if TYPE_CHECKING:
    from organelle.fetch import ArchivePlan, CropBound, FetchPlan


def fetch_data(
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            help="Root of the bucket: folder, file://, http(s):// or s3:// URL. Default: the public one.",
        ),
    ] = None,
    crops: Annotated[
        str, typer.Option("--crops", "-c", help="Crop numbers (1,2,3), dataset names, 'test', 'all' or '*'.")
    ] = "all",
    destination: Annotated[
        Path, typer.Option("--dest", "-d", help="Folder that receives the volumes.")
    ] = DATA,
    raw_padding: Annotated[
        str, typer.Option("--raw-padding", "-p", help="EM around each crop, in voxels (64) or nm (500nm).")
    ] = "0",
    access_mode: Annotated[
        Literal["append", "overwrite"],
        typer.Option("--access-mode", "-m", help="Keep files that are there, or copy them again."),
    ] = "append",
    fetch_all_em_resolutions: Annotated[
        bool,
        typer.Option("--fetch-all-em-resolutions", "-all-res", help="Also EM that is finer than the labels."),
    ] = False,
    classes: Annotated[
        str | None, typer.Option("--classes", help="Only the labels of these classes.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "--num-workers", "-w", min=1, help="The most requests at one time.")
    ] = 16,
    use_zip: Annotated[
        bool, typer.Option("--zip", help="All crops at once, from the bucket's prepared archive.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read what is there, and fetch again what is damaged.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="With --dry-run: bounds from the tables; nothing is asked.")
    ] = False,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="URL of an S3 server that is not Amazon's.")
    ] = None,
    region: Annotated[str, typer.Option("--region", help="The bucket's region.")] = "us-east-1",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds after which a request is made again.")
    ] = 60.0,
    catalog: CatalogFolder = None,
) -> None:
    """Copy crops: their labels, and the EM around them."""
    from organelle.catalog import PUBLIC_S3
    from organelle.errors import SettingsError
    from organelle.fetch import bound_fetch, open_source, plan_archive, plan_fetch, read_padding, transfer

    wanted, padding = class_names(classes), read_padding(raw_padding)
    if offline:
        if not dry_run or use_zip:
            raise SettingsError("--offline only tells bounds; type it with --dry-run, and without --zip")
        _show_bounds(
            bound_fetch(
                open_catalog(catalog),
                crops,
                padding_voxels=padding.voxels,
                padding_nm=padding.nm,
                all_resolutions=fetch_all_em_resolutions,
                classes=wanted,
            )
        )
        return
    bucket = open_source(
        source or PUBLIC_S3, endpoint=endpoint, region=region, workers=workers, timeout_s=timeout
    )
    plan: FetchPlan | ArchivePlan
    if use_zip:
        if crops not in ("all", "*") or wanted:
            raise SettingsError("an archive holds all crops and classes; leave out --crops and --classes")
        plan = plan_archive(bucket, padding=padding, all_resolutions=fetch_all_em_resolutions)
        _show_archive(plan)
    else:
        plan = plan_fetch(
            bucket,
            open_catalog(catalog),
            crops,
            padding_voxels=padding.voxels,
            padding_nm=padding.nm,
            all_resolutions=fetch_all_em_resolutions,
            classes=wanted,
        )
        _show(plan, wanted)
    if not dry_run:
        report = transfer(plan, destination, access_mode=access_mode, verify=verify)
        typer.echo(
            f"{destination}: {report.moved} files copied ({_amount(report.moved_bytes)}), "
            f"{report.skipped} were there"
        )


def _show_archive(plan: ArchivePlan) -> None:
    """Print the size of an archive, packed and unpacked."""
    typer.echo(
        f"{plan.origin}: {_amount(plan.entry.bytes)} with {len(plan.members)} files, "
        f"{_amount(plan.unpacked_bytes)} unpacked"
    )
    if plan.foreign:
        typer.echo(f"{plan.foreign} other files in it are left out")


def _show(plan: FetchPlan, wanted: Sequence[str] | None) -> None:
    """Print the table of crops, the total, and what the source does not have."""
    from rich.console import Console
    from rich.table import Table

    table = Table("crop", "dataset", "EM files", "label files", "MB")
    for part in plan.crops:
        size = sum(o.bytes for o in (*part.em, *part.labels)) / 1e6
        table.add_row(
            str(part.crop.id), part.crop.dataset, str(len(part.em)), str(len(part.labels)), f"{size:.1f}"
        )
    Console().print(table)
    typer.echo(f"{len(plan.objects)} files, {_amount(plan.bytes)}")
    known = {name for part in plan.crops for name in part.crop.classes}
    if unknown := [name for name in wanted or () if name not in known]:
        typer.echo(f"{', '.join(unknown)}: not annotated in any of these crops")
    if plan.absent:
        typer.echo(f"{len(plan.absent)} EM chunks are not in the source; they stay unknown, not black")
    if cut := [str(part.crop.id) for part in plan.crops if part.is_cut]:
        typer.echo(f"the EM ends inside the padding of crop {', '.join(cut)}; what there is was taken")


def _show_bounds(bounds: Sequence[CropBound]) -> None:
    """Print the most that each crop can be, the total, and what was assumed."""
    from rich.console import Console
    from rich.table import Table

    from organelle.fetch.bounds import EM_CHUNKS, LABEL_CHUNKS

    table = Table("crop", "dataset", "EM, at most MB", "labels, at most MB")
    for bound in bounds:
        sizes = [f"{n / 1e6:.1f}" for n in (bound.em_bytes, bound.label_bytes)]
        table.add_row(str(bound.crop.id), bound.crop.dataset, *sizes)
    Console().print(table)
    em, labels = sum(b.em_bytes for b in bounds) / 1e9, sum(b.label_bytes for b in bounds) / 1e9
    typer.echo(f"at most {em:.2f} GB of EM and {labels:.2f} GB of labels, before compression")
    typer.echo(
        "These are bounds from the built-in tables; no server was asked. Assumed: EM in chunks of "
        f"{' x '.join(map(str, EM_CHUNKS))} voxels, 1 byte each; labels in chunks of "
        f"{' x '.join(map(str, LABEL_CHUNKS))} voxels, 1 byte each, or 4 where objects are counted. Stored "
        "labels are mostly far smaller; --dry-run without --offline asks the source for the sizes."
    )


def _amount(count: int) -> str:
    """A number of bytes as people say it."""
    unit, name = next(((u, n) for u, n in ((10**9, "GB"), (10**6, "MB")) if count >= u), (1000, "kB"))
    return f"{count / unit:.1f} {name}"
