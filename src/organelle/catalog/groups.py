"""Crops that share volume hang together: what one side of a split has seen, the other has seen, too."""

from __future__ import annotations

from collections.abc import Iterable

from organelle.catalog.records import Crop

Group = tuple[Crop, ...]


def crop_groups(crops: Iterable[Crop]) -> tuple[Group, ...]:
    """Crops that hang together through shared volume; a crop that meets no other is a group of its own."""
    groups: list[list[Crop]] = []
    for crop in crops:
        meets = [group for group in groups if any(share_volume(crop, other) for other in group)]
        groups = [group for group in groups if group not in meets]
        groups.append([other for group in meets for other in group] + [crop])
    return tuple(map(tuple, groups))


def share_volume(a: Crop, b: Crop) -> bool:
    """Whether two crops of one dataset overlap; faces that touch do not count."""
    return a.dataset == b.dataset and a.extent.overlaps(b.extent)


def groups_per_class(groups: Iterable[Group], classes: Iterable[str]) -> dict[str, int]:
    """For each class the number of groups that annotate it."""
    annotated = [{name for crop in group for name in crop.classes} for group in groups]
    return {name: sum(name in found for found in annotated) for name in classes}
