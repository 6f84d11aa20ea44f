"""What the annotated classes of a voxel say about those that are not annotated there.

Works on combinations of labels (one row each), not on voxels: a crop has millions of voxels, but only
dozens of combinations.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from organelle.classes import all_classes

Table = NDArray[np.bool_]


def infer(present: Table, known: Table) -> tuple[Table, Table]:
    """Fill what follows from what is annotated; annotations themselves are never changed.

    Rules, applied until nothing new follows:

    - where A is, everything that A implies is too, and everything that A excludes is not;
    - where B is not, nothing that implies B is (a group's absence is its members' absence);
    - where all members of a group are not, the group is not.

    Where annotations contradict each other, so that a class would follow as present and as absent, it
    stays unknown.

    Args:
        present: shape [row, class], the classes in the order of `all_classes()`; True implies known.
        known: shape [row, class].

    Returns:
        The same two tables, filled.
    """
    implies, excludes, members = _relations()
    present, known = present & known, known.copy()
    disputed = np.zeros_like(known)
    while True:
        absent = known & ~present
        yes = _any(present, implies)
        no = _any(present, excludes) | _any(absent, implies.T) | _all(absent, members)
        disputed |= yes & no
        new = (yes | no) & ~known & ~disputed
        if not new.any():
            return present, known
        present |= new & yes
        known |= new


def columns(classes: tuple[str, ...]) -> list[int]:
    """The columns of the tables that hold `classes`."""
    order = {c.name: i for i, c in enumerate(all_classes())}
    return [order[name] for name in classes]


def _any(facts: Table, relation: Table) -> Table:
    """Per row: the classes that at least one fact is related to."""
    return (facts.astype(np.float32) @ relation.astype(np.float32)) > 0


def _all(absent: Table, members: Table) -> Table:
    """Per row: the groups all of whose members are absent; `members` is [member, group]."""
    count = members.sum(axis=0)
    absent_members = absent.astype(np.float32) @ members.astype(np.float32)
    return np.asarray((count > 0) & (absent_members == count))


@cache
def _relations() -> tuple[Table, Table, Table]:
    """`implies[a, b]`, `excludes[a, b]` and `members[a, group]` over all classes."""
    classes = all_classes()
    implies = np.array([[a.implies(b) for b in classes] for a in classes])
    excludes = np.array([[a.excludes(b) for b in classes] for a in classes])
    members = np.array([[a.id in group.members for group in classes] for a in classes])
    return implies, excludes, members
