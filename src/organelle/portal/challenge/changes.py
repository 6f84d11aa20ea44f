"""What organisers make, change and delete, in the audit log; by which door they came is told, too.

The log keeps no names of people who may be gone one day: a row is told by its key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from organelle.portal.challenge.models import note


def note_added(actor: Any, made: Any, door: str) -> None:
    """`made` is a new row; `door` is `admin` or `api`."""
    _note(actor, made, "added", by=door)


def note_changed(actor: Any, changed: Any, fields: Iterable[str], door: str) -> None:
    """These fields of a row have other values now."""
    _note(actor, changed, "changed", by=door, fields=list(fields))


def note_deleted(actor: Any, going: Any, door: str) -> None:
    """A row that is about to go."""
    _note(actor, going, "deleted", by=door)


def _note(actor: Any, row: Any, what: str, **detail: Any) -> None:
    name = row._meta.model_name
    note(actor, f"{name}.{what}", f"{name} {row.pk}", **detail)
