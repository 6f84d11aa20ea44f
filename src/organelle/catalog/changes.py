"""What another version of a catalog adds, takes away and changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from organelle.catalog.records import Catalog, Crop, Dataset

What = Literal["dataset", "crop"]
Kind = Literal["added", "removed", "changed"]
Facts = Mapping[str, object]
"""Column -> what it states."""


@dataclass(frozen=True, slots=True)
class Change:
    """One dataset or crop that differs between two catalogs.

    Attributes:
        what: `dataset` or `crop`.
        name: The dataset's name, or the crop's number.
        kind: `added`, `removed` or `changed`.
        details: What changed, a phrase for each column: `shape 200 200 200 -> 200 200 400`.
    """

    what: What
    name: str
    kind: Kind
    details: tuple[str, ...] = ()


def catalog_changes(before: Catalog, after: Catalog) -> tuple[Change, ...]:
    """What leads from one catalog to the other, datasets first; none when both state the same.

    The order of rows, and of the classes of a crop, does not count.
    """
    datasets = _changes(
        "dataset", *({d.name: _stated(d) for d in c.datasets.values()} for c in (before, after))
    )
    crops = _changes(
        "crop", *({str(n): _annotated(crop) for n, crop in c.crops.items()} for c in (before, after))
    )
    return (*datasets, *crops)


def change_lines(changes: Iterable[Change], *, most: int = 40) -> Iterator[str]:
    """Changes as sentences: names that came and went together, then a line for each that changed.

    Beyond `most` lines of the last kind their number is told.
    """
    changes = list(changes)
    for what in ("dataset", "crop"):
        for kind in ("added", "removed"):
            names = [c.name for c in changes if (c.what, c.kind) == (what, kind)]
            if names:
                yield f"{kind}: {len(names)} {what}{'s' * (len(names) > 1)}: {', '.join(names)}"
    changed = [c for c in changes if c.kind == "changed"]
    for change in changed[:most]:
        yield f"changed: {change.what} {change.name}: {'; '.join(change.details)}"
    if len(changed) > most:
        yield f"changed: {len(changed) - most} more"


def _changes(what: What, before: Mapping[str, Facts], after: Mapping[str, Facts]) -> Iterator[Change]:
    yield from (Change(what, name, "added") for name in after if name not in before)
    yield from (Change(what, name, "removed") for name in before if name not in after)
    for name, facts in before.items():
        details = tuple(_details(facts, after[name])) if name in after else ()
        if details:
            yield Change(what, name, "changed", details)


def _details(before: Facts, after: Facts) -> Iterator[str]:
    for column, old in before.items():
        new = after[column]
        if isinstance(old, frozenset) and isinstance(new, frozenset):
            signs = [*(f"+{name}" for name in sorted(new - old)), *(f"-{name}" for name in sorted(old - new))]
            if signs:
                yield f"{column} {' '.join(signs)}"
        elif old != new:
            yield f"{column} {_text(old)} -> {_text(new)}"


def _stated(dataset: Dataset) -> Facts:
    return {field.name: getattr(dataset, field.name) for field in fields(dataset)}


def _annotated(crop: Crop) -> Facts:
    return {
        "split": "test" if crop.is_test else "train",
        "dataset": crop.dataset,
        "voxel_size_nm": crop.grid.voxel_size_nm,
        "translation_nm": crop.grid.origin_nm,
        "shape": crop.grid.shape,
        "classes": frozenset(crop.classes),
    }


def _text(fact: object) -> str:
    if isinstance(fact, tuple):
        return " ".join(f"{number:.10g}" for number in fact)
    return "(not stated)" if fact is None else str(fact)
