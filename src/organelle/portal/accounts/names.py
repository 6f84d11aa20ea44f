"""Names that people give themselves and their teams."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

from django.core.exceptions import ValidationError

HIDDEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
"""Kinds of characters that nobody sees, or that turn the direction of writing."""

UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that nobody sees either: with one of them a name looks like another team's."""

MOST_MARKS = 4
"""On one letter; more of them are painted over the lines above and below."""

ANONYMOUS = re.compile(r"anonymous\b.*")
"""How the board calls teams that want no name: no team calls itself so."""


def plain_name(text: str, most: int) -> str:
    """`text` in one line and one form of Unicode, so that two names that look alike are alike.

    Args:
        text: as it was typed.
        most: letters that the name may have in that form, which may be longer than what was typed.

    Raises:
        ValidationError: nothing is left, too much is, or it holds characters that cannot be seen, or a web
            address, which would be a link in mails that we send.
    """
    name = " ".join(unicodedata.normalize("NFKC", text).split())
    if len(name) > most:
        raise ValidationError(f"The name has {len(name)} letters; at most {most} are kept.")
    kinds = [unicodedata.category(character) for character in name]
    if any(kind in HIDDEN for kind in kinds) or UNSEEN.search(name):
        raise ValidationError("The name holds characters that cannot be seen; type it anew.")
    if any(kind == "Mn" and len(list(run)) > MOST_MARKS for kind, run in groupby(kinds)):
        raise ValidationError(f"A letter of the name has more than {MOST_MARKS} marks; leave some out.")
    if not any(character.isalnum() for character in name):
        raise ValidationError("A name needs a letter or a digit.")
    if "://" in name or "www." in name.casefold():
        raise ValidationError("A name cannot hold a web address.")
    return name


def alike(name: str) -> str:
    """What two names have in common when they are the same but for case."""
    return name.casefold()


def is_reserved(name: str) -> bool:
    """Whether the board could be thought to mean another team by this name."""
    return bool(ANONYMOUS.fullmatch(alike(name)))
