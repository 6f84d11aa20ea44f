"""The classes as a tree: what is made of what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from organelle.classes import OrganelleClass, all_classes


@dataclass(frozen=True)
class Branch:
    """A class in the tree, and what is directly below it.

    A class that belongs to several groups stands below each; its own parts are told where it comes first,
    and `is_repeated` says that this is another place.
    """

    organelle: OrganelleClass
    parts: tuple[Branch, ...] = ()
    is_repeated: bool = False


@cache
def class_tree() -> tuple[Branch, ...]:
    """The classes that belong to no group, by id, each with all below it."""
    told: set[str] = set()
    top = [c for c in all_classes() if not groups_of(c)]
    return tuple(_branch(c, told) for c in sorted(top, key=lambda c: (not c.is_group, c.id)))


@cache
def groups_of(this: OrganelleClass) -> tuple[OrganelleClass, ...]:
    """The smallest groups that contain all of a class: those of which none contains another."""
    wider = [c for c in all_classes() if this.implies(c) and c.ids - this.ids and c is not this]
    return tuple(c for c in wider if not any(o is not c and _is_within(o, c) for o in wider))


def parts_of(group: OrganelleClass) -> tuple[OrganelleClass, ...]:
    """What is directly below a class, by id; empty for an atom."""
    return tuple(c for c in all_classes() if group in groups_of(c))


def _branch(this: OrganelleClass, told: set[str]) -> Branch:
    parts = parts_of(this)
    if this.name in told and parts:
        return Branch(this, is_repeated=True)
    told.add(this.name)
    return Branch(this, tuple(_branch(part, told) for part in parts))


def _is_within(inner: OrganelleClass, outer: OrganelleClass) -> bool:
    return inner.implies(outer) and not outer.implies(inner)
