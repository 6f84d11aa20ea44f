"""Which of several results is better, class by class, and whether the crops suffice to say so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.errors import FileMissing, FormatError, ScoringError, did_you_mean
from organelle.metrics import Counts, InstanceCounts, PanopticCounts, SemanticCounts, pool

if TYPE_CHECKING:
    from rich.table import Table

OVERALL = "overall"
"""The row of the overall score."""

Rows = Mapping[int, Mapping[str, Counts]]
"""Crop -> class -> counts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a result gains over the first one in one class, or overall.

    Attributes:
        class_name: the class, or `overall`.
        scores: of every result, the first one first; None where it has none.
        gains: of every other result over the first.
        low: lower ends of their 95 % intervals over crops; None where one crop is all there is.
        high: upper ends.
    """

    class_name: str
    scores: tuple[float | None, ...]
    gains: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]

    def is_certain(self, other: int) -> bool:
        """Whether the interval of a gain leaves 0 out."""
        low, high = self.low[other], self.high[other]
        return low is not None and high is not None and (low > 0 or high < 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences per class, the overall one last."""

    names: tuple[str, ...]
    metric: str
    differences: tuple[Difference, ...]


def compare(results: Sequence[Path | str], *, draws: int = 2000, seed: int = 0) -> Comparison:
    """Compare extended results (`NAME_extended.json`, as `csc evaluate -r` writes them) with the first.

    Intervals come from the bootstrap (Efron 1979): as many crops as there are, drawn with replacement, the
    same for every result, scored anew. They say how much the choice of crops decides; a class that stands
    in one crop has none.

    Args:
        results: two or more files; a public result is taken for the extended one beside it.
        draws: how many times crops are drawn.
        seed: of the drawing.

    Raises:
        FileMissing: a file that is not there.
        FormatError: a file that is no extended result.
        ScoringError: fewer than two, other metric versions, or results about other truths.
    """
    if len(results) < 2:
        raise ScoringError("a comparison needs two results or more")
    loaded = [_load(Path(path)) for path in results]
    _require_comparable(loaded)
    crops = sorted({crop for one in loaded for crop in one.rows})
    classes = list(
        dict.fromkeys(name for one in loaded for name in _scores(one.rows, crops) if name != OVERALL)
    )
    rng = np.random.default_rng(seed)
    drawn = [[crops[i] for i in rng.integers(0, len(crops), len(crops))] for _ in range(draws)]
    whole = [_scores(one.rows, crops) for one in loaded]
    samples = [[_scores(one.rows, choice) for choice in drawn] for one in loaded]
    present = {
        name: sum(any(name in one.rows.get(crop, {}) for one in loaded) for crop in crops) for name in classes
    }
    differences = tuple(
        _difference(name, whole, samples, alone=present.get(name, len(crops)) < 2)
        for name in [*classes, OVERALL]
    )
    return Comparison(tuple(one.name for one in loaded), loaded[0].metric, differences)


def comparison_table(comparison: Comparison) -> Table:
    """The comparison as something that rich prints; gains that the crops leave open are dim."""
    from rich.table import Table
    from rich.text import Text

    first, *others = comparison.names
    table = Table("class", first, title=f"metric {comparison.metric}", title_justify="left", box=None)
    for name in others:
        table.add_column(name, justify="right")
        table.add_column("gain, 95 % over crops", justify="left")
    for row in comparison.differences:
        cells = [Text(_number(row.scores[0]))]
        for i in range(len(others)):
            certain, gain = row.is_certain(i), row.gains[i]
            style = "dim" if not certain or gain is None else "green" if gain > 0 else "red"
            cells += [Text(_number(row.scores[i + 1])), Text(_gain(row, i), style)]
        table.add_row(row.class_name, *cells, end_section=row.class_name == OVERALL)
    return table


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    metric: str
    truth: str
    rows: Rows


def _load(path: Path) -> _Loaded:
    """Counts and provenance of one extended result."""
    beside = path.with_name(f"{path.stem}_extended{path.suffix}")
    file = beside if not path.stem.endswith("_extended") and beside.is_file() else path
    if not file.is_file():
        siblings = [p.name for p in file.parent.glob("*.json")]
        raise FileMissing(f"no result at {file}{did_you_mean(file.name, siblings)}")
    try:
        record: dict[str, Any] = json.loads(file.read_text())
        made = record["provenance"]
        crops = {int(key[4:]): value for key, value in record.items() if key.startswith("crop")}
        rows = {crop: dict(_counts(found)) for crop, found in crops.items()}
        return _Loaded(path.stem.removesuffix("_extended"), made["metric"], made["truth"]["sha256"], rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "make one with: csc evaluate ... -r result.json"
        raise FormatError(f"{file} is no extended result ({error!r}); {remedy}") from None


def _counts(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Counts]]:
    """The counts of the classes of one crop; rows that could not be scored have none."""
    for name, row in found.items():
        if "tp" not in row:
            continue
        tp, fp, fn = int(row["tp"]), int(row["fp"]), int(row["fn"])
        if "n_hausdorff" in row:
            yield name, InstanceCounts(tp, fp, fn, float(row["hausdorff_norm_sum"]), int(row["n_hausdorff"]))
        elif "iou_sum" in row:
            yield name, PanopticCounts(tp, fp, fn, float(row["iou_sum"]))
        else:
            yield name, SemanticCounts(tp, fp, fn)


def _require_comparable(loaded: Sequence[_Loaded]) -> None:
    first = loaded[0]
    for other in loaded[1:]:
        if other.metric != first.metric:
            raise ScoringError(
                f"{first.name} was scored with metric {first.metric}, {other.name} with {other.metric}; "
                "score both with the same: csc evaluate --metric"
            )
        if other.truth != first.truth:
            raise ScoringError(
                f"{first.name} and {other.name} were scored against different truths; score both against one"
            )


def _scores(rows: Rows, crops: Sequence[int]) -> dict[str, float]:
    """Scores per class and overall, of crops some of which may be there several times."""
    scores = pool((name, counts) for crop in crops for name, counts in rows.get(crop, {}).items())
    return {name: score.score for name, score in scores.classes.items()} | {OVERALL: scores.overall}


def _difference(
    name: str,
    whole: Sequence[Mapping[str, float]],
    samples: Sequence[Sequence[Mapping[str, float]]],
    *,
    alone: bool,
) -> Difference:
    gains, low, high = [], [], []
    for other in range(1, len(whole)):
        before, after = whole[0].get(name), whole[other].get(name)
        gains.append(None if before is None or after is None else after - before)
        pairs = zip(samples[0], samples[other], strict=True)
        drawn = [b[name] - a[name] for a, b in pairs if name in a and name in b]
        known = bool(drawn) and not alone
        low.append(float(np.quantile(drawn, 0.025)) if known else None)
        high.append(float(np.quantile(drawn, 0.975)) if known else None)
    return Difference(name, tuple(s.get(name) for s in whole), tuple(gains), tuple(low), tuple(high))


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def _gain(row: Difference, other: int) -> str:
    gain, low, high = row.gains[other], row.low[other], row.high[other]
    if gain is None:
        return "-"
    interval = "one crop" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
    return f"{gain:+.3f} ({interval})"
