"""What the boards say, as it was a moment ago: many readers at a time are answered from one look."""

from __future__ import annotations

import time
from functools import lru_cache

from organelle.portal.board.models import Ranking
from organelle.portal.board.rankings import Rankings, rankings_now
from organelle.portal.board.records import Standings, Step
from organelle.portal.board.standings import standings_and_history

Seen = tuple[Standings, tuple[Step, ...]]

BEHIND_S = 5.0
"""How old an answer may be; with 0 every one is of now."""


def seen(column: str, metric: str | None = None, ranking: Ranking = Ranking.PUBLIC) -> Seen:
    """A board and its history, at most `BEHIND_S` old. Raises as `standings` does."""
    if not BEHIND_S:
        return standings_and_history(column, metric, ranking)
    return _seen_in(column, metric, ranking, _turn())


def rankings_seen() -> Rankings:
    """Which rankings there are, as it was at most `BEHIND_S` ago."""
    return _rankings_in(_turn()) if BEHIND_S else rankings_now()


def forget() -> None:
    """The next answers are of now."""
    _seen_in.cache_clear()
    _rankings_in.cache_clear()


def _turn() -> int:
    return int(time.monotonic() / BEHIND_S)


@lru_cache(maxsize=64)
def _seen_in(
    column: str,
    metric: str | None,
    ranking: Ranking,
    turn: int,  # noqa: ARG001
) -> Seen:
    return standings_and_history(column, metric, ranking)


@lru_cache(maxsize=1)
def _rankings_in(turn: int) -> Rankings:  # noqa: ARG001
    return rankings_now()
