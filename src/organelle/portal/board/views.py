"""Boards as pages and files. Everybody may see them; what they may say is decided in `standings`."""

from __future__ import annotations

import time
from functools import lru_cache
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from organelle.errors import NotFound
from organelle.portal.board.charts import history_chart, told_of
from organelle.portal.board.figures import MEANS, columns
from organelle.portal.board.intervals import FEWEST_CROPS
from organelle.portal.board.records import ROW_KEYS, Standing, Standings, Step
from organelle.portal.board.standings import standings_and_history
from organelle.portal.explorer.answers import csv_answer, file_answer, json_answer, kept
from organelle.portal.explorer.drawing import THEMES
from organelle.portal.explorer.drawing import render as render_chart

GOOD_FOR_S = 30

BEHIND_S = 5.0
"""Many readers at a time are answered from one look into the database."""


@require_safe
@kept(GOOD_FOR_S)
def leaderboard(request: HttpRequest, column: str = "overall") -> HttpResponse:
    """A board; `?metric=` shows that of an older version, `?class=` leads to the board of a class."""
    if (wanted := request.GET.get("class")) is not None:
        return _lead_to(request, wanted)
    board, steps = _seen(request, column)
    page = {
        "board": board,
        "means": MEANS,
        "classes": columns()[len(MEANS) :],
        "title": title_of(board),
        "lines": [_line(row, board) for row in board.rows],
        "steps": steps,
        "told": told_of(steps, board.decimals),
        "fewest": FEWEST_CROPS,
        "query": urlencode({"metric": metric}) if (metric := _metric(request)) else "",
    }
    return render(request, "board/leaderboard.html", page)


@require_safe
def leaderboard_file(request: HttpRequest, kind: str, column: str = "overall") -> HttpResponse:
    """A board as CSV or JSON."""
    board, _ = _seen(request, column)
    if kind == "json":
        return json_answer(request, board.record(), seconds=GOOD_FOR_S)
    rows = [row.row() for row in board.rows]
    name = f"leaderboard-{column}-{board.metric or 'empty'}"
    return csv_answer(request, ROW_KEYS, rows, name, seconds=GOOD_FOR_S)


@require_safe
def history_file(request: HttpRequest, column: str, kind: str) -> HttpResponse:
    """Scores over time, as CSV or JSON."""
    _, steps = _seen(request, column)
    rows = [{"day": step.day.isoformat(), "team": step.team, "score": step.score} for step in steps]
    if kind == "json":
        return json_answer(request, rows, seconds=GOOD_FOR_S)
    return csv_answer(request, ("day", "team", "score"), rows, f"history-{column}", seconds=GOOD_FOR_S)


@require_safe
def history_picture(request: HttpRequest, column: str, theme: str) -> HttpResponse:
    """Scores over time, as SVG."""
    _, steps = _seen(request, column)
    if theme not in THEMES or not steps:
        raise Http404("there is no score to draw yet")
    svg = render_chart(history_chart(steps, theme), theme)
    return file_answer(request, svg, "image/svg+xml", seconds=GOOD_FOR_S)


def title_of(board: Standings) -> str:
    """`Leaderboard: mito, metric 2026-06`."""
    which = "" if board.column == "overall" else f": {board.column}"
    return f"Leaderboard{which}{f', metric {board.metric}' if board.metric else ''}"


def _lead_to(request: HttpRequest, column: str) -> HttpResponse:
    """The board that was chosen in the form."""
    column = column or "overall"
    if column not in columns():
        raise Http404(f"there is no board {column!r}")
    metric = _metric(request)
    query = f"?{urlencode({'metric': metric})}" if metric else ""
    address = reverse("leaderboard") if column == "overall" else reverse("board", args=[column])
    return HttpResponseRedirect(address + query)


def _metric(request: HttpRequest) -> str | None:
    return request.GET.get("metric", "")[:32] or None


def _line(row: Standing, board: Standings) -> dict[str, object]:
    figures = {name: _figure(getattr(row, name), board) for name in ("score", "instance", "semantic")}
    return {"standing": row, "interval": _interval(row, board), **figures}


def _figure(number: float | None, board: Standings) -> str:
    return "" if number is None else f"{number:.{board.decimals}f}"


def _interval(row: Standing, board: Standings) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"{_figure(row.low, board)} to {_figure(row.high, board)}"


def _seen(request: HttpRequest, column: str) -> tuple[Standings, tuple[Step, ...]]:
    """What is shown, at most `BEHIND_S` old."""
    metric = _metric(request)
    try:
        if not BEHIND_S:
            return standings_and_history(column, metric)
        return _seen_in(column, metric, int(time.monotonic() / BEHIND_S))
    except NotFound as error:
        raise Http404(str(error)) from None


@lru_cache(maxsize=64)
def _seen_in(column: str, metric: str | None, turn: int) -> tuple[Standings, tuple[Step, ...]]:  # noqa: ARG001
    return standings_and_history(column, metric)
