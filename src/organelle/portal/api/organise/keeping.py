"""Rows that organisers write: made, changed and deleted with the form of their pages, and noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.forms import ModelForm, model_to_dict
from ninja.errors import HttpError

from organelle.portal.api.asking import cleaned
from organelle.portal.challenge.changes import note_added, note_changed, note_deleted

DOOR = "api"
"""By which changes came, in the audit log."""


def keep(form: type[ModelForm], row: Any, given: Mapping[str, Any], by: Any) -> Any:
    """`row` with the fields that are given, in the database; a new row is made. Other fields stay.

    Raises:
        Unfit: the form finds something wrong.
        HttpError: somebody else did the same at this moment.
    """
    is_new, before = row.pk is None, model_to_dict(row, form._meta.fields)
    filled = form({**before, **given}, instance=row)
    cleaned(filled)
    try:
        with transaction.atomic():
            kept = filled.save()
            changed = [name for name in before if before[name] != getattr(kept, name)]
            if is_new:
                note_added(by, kept, DOOR)
            elif changed:
                note_changed(by, kept, changed, DOOR)
    except IntegrityError:
        raise HttpError(409, "somebody else did the same at this moment; look, and try again") from None
    return kept


def drop(row: Any, by: Any) -> None:
    """Delete `row`."""
    with transaction.atomic():
        note_deleted(by, row, DOOR)
        row.delete()
