"""Which question the board answers: of all that were asked, the newest one answered for everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from organelle.portal.explorer.collection import the_catalog
from organelle.portal.scoring.models import Question, Result, crops_in
from organelle.portal.submissions.models import Submission, Transition

Key = tuple[str, str, str]
"""Metric, truth, configuration."""

State = Submission.State


@dataclass(frozen=True)
class Answered:
    """A question, and the files that have a result for it."""

    key: Key
    files: frozenset[str]
    private_crops: str = ""
    """Those for which the results were parted."""

    @property
    def metric(self) -> str:
        """Version of the metric."""
        return self.key[0]


@dataclass(frozen=True)
class Choice:
    """The question that the board answers.

    Attributes:
        shown: None while there is no result.
        metrics: versions of the metric that any board can be shown of, the newest first.
        newer_metric: of a newer question that is not answered for everybody yet, else None.
        done: how many published files have a result for that one.
        total: how many files are published.
    """

    shown: Answered | None
    metrics: tuple[str, ...] = ()
    newer_metric: str | None = None
    done: int = 0
    total: int = 0


def published() -> QuerySet[Submission]:
    """Submissions that may stand on the board: scored, and still there while they are scored again."""
    was_scored = Transition.objects.filter(submission=OuterRef("pk"), target=State.SCORED)
    again = Q(Exists(was_scored), state__in=(State.QUEUED, State.SCORING))
    return Submission.objects.filter(Q(state=State.SCORED) | again, publish=True, team__is_banned=False)


def choose_question(metric: str | None = None) -> Choice:
    """The newest question that every published file has a result for that has one for an older question.

    So nobody vanishes from the board while everything is scored anew. With `metric` only questions with that
    version of the metric are looked at; without results for it, `shown` is None.
    """
    files = frozenset(published().values_list("sha256", flat=True))
    current = Question.current()
    asked = _newest_first(files, current.private_crops if current else "")
    shown = _whole(asked if metric is None else [a for a in asked if a.metric == metric])
    metrics = tuple(dict.fromkeys(a.metric for a in asked))
    newer = _newer(asked, shown, current) if metric is None else None
    if newer is None:
        return Choice(shown, metrics, total=len(files))
    return Choice(shown, metrics, newer.metric, len(newer.files), len(files))


def private_crops() -> str:
    """The crops that are private now, as text: results that were parted for others are not shown."""
    current = Question.current()
    return current.private_crops if current else ""


def results_parted_for(private: str) -> QuerySet[Result]:
    """Results whose figures were made with these crops as private ones.

    None at all while this web server is set up to hide a test crop that is not among them: workers that keep
    fewer crops private make nothing public.
    """
    hidden = the_catalog().test_crops.keys() & set(settings.PORTAL.private_crops)
    if hidden - crops_in(private):
        return Result.objects.none()
    return Result.objects.filter(private_crops=private).order_by()


def _newest_first(files: frozenset[str], private: str) -> list[Answered]:
    """Questions with a result of a published file, the one that was asked last first."""
    parted = results_parted_for(private)
    turns = {_key(q): q.turn for q in Question.objects.all()}
    first = parted.values_list("metric", "truth", "configuration").annotate(Min("created"))
    order = {(m, t, c): (turns.get((m, t, c), 0), since) for m, t, c, since in first}
    held: dict[Key, set[str]] = {}
    for sha256, *key in parted.values_list("sha256", "metric", "truth", "configuration"):
        if sha256 in files:
            held.setdefault((key[0], key[1], key[2]), set()).add(sha256)
    newest = sorted(held, key=lambda key: order[key], reverse=True)
    return [Answered(key, frozenset(held[key]), private) for key in newest]


def _whole(asked: Sequence[Answered]) -> Answered | None:
    """The first of `asked` that lacks no file of those behind it."""
    for place, one in enumerate(asked):
        if _files(asked[place + 1 :]) <= one.files:
            return one
    return None


def _files(asked: Iterable[Answered]) -> frozenset[str]:
    return frozenset().union(*(one.files for one in asked))


def _newer(asked: Sequence[Answered], shown: Answered | None, current: Question | None) -> Answered | None:
    """What is asked now, if the board shows something older."""
    if shown is None or not asked:
        return None
    if current is not None and _key(current) != shown.key:
        return next((one for one in asked if one.key == _key(current)), Answered(_key(current), frozenset()))
    return asked[0] if current is None and asked[0] is not shown else None


def _key(question: Question) -> Key:
    return question.metric, question.truth, question.configuration
