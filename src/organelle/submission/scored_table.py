"""The scored view as a table for the terminal: one line for each row that holds something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from organelle.submission.pieces import SPECK_VOXELS
from organelle.submission.scored_view import ObjectView, RowView

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

SHOWN_NAMES = 8
"""Rows that are all background, named below the table."""

_COLUMNS = (
    "dtype", "voxels", "ids", "in\npieces", "objects", f"specks\n< {SPECK_VOXELS}", "corner\njoins",
)  # fmt: skip


def scored_table(views: Sequence[RowView]) -> Group:
    """A table, and below it what is odd about a row and which rows have no foreground."""
    from rich.console import Group
    from rich.text import Text

    return Group(_table(views), *(Text(line) for line in (*_remarks(views), *_left_out(views))))


def _table(views: Sequence[RowView]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    held = [view for view in views if view.voxels]
    title = f"What the scorer will see: {len(held)} of {len(views)} rows hold something"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.padding, table.show_edge = (0, 1, 0, 0), False
    table.add_column("row", no_wrap=True)
    for heading in (*_COLUMNS, "of skip\nlimit" if _knows_truth(held) else "truth ids\nneeded"):
        table.add_column(heading, justify="right")
    for view in held:
        table.add_row(_name(view), view.dtype, f"{view.voxels:,}", *_object_cells(view.objects))
    table.show_header = bool(held)
    return table


def _remarks(views: Sequence[RowView]) -> Iterator[str]:
    for view in views:
        if words := "; ".join((*_laid(view), *_odd_values(view))):
            yield f"{_name(view)}: {words}"


def _laid(view: RowView) -> Iterator[str]:
    """How a row came onto the crop's grid; nothing where it already lay there."""
    if view.rescaled_from_nm is not None:
        yield f"rescaled from {_triple(view.rescaled_from_nm)} nm"
    if view.centred:
        yield f"{_triple(view.shape or ())} voxels laid on the crop's centre"
    if any(view.moved_voxels):
        yield f"moved by {_triple(view.moved_voxels)}"
    if view.status == "seen" and view.coverage_percent < 100:
        yield f"covers {view.coverage_percent:.1f} %"


def _odd_values(view: RowView) -> Iterator[str]:
    is_instance = view.kind == "instance"
    if view.nan_voxels:
        yield f"{view.nan_voxels:,} NaN: {'an object each' if is_instance else 'background'}"
    if view.negative_voxels:
        yield f"{view.negative_voxels:,} negative: {'objects' if is_instance else 'background'}"
    if view.objects is not None and view.objects.ids_fill_dtype:
        yield f"ids fill {view.dtype}"


def _object_cells(seen: ObjectView | None) -> tuple[str, ...]:
    if seen is None:
        return ("",) * 6
    pieces = seen.pieces
    ids = f"{seen.ids:,}" if seen.ids == seen.ids_stored else f"{seen.ids_stored:,} → {seen.ids:,}"
    counts = (pieces.ids_in_pieces, pieces.objects, pieces.specks, pieces.merges)
    return ids, *(f"{n:,}" for n in counts), skip_limit(seen)


def skip_limit(seen: ObjectView) -> str:
    """How far a row is from being skipped: in truth ids, or with the truth as a share of the limit."""
    if seen.share_of_limit is not None:
        return f"{100 * seen.share_of_limit:.0f} %"
    return "no truth ids" if seen.largest_truth_id == 0 else f"{seen.fewest_truth_ids:,}"


def _knows_truth(views: Iterable[RowView]) -> bool:
    return any(view.objects and view.objects.largest_truth_id is not None for view in views)


def _left_out(views: Sequence[RowView]) -> Iterator[str]:
    kinds = {
        "all background": [_name(v) for v in views if v.is_background],
        "missing": [_name(v) for v in views if v.status == "missing"],
        "unreadable": [_name(v) for v in views if v.status == "unreadable"],
    }
    for what, names in kinds.items():
        if names:
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            yield f"{what}: {', '.join(names[:SHOWN_NAMES])}{more}"


def _name(view: RowView) -> str:
    return f"crop{view.crop}/{view.class_name}"


def _triple(numbers: Iterable[float]) -> str:
    return " ".join(f"{n:g}" for n in numbers)
