"""What the boards say, as their pages say it; open to everyone."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError

from organelle.classes import kind_of
from organelle.errors import NotFound
from organelle.portal.api.answers import public_answers
from organelle.portal.board.figures import MEANS, columns, decimals
from organelle.portal.board.looking import Seen, rankings_seen, seen
from organelle.portal.board.models import Ranking
from organelle.portal.board.views import GOOD_FOR_S
from organelle.portal.explorer.answers import json_answer

router = Router(tags=["leaderboard"], auth=None)
COLUMN: Any = Query("overall", max_length=100, description="`overall`, `instance`, `semantic`, or a class")
METRIC: Any = Query("", max_length=32, description="a version of the metric; by default the newest")
RANKING: Any = Query("", max_length=32, description="`public` or `final`; by default the one that counts now")


class Line(Schema):
    """A team on a board; baselines, and teams without a score here, have no rank."""

    rank: int | None
    tied: bool = Field(description="whether another team has the same rank")
    team: str
    affiliation: str
    baseline: bool
    anonymous: bool
    method: str
    code_url: str
    day: date = Field(description="when it was handed in, UTC")
    score: float | None = Field(description="in the board's column; null where the class was not handed in")
    low: float | None = Field(
        description="lower end of the interval over crops; null where those are too few"
    )
    high: float | None
    like_next: bool | None = Field(
        description="whether the crops leave open which is better, this or the next"
    )
    overall: float | None
    instance: float | None
    semantic: float | None


class Rescoring(Schema):
    """A scoring that is under way, and how many submissions it has done."""

    metric: str
    done: int
    of: int


class Board(Schema):
    """A board, the best first; all figures are rounded to `decimals`."""

    column: str
    kind: str | None = Field(description="how a class is scored: `instance` or `semantic`")
    ranking: str
    private_crops: int | None = Field(description="in the final ranking how many those are")
    metric: str = Field(description="empty while there is no result")
    metrics: list[str] = Field(description="versions that boards can be shown of, the newest first")
    decimals: int
    rescoring: Rescoring | None = Field(description="what will be shown when it is done")
    rows: list[Line]


class Reached(Schema):
    """A team reaches a new best score."""

    day: date
    team: str
    score: float


class Column(Schema):
    """A board that can be shown; means over classes have no kind."""

    column: str
    kind: str | None


class Choices(Schema):
    """What can be asked of the leaderboard now."""

    columns: list[Column]
    metrics: list[str] = Field(description="versions of the metric, the newest first")
    rankings: list[str] = Field(description="the one that counts now comes first")
    decimals: int


@router.get("/leaderboard", response=public_answers(Board, 404, 422), summary="The leaderboard")
def leaderboard(
    request: HttpRequest, column: str = COLUMN, metric: str = METRIC, ranking: str = RANKING
) -> HttpResponse:
    """Every team with its best published submission, or with the one it has chosen."""
    try:
        chosen = rankings_seen().choose(ranking)
    except NotFound as error:
        raise Http404(str(error)) from None
    return json_answer(request, _seen(column, metric, chosen)[0].record(), seconds=GOOD_FOR_S)


@router.get("/leaderboard/history", response=public_answers(list[Reached], 422), summary="Scores over time")
def history(request: HttpRequest, column: str = COLUMN, metric: str = METRIC) -> HttpResponse:
    """When the teams reached which score on the public crops, day by day (UTC)."""
    _, steps = _seen(column, metric, Ranking.PUBLIC)
    record = [{"day": step.day.isoformat(), "team": step.team, "score": step.score} for step in steps]
    return json_answer(request, record, seconds=GOOD_FOR_S)


@router.get("/leaderboard/columns", response=public_answers(Choices), summary="Which boards there are")
def choices(request: HttpRequest) -> HttpResponse:
    """Columns, versions of the metric, and rankings."""
    board, _ = seen("overall")
    named = [{"column": name, "kind": None if name in MEANS else kind_of(name).value} for name in columns()]
    there = rankings_seen()
    record = {
        "columns": named,
        "metrics": list(board.metrics),
        "rankings": [str(Ranking.FINAL), str(Ranking.PUBLIC)] if there.is_open else [str(Ranking.PUBLIC)],
        "decimals": decimals(),
    }
    return json_answer(request, record, seconds=GOOD_FOR_S)


def _seen(column: str, metric: str, ranking: Ranking) -> Seen:
    try:
        return seen(column, metric or None, ranking)
    except NotFound as error:
        raise HttpError(422, str(error)) from None
