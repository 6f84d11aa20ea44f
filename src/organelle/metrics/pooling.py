"""From the counts of all rows to scores per class and one number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from organelle.errors import ScoringError
from organelle.metrics.instances import InstanceCounts, PanopticCounts
from organelle.metrics.semantic import SemanticCounts

Counts = SemanticCounts | InstanceCounts | PanopticCounts


@dataclass(frozen=True, slots=True)
class InstanceScore:
    """An instance class over all crops."""

    f1: float
    hausdorff: float
    tp: int
    fp: int
    fn: int

    @property
    def score(self) -> float:
        """The geometric mean of F1 and of the mean Hausdorff term."""
        return math.sqrt(self.f1 * self.hausdorff)


@dataclass(frozen=True, slots=True)
class PanopticScore:
    """An instance class over all crops, as panoptic quality (Kirillov et al. 2019)."""

    sq: float
    """Segmentation quality: mean IoU of the matches; 0 without any."""
    rq: float
    """Recognition quality: tp / (tp + fp / 2 + fn / 2), which is F1."""
    tp: int
    fp: int
    fn: int

    @property
    def score(self) -> float:
        """Their product: the sum of IoU over tp + fp / 2 + fn / 2."""
        return self.sq * self.rq


@dataclass(frozen=True, slots=True)
class SemanticScore:
    """A semantic class over all crops."""

    iou: float
    tp: int
    fp: int
    fn: int

    @property
    def score(self) -> float:
        """The IoU."""
        return self.iou


Score = InstanceScore | PanopticScore | SemanticScore


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores per class, in the order in which the classes were met, and their means."""

    classes: Mapping[str, Score]

    @property
    def overall_instance(self) -> float:
        """Plain mean over the instance classes; 0 without any."""
        return _mean([s.score for s in self.classes.values() if not isinstance(s, SemanticScore)])

    @property
    def overall_semantic(self) -> float:
        """Plain mean over the semantic classes; 0 without any."""
        return _mean([s.score for s in self.classes.values() if isinstance(s, SemanticScore)])

    @property
    def overall(self) -> float:
        """The geometric mean of the two."""
        return math.sqrt(self.overall_instance * self.overall_semantic)


def pool(rows: Iterable[tuple[str, Counts]]) -> Scores:
    """Sum counts per class over all crops and make scores of the sums.

    Args:
        rows: class name and counts of every (crop, class).

    Returns:
        A class in which there is nothing anywhere scores 1; so does one whose every crop was skipped.

    Raises:
        ScoringError: a class was counted in one way in one row and in another way in another.
    """
    gathered: dict[str, list[Counts]] = {}
    for name, counts in rows:
        gathered.setdefault(name, []).append(counts)
    return Scores({name: _score(name, counts) for name, counts in gathered.items()})


def _score(name: str, rows: list[Counts]) -> Score:
    if len({type(row) for row in rows}) > 1:
        raise ScoringError(f"{name} was scored in one way in some crops and in another way in others")
    tp, fp, fn = sum(r.tp for r in rows), sum(r.fp for r in rows), sum(r.fn for r in rows)
    objects = [r for r in rows if isinstance(r, InstanceCounts)]
    if objects:
        n_terms = sum(r.n_hausdorff for r in objects)
        if 2 * tp + fp + fn == 0 and n_terms == 0:
            return InstanceScore(1.0, 1.0, tp, fp, fn)
        f1 = _ratio(2 * tp, 2 * tp + fp + fn)
        return InstanceScore(f1, _ratio(sum(r.hausdorff_norm_sum for r in objects), n_terms), tp, fp, fn)
    if any(isinstance(r, PanopticCounts) for r in rows):
        if tp + fp + fn == 0:
            return PanopticScore(1.0, 1.0, tp, fp, fn)
        iou = math.fsum(r.iou_sum for r in rows if isinstance(r, PanopticCounts))
        return PanopticScore(_ratio(iou, tp), _ratio(2 * tp, 2 * tp + fp + fn), tp, fp, fn)
    return SemanticScore(_ratio(tp, tp + fp + fn) if tp + fp + fn else 1.0, tp, fp, fn)


def _ratio(part: float, of: float) -> float:
    """`part / of`, 0 when there is nothing to divide by."""
    return part / of if of else 0.0


def _mean(numbers: list[float]) -> float:
    return math.fsum(numbers) / len(numbers) if numbers else 0.0
