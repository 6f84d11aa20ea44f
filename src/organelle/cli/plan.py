"""`csc plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from organelle.cli._options import DATA, CatalogFolder, DataPlace, Overwrite, gibibytes, names, open_catalog

if TYPE_CHECKING:
    from organelle.plan import PlanReport, Proposal


def plan(
    classes: Annotated[str, typer.Option("--classes", "-c", help="Classes to learn, comma-separated.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the experiment files.")],
    datasets: Annotated[
        str | None, typer.Option("--datasets", "-ds", help="Datasets to learn from. Default: all.")
    ] = None,
    crops: Annotated[
        str | None,
        typer.Option("--crops", "-cr", help="Crops to learn from. Default: all whose labels are in --data."),
    ] = None,
    minutes: Annotated[float, typer.Option("--minutes", help="Minutes that each training may take.")] = 60.0,
    memory: Annotated[
        float | None,
        typer.Option(
            "--memory", min=0.1, help="GiB that a training may take. Default: most of what is free."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", "--no-measure", help="Estimate time and memory; take no steps.")
    ] = False,
    overwrite: Overwrite = False,
    catalog: CatalogFolder = None,
    data: DataPlace = DATA,
) -> None:
    """Propose experiments: look at the crops of the classes, try a few steps here, write TOML files."""
    from organelle.cli._options import class_names
    from organelle.plan import plan as propose

    report = propose(
        open_catalog(catalog),
        class_names(classes) or [],
        data=data,
        output=out,
        datasets=names(datasets),
        crops=names(crops),
        minutes=minutes,
        memory_bytes=gibibytes(memory),
        measured=not quick,
        overwrite=overwrite,
    )
    _show(report)
    for note in report.notes:
        typer.echo(note, err=True)
    for proposal in report.proposals:
        typer.echo(f"csc train {report.file(proposal)}")


def _show(report: PlanReport) -> None:
    from organelle.catalog.terminal import Column, TextTable
    from organelle.cli._listing import print_table

    heads = ("voxels nm", "network", "patch", "batch", "steps", "s/step", "GiB")
    columns = (Column("experiment"), *(Column(head, right=head != "network") for head in heads))
    figures = "measured" if all(p.measured for p in report.proposals) else "estimated"
    caption = f"Seconds and GiB are {figures} with {_hardware(report)}."
    rows = [_row(proposal) for proposal in report.proposals]
    about = (
        Column("experiment"),
        Column("class"),
        *(Column(h, right=True) for h in ("thick nm", "share", "crops")),
    )
    classes = [
        (p.name, c.name, f"{c.thickness_nm:.0f}", f"{c.share:.2%}", str(c.crops))
        for p in report.proposals
        for c in p.group.classes
    ]
    print_table(TextTable(about, classes))
    typer.echo()
    print_table(TextTable((*columns,), rows, caption))


def _row(plan: Proposal) -> tuple[str, ...]:
    sizes = plan.group.voxel_size_nm
    return (
        plan.name,
        " ".join(f"{v:g}" for v in sizes),
        f"{plan.choice.network}, {plan.choice.width}",
        " ".join(map(str, plan.choice.patch_shape)),
        str(plan.choice.batch),
        str(plan.steps),
        f"{plan.step_seconds:.2g}",
        f"{plan.memory_bytes / 2**30:.1f}",
    )


def _hardware(report: PlanReport) -> str:
    machine = report.machine
    what = "one GPU" if machine.gpus else f"{machine.cores} core{'s' if machine.cores > 1 else ''}"
    return f"{what} and {machine.memory_bytes / 2**30:.1f} GiB"
