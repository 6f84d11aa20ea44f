"""Why something is not taken, in words that say what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

STATUS = {
    "field": 422,
    "length": 413,
    "hash": 422,
    "empty": 422,
    "no room": 507,
}
"""Of HTTP, by code; whatever is not named here conflicts with how things stand: 409."""


class Refused(Exception):
    """A hand-in or upload that is not taken.

    Attributes:
        words: what, why, and what next.
        code: for programs: `phase`, `rules`, `team`, `banned`, `day`, `total`, `concurrent`, `uploads`,
            `field`, `length`, `hash`, `empty`, `no room`, `state`.
        next_at: when it would be taken, if that is known.
    """

    def __init__(self, words: str, code: str, next_at: datetime | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.code = code
        self.next_at = next_at

    @property
    def status(self) -> int:
        """The status of HTTP that says this."""
        return STATUS.get(self.code, 409)

    def to_dict(self) -> dict[str, Any]:
        """As the API says it."""
        record: dict[str, Any] = {"detail": self.words, "code": self.code}
        return record if self.next_at is None else record | {"next_at": self.next_at.isoformat()}
