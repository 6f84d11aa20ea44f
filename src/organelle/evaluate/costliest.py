"""What each fault cost: the score that would be reached if it alone were right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from organelle.evaluate.explain import ExplainedRow
from organelle.evaluate.records import SKIPPED, Result
from organelle.metrics import (
    Change,
    Counts,
    Fault,
    InstanceCounts,
    InstanceScore,
    PanopticCounts,
    Score,
    Scores,
    SemanticScore,
    pool,
    put_right,
)

MOST = 40
"""Faults in the list of the costliest."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost in a class or in a crop.

    Attributes:
        gain: The overall score if everything in it were right, minus the overall score.
        share: This gain as a part of the sum of the gains of all classes (or of all crops). The overall
            score is a geometric mean of means, so the gains themselves need not add up to what is missing
            to 1; the shares do add up to 1.
        by_kind: The share by kinds of faults, in proportion to what each kind alone would gain; for a row
            that was lost as a whole the kind is its status.
    """

    name: str
    gain: float
    share: float
    by_kind: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """One fault, or a row that was lost as a whole (`fault` is None), and what the scores gain without it."""

    row: ExplainedRow
    fault: Fault | None
    change: Change
    gain: float
    class_gain: float

    @property
    def kind(self) -> str:
        """The kind of the fault, or the status of the row."""
        return self.fault.kind if self.fault else self.row.status

    @property
    def is_remainder(self) -> bool:
        """Whether this is many small faults together."""
        return self.fault is not None and self.fault.gathered > 1


@dataclass(frozen=True, slots=True)
class Unskipped:
    """What scores would be if a row that the metric skipped counted like any other."""

    row: ExplainedRow
    class_score: float
    overall: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the points of a result were lost; `classes` and `crops` are sorted by their loss.

    Attributes:
        measure: What gains are gains of: `overall_score`, or where that is 0 whatever one does, because the
            truth has only instance or only semantic classes, the mean of those.
        overall: The value of the measure.
        remainders: What is too small to be listed on its own, by row and kind, costliest first.
    """

    metric: str
    measure: str
    overall: float
    rows: tuple[ExplainedRow, ...]
    classes: tuple[Loss, ...]
    crops: tuple[Loss, ...]
    costliest: tuple[Cost, ...]
    remainders: tuple[Cost, ...]
    unskipped: tuple[Unskipped, ...]


def costliest(rows: Iterable[ExplainedRow], result: Result, *, most: int = MOST) -> Explanation:
    """Sort faults by what the overall score would gain, classes and crops by their loss.

    Args:
        rows: Explained rows of `result`, by the version of the metric that it is about.
        result: Gives the counts that are changed, and pooled again.
        most: How many faults are listed. Equal gains stand in the order of gain of the class, crop, class,
            kind and place.
    """
    explained = tuple(rows)
    counts = {row.place: row.counts for row in result.rows if row.counts is not None}
    ledger = Ledger((row.class_name, row.counts) for row in result.rows if row.counts is not None)
    changes = [
        (row, fault, change)
        for row in explained
        if row.place in counts
        for fault, change in _changes(row, counts[row.place])
    ]
    costs = [
        Cost(row, fault, change, ledger.gain({row.class_name: change}), ledger.class_gain(row, change))
        for row, fault, change in changes
    ]
    listed = sorted((cost for cost in costs if cost.class_gain > 0), key=_order)
    single = [cost for cost in listed if not cost.is_remainder]
    return Explanation(
        result.provenance.metric,
        ledger.measure,
        ledger.value(ledger.scores),
        explained,
        _losses(costs, ledger, lambda cost: cost.row.class_name),
        _losses(costs, ledger, lambda cost: f"crop {cost.row.crop_id}"),
        tuple(single[:most]),
        tuple(cost for cost in listed if cost.is_remainder),
        tuple(_unskipped(explained, counts, ledger)),
    )


def perfect_gains(scores: Scores) -> dict[str, float]:
    """What the overall score would gain for each class if that were perfect; follows from scores alone."""
    measure, gains = measure_of(scores), {}
    for name, score in scores.classes.items():
        best: Score = SemanticScore(1.0, 1, 0, 0)
        if not isinstance(score, SemanticScore):
            best = InstanceScore(1.0, 1.0, 1, 0, 0)
        perfect = Scores({**scores.classes, name: best})
        gains[name] = _VALUES[measure](perfect) - _VALUES[measure](scores)
    return gains


_VALUES: dict[str, Callable[[Scores], float]] = {
    "overall_score": lambda scores: scores.overall,
    "overall_instance_score": lambda scores: scores.overall_instance,
    "overall_semantic_score": lambda scores: scores.overall_semantic,
}


def measure_of(scores: Scores) -> str:
    """What gains are gains of; see `Explanation`."""
    semantic = {isinstance(score, SemanticScore) for score in scores.classes.values()}
    if len(semantic) == 1:
        return "overall_semantic_score" if semantic.pop() else "overall_instance_score"
    return "overall_score"


class Ledger:
    """The counts of a result, pooled, and what scores become when some of them change."""

    def __init__(self, rows: Iterable[tuple[str, Counts]]) -> None:
        counted = list(rows)
        self.scores = pool(counted)
        self.measure = measure_of(self.scores)
        self.value = _VALUES[self.measure]
        self._totals: dict[str, Counts] = {}
        for name, counts in counted:
            before = self._totals.get(name)
            self._totals[name] = put_right(before, as_change(counts)) if before else counts
        self._known: dict[tuple[str, Change], float] = {}

    def with_changes(self, changes: Mapping[str, Change]) -> Scores:
        """The scores after changes to the counts of classes."""
        changed = [(name, put_right(self._totals[name], change)) for name, change in changes.items()]
        return Scores({**self.scores.classes, **pool(changed).classes})

    def gain(self, changes: Mapping[str, Change]) -> float:
        """What the measure, as a rule the overall score, gains."""
        if len(changes) != 1:
            return self.value(self.with_changes(changes)) - self.value(self.scores)
        (key,) = changes.items()
        if key not in self._known:
            self._known[key] = self.value(self.with_changes(changes)) - self.value(self.scores)
        return self._known[key]

    def class_gain(self, row: ExplainedRow, change: Change) -> float:
        """What the score of the row's class gains."""
        name = row.class_name
        changed = pool([(name, put_right(self._totals[name], change))])
        return changed.classes[name].score - self.scores.classes[name].score


def as_change(counts: Counts) -> Change:
    """What the counts add to counts of nothing."""
    if isinstance(counts, InstanceCounts):
        return Change(counts.tp, counts.fp, counts.fn, counts.hausdorff_norm_sum, counts.n_hausdorff)
    if isinstance(counts, PanopticCounts):
        return Change(counts.tp, counts.fp, counts.fn, counts.iou_sum)
    return Change(counts.tp, counts.fp, counts.fn)


def _changes(row: ExplainedRow, counts: Counts) -> Iterable[tuple[Fault | None, Change]]:
    """Every fault of a row with its change; a row lost as a whole is one."""
    if row.status == "scored":
        return ((fault, fault.change) for fault in row.faults)
    lost = as_change(row.perfect) + -as_change(counts)
    return () if lost == Change() else ((None, lost),)


def _order(cost: Cost) -> tuple[object, ...]:
    place = cost.fault.voxel if cost.fault else ()
    return -cost.gain, -cost.class_gain, cost.row.crop_id, cost.row.class_name, cost.kind, place


def _losses(costs: Sequence[Cost], ledger: Ledger, name_of: Callable[[Cost], str]) -> tuple[Loss, ...]:
    groups: dict[str, list[Cost]] = {}
    for cost in costs:
        groups.setdefault(name_of(cost), []).append(cost)
    gains = {name: ledger.gain(_together(group)) for name, group in groups.items()}
    total = sum(gains.values())
    losses = []
    for name, group in groups.items():
        share = gains[name] / total if total > 0 else 0.0
        losses.append(Loss(name, gains[name], share, _by_kind(group, ledger, share)))
    return tuple(sorted(losses, key=lambda loss: (-loss.gain, loss.name)))


def _by_kind(costs: Sequence[Cost], ledger: Ledger, share: float) -> dict[str, float]:
    kinds = dict.fromkeys(sorted(cost.kind for cost in costs))
    gains = {
        kind: max(ledger.gain(_together(cost for cost in costs if cost.kind == kind)), 0.0) for kind in kinds
    }
    total = sum(gains.values())
    return {kind: share * gain / total for kind, gain in gains.items()} if total > 0 else {}


def _together(costs: Iterable[Cost]) -> dict[str, Change]:
    """The changes of many costs, by class."""
    changes: dict[str, Change] = {}
    for cost in costs:
        name = cost.row.class_name
        changes[name] = changes.get(name, Change()) + cost.change
    return changes


def _unskipped(
    rows: Iterable[ExplainedRow], counts: Mapping[str, Counts], ledger: Ledger
) -> Iterable[Unskipped]:
    for row in rows:
        if row.status == SKIPPED and row.without_limit is not None:
            change = as_change(row.without_limit) + -as_change(counts[row.place])
            scores = ledger.with_changes({row.class_name: change})
            yield Unskipped(row, scores.classes[row.class_name].score, ledger.value(scores))
