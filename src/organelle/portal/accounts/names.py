"""Names that people give themselves and their teams."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError

HIDDEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
"""Kinds of characters that nobody sees, or that turn the direction of writing."""


def plain_name(text: str) -> str:
    """`text` in one line and one form of Unicode, so that two names that look alike are alike.

    Raises:
        ValidationError: nothing is left, or it holds characters that cannot be seen, or a web address, which
            would be a link in mails that we send.
    """
    name = " ".join(unicodedata.normalize("NFKC", text).split())
    if any(unicodedata.category(character) in HIDDEN for character in name):
        raise ValidationError("The name holds characters that cannot be seen; type it anew.")
    if not any(character.isalnum() for character in name):
        raise ValidationError("A name needs a letter or a digit.")
    if "://" in name or "www." in name.casefold():
        raise ValidationError("A name cannot hold a web address.")
    return name


def alike(name: str) -> str:
    """What two names have in common when they are the same but for case."""
    return name.casefold()
