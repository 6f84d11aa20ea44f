"""Scores over time as a chart, drawn from figures that are rounded already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from organelle.portal.board.records import Step
from organelle.portal.explorer.drawing import SERIES, altair

TEAMS = 8
"""Lines that can be told apart; the others are left to the table."""

WIDTH, HEIGHT = 620, 300


def history_chart(steps: Sequence[Step], theme: str) -> Any:
    """A line for each of the best teams: its best score so far, from day to day."""
    alt = altair()
    names = best_teams(steps)
    colours = alt.Scale(domain=names, range=list(SERIES[theme][: len(names)]))
    base = alt.Chart(alt.Data(values=_lines(steps, names))).encode(
        x=alt.X("day:T", title="day of submission (UTC)", axis=alt.Axis(format="%Y-%m-%d", tickCount=6)),
        y=alt.Y("score:Q", title="best score so far", scale=alt.Scale(zero=False, nice=True)),
        color=alt.Color("team:N", scale=colours, title=None, legend=alt.Legend(orient="top", columns=4)),
    )
    lines = base.mark_line(interpolate="step-after", strokeWidth=2)
    points = base.transform_filter("datum.made").mark_point(filled=True, size=45, opacity=1)
    return (lines + points).properties(width=WIDTH, height=HEIGHT)


def best_teams(steps: Sequence[Step]) -> list[str]:
    """Those that reached most, the best first."""
    reached: dict[str, float] = {}
    for step in steps:
        reached[step.team] = max(step.score, reached.get(step.team, -1.0))
    return sorted(reached, key=lambda team: (-reached[team], team.casefold()))[:TEAMS]


def told_of(steps: Sequence[Step], decimals: int) -> str:
    """What the chart shows, in a sentence."""
    if not steps:
        return "No score yet."
    best = best_teams(steps)[0]
    top = max(step.score for step in steps if step.team == best)
    teams = len({step.team for step in steps})
    more = f" The {TEAMS} best of {teams} teams are drawn." if teams > TEAMS else ""
    return (
        f"Lines of each team's best score so far, from {steps[0].day} to {steps[-1].day}. "
        f"Highest: {best} with {top:.{decimals}f}.{more}"
    )


def _lines(steps: Sequence[Step], names: Sequence[str]) -> list[dict[str, object]]:
    """The steps, and where each line ends: on the last day of all."""
    last = max((step.day for step in steps), default=date.min)
    drawn = [_point(step.day, step, made=True) for step in steps if step.team in names]
    ends = {step.team: step for step in steps if step.team in names}
    return drawn + [_point(last, step, made=False) for step in ends.values() if step.day < last]


def _point(day: date, step: Step, *, made: bool) -> dict[str, object]:
    return {"day": day.isoformat(), "team": step.team, "score": step.score, "made": made}
