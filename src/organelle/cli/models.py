"""`csc models`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from organelle.models import NetworkDescription


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A network, to see what it may be told.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the built-in networks: parameters, receptive field, and what divides their patches.

    With NAME: the options of that one. The receptive field is measured, in voxels along an axis, norms aside.
    """
    if name is None:
        _show_all(as_json)
    else:
        _show_one(name, as_json)


def _show_all(as_json: bool) -> None:
    import json

    from organelle.models import list_networks

    found = list_networks()
    if as_json:
        typer.echo(json.dumps([network.row() for network in found], indent=1))
        return
    from organelle.catalog.terminal import Column, TextTable
    from organelle.cli._listing import print_table

    columns = (
        Column("network"),
        Column("parameters", right=True),
        Column("looks at", right=True),
        Column("divisor", right=True),
        Column("what it is", least=24, rank=1),
    )
    rows = [(n.name, f"{n.parameters:,}", _looks_at(n), _alike(n.divisor), n.summary) for n in found]
    caption = (
        "Default options, one class. Looks at: voxels along one axis that can change an answer, norms aside. "
        "Divisor: patch sizes are multiples of it. csc models NAME shows the options; "
        "an own network is named by import path."
    )
    print_table(TextTable(columns, rows, caption))


def _show_one(name: str, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from organelle.models import describe_network, network_options, network_summary

    options, found = network_options(name), describe_network(name)
    if as_json:
        record = found.row() | {"options": [asdict(option) for option in options]}
        typer.echo(json.dumps(record, indent=1))
        return
    typer.echo(f"{name}: {network_summary(name)}")
    typer.echo(
        f"\nWith these defaults and one class: {found.parameters:,} parameters; looks at {_looks_at(found)} "
        f"voxels; patch sizes are multiples of {_alike(found.divisor)}.\n\nOptions, for options in [model]:"
    )
    for option in options:
        typer.echo(f"\n{option.name} = {option.default}    # {option.kind}")
        typer.echo("\n".join(f"    {line}" for line in option.meaning.split("\n")))


def _looks_at(network: NetworkDescription) -> str:
    return _alike(network.receptive_field)


def _alike(sizes: tuple[int | None, ...]) -> str:
    """`16` for three times 16, else all sizes."""
    texts = ["all" if size is None else str(size) for size in sizes]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)
