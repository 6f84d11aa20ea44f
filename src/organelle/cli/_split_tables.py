"""What the sides of a split hold, as tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from organelle.catalog.split_summary import class_holdings, dataset_holdings, holding_of

if TYPE_CHECKING:
    from organelle.catalog import Datasplit
    from organelle.catalog.split_summary import Holding


def print_holdings(split: Datasplit) -> None:
    """Print crops and volume of both sides per class and per dataset."""
    console = Console()
    console.print(_table("class", class_holdings(split)))
    console.print(_table("dataset", (*dataset_holdings(split), holding_of(split, "all crops"))))


def _table(what: str, rows: Iterable[Holding]) -> Table:
    table = Table(what, box=SIMPLE_HEAD)
    for head in ("train", "held out", "train um³", "held out um³"):
        table.add_column(head, justify="right")
    for row in rows:
        volumes = (_volume(row.train_um3), _volume(row.validate_um3))
        table.add_row(row.name, str(row.train_crops), str(row.validate_crops), *volumes)
    return table


def _volume(um3: float) -> str:
    return f"{um3:,.0f}" if um3 >= 100 else f"{um3:.3g}"
