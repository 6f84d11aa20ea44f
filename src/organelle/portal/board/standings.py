"""Figures for eyes: who stands where, and what a team may see of its own submission.

With `figures` this is the only way from results to numbers that somebody sees. Every one is rounded to as
many decimals as the portal's configuration says, ranks and ties follow from the rounded ones, and nothing
about single crops, counts or times of scoring goes through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from django.utils.crypto import salted_hmac

from organelle.errors import NotFound, did_you_mean
from organelle.portal.accounts.models import Team
from organelle.portal.board.figures import (
    Entry,
    decimals,
    entries,
    or_less,
    require_column,
    rounded,
    score_of,
)
from organelle.portal.board.intervals import are_alike
from organelle.portal.board.models import Ranking, Resample
from organelle.portal.board.questions import Choice, choose_question
from organelle.portal.board.records import Standing, Standings, Step
from organelle.portal.board.resampling import resample_safely, unpacked
from organelle.portal.scoring.models import crops_in

__all__ = ["board_name", "history", "score_of", "standings", "standings_and_history"]

RESAMPLED_AT_ONCE = 4
"""Results without intervals that one look at the board makes up for; the others come with the next looks."""


def standings(
    column: str = "overall", metric: str | None = None, ranking: Ranking = Ranking.PUBLIC
) -> Standings:
    """The board of a column: every team with its best published submission, or with the one it has chosen.

    Without `metric` it answers the newest question that is answered for all, see `choose_question`. The final
    ranking has the scores of the private crops. There, too, a team's best is its best on the public ones:
    else the private ones would have chosen it. Who may see it is not asked here, see `rankings`.

    Raises:
        NotFound: no such column, or no board of that version of the metric; what there is is named.
    """
    choice, teams = _look(column, metric, ranking)
    return _standings(column, choice, teams, ranking)


def history(column: str = "overall", metric: str | None = None) -> tuple[Step, ...]:
    """When the teams of a board reached which score, in the order of days; days are those of UTC.

    It always is about the public crops. Raises as `standings` does.
    """
    return _history(_look(column, metric, Ranking.PUBLIC)[1])


def standings_and_history(
    column: str = "overall", metric: str | None = None, ranking: Ranking = Ranking.PUBLIC
) -> tuple[Standings, tuple[Step, ...]]:
    """Both from one look into the database. Raises as `standings` does."""
    choice, teams = _look(column, metric, ranking)
    return _standings(column, choice, teams, ranking), _history(teams)


def board_name(team: Team, *, is_anonymous: bool) -> str:
    """The name of a team, or one that stays the same and does not tell which team it is."""
    if not is_anonymous:
        return str(team.name)
    digest = salted_hmac("organelle.portal.board", str(team.pk), algorithm="sha256").hexdigest()
    return f"Anonymous {digest[:8]}"


@dataclass(frozen=True)
class _Best:
    """What a team stands on the board with."""

    entry: Entry
    standing: Standing


@dataclass(frozen=True)
class _Sight:
    """Of which crops a board speaks."""

    ranking: Ranking
    private_crops: str


def _look(column: str, metric: str | None, ranking: Ranking) -> tuple[Choice, list[list[Entry]]]:
    """The question that is answered, and what counts of each team."""
    require_column(column)
    choice = choose_question(metric)
    if choice.shown is not None:
        return choice, _by_team(entries(choice.shown, column, ranking))
    if metric is not None:
        near = did_you_mean(metric, choice.metrics)
        there = ", ".join(choice.metrics) or "none yet"
        raise NotFound(f"there is no board of metric {metric!r}{near}; there is: {there}")
    return choice, []


def _standings(column: str, choice: Choice, teams: Iterable[Sequence[Entry]], ranking: Ranking) -> Standings:
    private = choice.shown.private_crops if choice.shown else ""
    marked = _with_marks(_ranked(map(_best, teams)), column, _Sight(ranking, private))
    return Standings(
        column=column,
        metric=choice.shown.metric if choice.shown else "",
        metrics=choice.metrics,
        decimals=decimals(),
        rows=tuple(marked),
        newer_metric=choice.newer_metric,
        done=choice.done,
        total=choice.total,
        ranking=ranking,
        private_crops=len(crops_in(private)) if private and ranking == Ranking.FINAL else None,
    )


def _history(teams: Iterable[Sequence[Entry]]) -> tuple[Step, ...]:
    steps = [step for team in teams for step in _steps(team)]
    return tuple(sorted(steps, key=lambda step: (step.day, -step.score, step.team.casefold())))


def _by_team(entries: Iterable[Entry]) -> list[list[Entry]]:
    """What counts of each team: the submission it has chosen, or all."""
    teams: dict[int, list[Entry]] = {}
    for entry in entries:
        teams.setdefault(entry.submission.team_id, []).append(entry)
    return [[e for e in team if e.submission.chosen] or team for team in teams.values()]


def _best(team: Sequence[Entry]) -> _Best:
    """A team's best submission on the public crops, the first one of equals.

    A team that wants another name for one of its submissions has it for all of them: else the two could be
    brought together.
    """
    entry = max(team, key=lambda e: or_less(e.public))
    one = entry.submission
    is_anonymous = _is_anonymous(team)
    standing = Standing(
        rank=None,
        is_tied=False,
        team=board_name(one.team, is_anonymous=is_anonymous),
        affiliation="" if is_anonymous else one.team.affiliation,
        is_baseline=one.team.is_baseline,
        is_anonymous=is_anonymous,
        method=one.method,
        code_url="" if is_anonymous else one.code_url,
        day=entry.day,
        score=entry.score,
        overall=entry.means["overall"],
        instance=entry.means["instance"],
        semantic=entry.means["semantic"],
    )
    return _Best(entry, standing)


def _is_anonymous(team: Sequence[Entry]) -> bool:
    return any(entry.submission.anonymous for entry in team)


def _ranked(best: Iterable[_Best]) -> list[_Best]:
    """In the order of the board; equal scores share a rank, and the next one counts them all: 1, 2, 2, 4."""
    ordered = sorted(best, key=lambda b: (-or_less(b.standing.score), b.standing.team.casefold()))
    ranked: list[_Best] = []
    ahead = 0
    for score, group in groupby(ordered, key=lambda b: b.standing.score):
        same = list(group)
        n = sum(not b.standing.is_baseline for b in same) if score is not None else 0
        ranked += [_with_rank(b, ahead + 1, is_tied=n > 1) if n else b for b in same]
        ahead += n
    return ranked


def _with_rank(best: _Best, rank: int, *, is_tied: bool) -> _Best:
    """A baseline has none."""
    if best.standing.is_baseline:
        return best
    return replace(best, standing=replace(best.standing, rank=rank, is_tied=is_tied))


def _with_marks(ranked: Sequence[_Best], column: str, sight: _Sight) -> Iterable[Standing]:
    """With intervals, and marks where two neighbours cannot be told apart."""
    drawn = _resamples(ranked, column, sight)
    alike = [
        _alike(drawn.get(one.entry.result), drawn.get(two.entry.result)) for one, two in pairwise(ranked)
    ]
    for best, like_next in zip(ranked, [*alike, None], strict=False):
        if best.standing.score is None or (found := drawn.get(best.entry.result)) is None:
            yield best.standing
            continue
        low, high = rounded(found.low), rounded(found.high)
        yield replace(best.standing, low=low, high=high, like_next=like_next)


def _alike(one: Resample | None, two: Resample | None) -> bool | None:
    if one is None or two is None or one.low is None or two.low is None:
        return None
    return are_alike(unpacked(one.draws), unpacked(two.draws))


def _resamples(best: Sequence[_Best], column: str, sight: _Sight) -> dict[int, Resample]:
    """By result; a few of those that are not there, or out of date, are made now."""
    wanted = {b.entry.result: b.standing.score for b in best if b.standing.score is not None}
    found = _fresh(wanted, column, sight)
    missing = [pk for pk in wanted if pk not in found][:RESAMPLED_AT_ONCE]
    for pk in missing:
        resample_safely(pk)
    return found | _fresh({pk: wanted[pk] for pk in missing}, column, sight) if missing else found


def _fresh(wanted: Mapping[int, float | None], column: str, sight: _Sight) -> dict[int, Resample]:
    drawn_of = {"ranking": sight.ranking, "private_crops": sight.private_crops}
    kept = Resample.objects.filter(result__in=wanted, column=column, **drawn_of)
    return {r.result_id: r for r in kept if rounded(r.score) == wanted[r.result_id]}


def _steps(team: Sequence[Entry]) -> Iterable[Step]:
    """A team's scores that beat all of its earlier days."""
    name = board_name(team[0].submission.team, is_anonymous=_is_anonymous(team))
    best = -1.0
    for day, same in groupby(sorted(team, key=lambda e: e.day), key=lambda e: e.day):
        score = max(or_less(entry.public) for entry in same)
        if score > best:
            best = score
            yield Step(day, name, best)
