"""`csc speedtest`."""

from __future__ import annotations

from typing import Annotated

import typer

from organelle.cli._options import CatalogFolder, open_catalog


def speedtest(
    source: Annotated[
        str | None, typer.Argument(help="Root of a bucket, as for fetch-data, or one object.")
    ] = None,
    crops: Annotated[str, typer.Option("--crops", "-c", help="What is read: crops or 'test'.")] = "test",
    seconds: Annotated[float, typer.Option("--seconds", help="Stop after this time.")] = 10.0,
    workers: Annotated[
        int, typer.Option("--workers", "--num-workers", "-w", min=1, help="The most requests at one time.")
    ] = 16,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="URL of an S3 server that is not Amazon's.")
    ] = None,
    region: Annotated[str, typer.Option("--region", help="The bucket's region.")] = "us-east-1",
    catalog: CatalogFolder = None,
) -> None:
    """Measure how fast data arrives here; nothing is kept."""
    from organelle.catalog import PUBLIC_S3
    from organelle.fetch import open_source
    from organelle.fetch import speedtest as measure

    bucket = open_source(source or PUBLIC_S3, endpoint=endpoint, region=region, workers=workers)
    speed = measure(bucket, open_catalog(catalog), crops, seconds=seconds)
    typer.echo(
        f"{bucket.url}: {speed.megabytes_per_s:.1f} MB/s with {workers} requests at once "
        f"({speed.objects} requests, {speed.bytes / 1e6:.1f} MB, {speed.seconds:.1f} s; "
        f"median {1000 * speed.median_s:.0f} ms each)"
    )
