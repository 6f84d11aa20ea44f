"""`csc evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from organelle.cli._options import (
    WORK,
    CatalogFolder,
    DataToShow,
    InstanceClasses,
    MemoryGiB,
    Metric,
    Overwrite,
    TruthPath,
    Workers,
    WorkFolder,
    class_names,
    gibibytes,
    open_catalog,
    require_separate,
)


def evaluate(
    submission_path: Annotated[
        Path, typer.Option("--submission-path", "-s", help="The zip or folder that was handed in.")
    ],
    truth_path: TruthPath,
    result_file: Annotated[
        Path | None,
        typer.Option("--result-file", "-r", help="JSON to write; NAME_extended.json appears beside it."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="HTML page for organisers; NAME_faults.json appears beside it."),
    ] = None,
    public_report: Annotated[
        Path | None,
        typer.Option("--public-report", help="HTML page for participants, which betrays no truth."),
    ] = None,
    serve_url: Annotated[
        str | None,
        typer.Option("--serve-url", help="Server of data/, truth/ and submission/ for Neuroglancer links."),
    ] = None,
    instance_classes: InstanceClasses = None,
    metric: Metric = "2026-06",
    workers: Workers = None,
    memory: MemoryGiB = None,
    overwrite: Overwrite = False,
    work: WorkFolder = WORK,
    catalog: CatalogFolder = None,
    data: DataToShow = None,
) -> None:
    """Score a submission against the ground truth."""
    from organelle.errors import SettingsError
    from organelle.evaluate import (
        evaluate,
        extended_path,
        faults_path,
        print_result,
        write_public_report,
        write_report,
        write_result,
    )
    from organelle.files import refuse_existing

    require_separate((result_file, report, public_report), (submission_path, truth_path))
    beside = (result_file and extended_path(result_file), report and faults_path(report))
    outputs = (result_file, report, public_report, *beside)
    require_separate(outputs, (submission_path, truth_path))
    for path in outputs:
        if path:
            refuse_existing(path, overwrite=overwrite)
    if serve_url and not serve_url.startswith(("http://", "https://")):
        raise SettingsError(
            f"--serve-url {serve_url} is no address of a web server; it begins with http or https"
        )
    crops = open_catalog(catalog)
    result = evaluate(
        submission_path,
        truth_path,
        crops,
        instance_classes=class_names(instance_classes),
        metric=metric,
        work=work,
        workers=workers,
        memory_bytes=gibibytes(memory),
    )
    if result_file:
        write_result(result, result_file, overwrite=overwrite)
    if report:
        write_report(
            result,
            report,
            catalog=crops,
            data=data,
            truth=truth_path,
            submission=submission_path,
            serve_url=serve_url,
            workers=workers,
            memory_bytes=gibibytes(memory),
            overwrite=overwrite,
        )
    if public_report:
        write_public_report(result, public_report, overwrite=overwrite)
    print_result(result)
