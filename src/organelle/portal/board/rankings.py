"""Which ranking somebody sees: the public one, or in the end the one by private crops."""

from __future__ import annotations

from dataclasses import dataclass

from organelle.errors import NotFound
from organelle.portal.board.models import Ranking
from organelle.portal.board.questions import private_crops
from organelle.portal.challenge.models import Phase


@dataclass(frozen=True)
class Rankings:
    """Which rankings there are at a moment.

    Attributes:
        has_final: whether there are private crops; without them all is public.
        is_open: whether everybody may see the final ranking.
    """

    has_final: bool
    is_open: bool

    def choose(self, wanted: str = "", *, is_organiser: bool = False) -> Ranking:
        """The ranking that is shown to somebody who wants this one; empty: the one that counts now.

        Raises:
            NotFound: it may not be seen, or there is none. The words are the same.
        """
        if not wanted:
            return Ranking.FINAL if self.is_open else Ranking.PUBLIC
        is_there = self.is_open or (self.has_final and is_organiser)
        if wanted == Ranking.PUBLIC or (wanted == Ranking.FINAL and is_there):
            return Ranking(wanted)
        raise NotFound("there is no such ranking")


def rankings_now() -> Rankings:
    """What there is now."""
    has_final = bool(private_crops())
    return Rankings(has_final, has_final and Phase.is_final())
