"""Boards as pages and files. What they may say is decided in `standings`, and who sees which in `rankings`.

Everybody may see them, but for the final ranking, which organisers alone may look at before it is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_safe

from organelle.errors import NotFound
from organelle.portal.board.charts import history_chart, told_of
from organelle.portal.board.figures import MEANS, columns
from organelle.portal.board.intervals import FEWEST_CROPS
from organelle.portal.board.looking import Seen, rankings_seen, seen
from organelle.portal.board.models import Ranking
from organelle.portal.board.records import ROW_KEYS, Standing, Standings
from organelle.portal.explorer.answers import csv_answer, file_answer, json_answer, kept
from organelle.portal.explorer.drawing import THEMES
from organelle.portal.explorer.drawing import render as render_chart

GOOD_FOR_S = 30


@require_safe
@kept(GOOD_FOR_S)
def leaderboard(request: HttpRequest, column: str = "overall") -> HttpResponse:
    """A board; `?metric=` shows that of an older version, `?class=` leads to the board of a class.

    `?ranking=` is `public` or `final`; without it the one that counts now is shown.
    """
    if (wanted := request.GET.get("class")) is not None:
        return _lead_to(request, wanted)
    sight = _sight(request)
    board, steps = _seen(request, column, sight.ranking)
    page = {
        "board": board,
        "means": MEANS,
        "classes": columns()[len(MEANS) :],
        "title": title_of(board),
        "lines": [_line(row, board) for row in board.rows],
        "steps": steps,
        "told": told_of(steps, board.decimals),
        "fewest": FEWEST_CROPS,
        "sight": sight,
        "asked": (asked := _asked(request)),
        "query": urlencode(asked),
        "metric_query": urlencode({"metric": metric}) if (metric := _metric(request)) else "",
    }
    return _discreet(render(request, "board/leaderboard.html", page), sight)


@require_safe
def leaderboard_file(request: HttpRequest, kind: str, column: str = "overall") -> HttpResponse:
    """A board as CSV or JSON."""
    sight = _sight(request)
    board, _ = _seen(request, column, sight.ranking)
    if kind == "json":
        return _discreet(json_answer(request, board.record(), seconds=GOOD_FOR_S), sight)
    rows = [row.row() for row in board.rows]
    what = "final-ranking" if sight.is_final else "leaderboard"
    name = f"{what}-{column}-{board.metric or 'empty'}"
    return _discreet(csv_answer(request, ROW_KEYS, rows, name, seconds=GOOD_FOR_S), sight)


@require_safe
def history_file(request: HttpRequest, column: str, kind: str) -> HttpResponse:
    """Scores over time, as CSV or JSON; always of the public crops."""
    _, steps = _seen(request, column, Ranking.PUBLIC)
    rows = [{"day": step.day.isoformat(), "team": step.team, "score": step.score} for step in steps]
    if kind == "json":
        return json_answer(request, rows, seconds=GOOD_FOR_S)
    return csv_answer(request, ("day", "team", "score"), rows, f"history-{column}", seconds=GOOD_FOR_S)


@require_safe
def history_picture(request: HttpRequest, column: str, theme: str) -> HttpResponse:
    """Scores over time, as SVG; always of the public crops."""
    _, steps = _seen(request, column, Ranking.PUBLIC)
    if theme not in THEMES or not steps:
        raise Http404("there is no score to draw yet")
    svg = render_chart(history_chart(steps, theme), theme)
    return file_answer(request, svg, "image/svg+xml", seconds=GOOD_FOR_S)


def title_of(board: Standings) -> str:
    """`Leaderboard: mito, metric 2026-06`."""
    what = "Final ranking" if board.ranking == Ranking.FINAL else "Leaderboard"
    which = "" if board.column == "overall" else f": {board.column}"
    return f"{what}{which}{f', metric {board.metric}' if board.metric else ''}"


@dataclass(frozen=True)
class Sight:
    """What somebody is shown.

    Attributes:
        ranking: this one.
        has_other: whether the other one may be seen, too.
        is_preview: whether only organisers see this now.
    """

    ranking: Ranking
    has_other: bool
    is_preview: bool

    @property
    def is_final(self) -> bool:
        """Whether it is the final ranking."""
        return self.ranking == Ranking.FINAL


def _sight(request: HttpRequest) -> Sight:
    there = rankings_seen()
    is_organiser = request.user.is_authenticated and request.user.is_organiser
    try:
        ranking = there.choose(request.GET.get("ranking", ""), is_organiser=is_organiser)
    except NotFound as error:
        raise Http404(str(error)) from None
    has_other = there.is_open or (there.has_final and is_organiser)
    return Sight(ranking, has_other, is_preview=ranking == Ranking.FINAL and not there.is_open)


def _discreet(response: HttpResponse, sight: Sight) -> HttpResponse:
    """Kept nowhere if others may not see it."""
    if sight.is_preview:
        del response["ETag"]
        add_never_cache_headers(response)
    return response


def _lead_to(request: HttpRequest, column: str) -> HttpResponse:
    """The board that was chosen in the form."""
    column = column or "overall"
    if column not in columns():
        raise Http404(f"there is no board {column!r}")
    asked = _asked(request)
    query = f"?{urlencode(asked)}" if asked else ""
    address = reverse("leaderboard") if column == "overall" else reverse("board", args=[column])
    return HttpResponseRedirect(address + query)


def _metric(request: HttpRequest) -> str | None:
    return request.GET.get("metric", "")[:32] or None


def _asked(request: HttpRequest) -> dict[str, str]:
    """What was asked for by name, and links go on with."""
    asked = {"metric": _metric(request) or "", "ranking": request.GET.get("ranking", "")[:32]}
    return {name: value for name, value in asked.items() if value}


def _line(row: Standing, board: Standings) -> dict[str, object]:
    figures = {name: _figure(getattr(row, name), board) for name in ("score", "instance", "semantic")}
    return {"standing": row, "interval": _interval(row, board), **figures}


def _figure(number: float | None, board: Standings) -> str:
    return "" if number is None else f"{number:.{board.decimals}f}"


def _interval(row: Standing, board: Standings) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"{_figure(row.low, board)} to {_figure(row.high, board)}"


def _seen(request: HttpRequest, column: str, ranking: Ranking) -> Seen:
    try:
        return seen(column, _metric(request), ranking)
    except NotFound as error:
        raise Http404(str(error)) from None
