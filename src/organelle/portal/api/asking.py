"""What requests may hold: which rows of a list, and fields, which the forms of the pages look at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.forms import BaseForm
from ninja import Query, Schema
from pydantic import AfterValidator, AwareDatetime, ConfigDict, StringConstraints, field_validator

LIMIT: Any = Query(50, ge=1, le=200)
OFFSET: Any = Query(0, ge=0, le=1_000_000)
TEXT: Any = Query("", max_length=200)
"""A word that chooses some of a list; empty: all."""

FIRST_YEAR, LAST_YEAR = 2000, 2200


def _shown(text: str) -> str:
    if any(not (letter.isprintable() or letter in "\n\t") for letter in text):
        raise ValueError("it holds letters that cannot be shown; leave them out")
    return text


def _near(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"a moment lies between the years {FIRST_YEAR} and {LAST_YEAR}")
    return moment.astimezone(UTC)


Words = Annotated[str, StringConstraints(max_length=300), AfterValidator(_shown)]
"""A short text that people can read."""

Moment = Annotated[AwareDatetime, AfterValidator(_near)]
"""A time with its zone, `2026-03-01T12:00:00Z`; kept in UTC."""


class Asked(Schema):
    """What a request may hold; a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _whole_letters(cls, value: Any) -> Any:
        """Half a letter (a lone surrogate) can be written in JSON, but kept by nobody."""
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("it holds halves of letters; leave them out") from None
        return value


class Unfit(Exception):
    """A form of the pages finds something wrong with what was given."""

    def __init__(self, form: BaseForm) -> None:
        super().__init__("what was given cannot be taken")
        self.problems = [
            {"code": str(problem["code"]), "place": f"body.{field}", "found": str(problem["message"])}
            for field, found in form.errors.get_json_data().items()
            for problem in found
        ]


def cleaned(form: BaseForm) -> dict[str, Any]:
    """What a form of the pages makes of what was given.

    Raises:
        Unfit: the form finds something wrong.
    """
    if not form.is_valid():
        raise Unfit(form)
    found: dict[str, Any] = form.cleaned_data
    return found


def chosen(found: QuerySet, **words: str) -> QuerySet:
    """The rows whose fields say these words; an empty word chooses nothing."""
    return found.filter(**{field: plain(word) for field, word in words.items() if word})


def plain(word: str) -> str:
    """A word to look for, without what no database holds."""
    return word.replace("\x00", "")
