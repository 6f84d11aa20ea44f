"""Logs that do not tell secrets."""

from __future__ import annotations

import logging
import re

SECRET = re.compile(r"(/(?:sign-in|team/join|news/confirm|news/leave)/)[\w-]{20,}")
"""The word of a link: whoever reads it in a log could use it as long as nobody else has."""


class WithoutWords(logging.Filter):
    """Takes the words of links out of every line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the line pass, changed."""
        if SECRET.search(text := record.getMessage()):
            record.msg, record.args = SECRET.sub(r"\1...", text), ()
        return True
