"""What came of a recipe on the validation crops, and the journal in which it is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from organelle.metrics import Counts, InstanceCounts, PanopticCounts, SemanticCounts, pool
from organelle.tune.space import Point

_COUNTS: Mapping[str, type[Counts]] = {
    kind.__name__: kind for kind in (SemanticCounts, InstanceCounts, PanopticCounts)
}
WORST = float("-inf")
"""Worth of a recipe that was stopped."""


@dataclass(frozen=True)
class Trial:
    """One recipe on all crops.

    Attributes:
        point: which.
        counts: of every crop that annotates the class, by its number; empty if the recipe was stopped.
        stopped: why it was: it makes specks.
    """

    point: Point
    counts: Mapping[int, Counts]
    stopped: str = ""

    def score(self, class_name: str, crops: Sequence[int] | None = None) -> float:
        """The metric over all crops, or some, their counts pooled; `WORST` if it was stopped."""
        if self.stopped:
            return WORST
        chosen = self.counts if crops is None else crops
        return pool((class_name, self.counts[crop]) for crop in chosen).classes[class_name].score


class Journal:
    """Trials as lines of a file, each found again by a key that names all that it depends on.

    Lines are added one by one, and survive a kill; half a line does not count. Lines of other settings stay
    where they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, Trial] = {}
        for line in path.read_text().splitlines() if path.is_file() else ():
            try:
                record = json.loads(line)
                self._known[record["key"]] = _trial(record)
            except (ValueError, KeyError, TypeError):
                continue

    def get(self, key: str, point: Point) -> Trial | None:
        """The trial of a key, if it is known; `point` is what it is about."""
        known = self._known.get(key)
        return None if known is None else Trial(point, known.counts, known.stopped)

    def add(self, key: str, trial: Trial, values: Mapping[str, Any], score: float) -> None:
        """Write a trial down; `values` and `score` are for people."""
        record = {
            "key": key,
            "values": dict(values),
            "score": None if score == WORST else score,
            "counts": {str(crop): _record(counts) for crop, counts in trial.counts.items()},
            "stopped": trial.stopped,
        }
        self._known[key] = trial
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as stream:
            if stream.tell() and not self._ends_well():
                stream.write(b"\n")
            stream.write(json.dumps(record).encode() + b"\n")

    def _ends_well(self) -> bool:
        """Whether the last line was not cut off by a kill."""
        with self.path.open("rb") as stream:
            stream.seek(-1, 2)
            return stream.read() == b"\n"


def key_of(made_of: Mapping[str, Any]) -> str:
    """A hash of plain values."""
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _record(counts: Counts) -> dict[str, Any]:
    return {"kind": type(counts).__name__, **asdict(counts)}


def _trial(record: Mapping[str, Any]) -> Trial:
    counts = {
        int(crop): _COUNTS[values["kind"]](**{k: v for k, v in values.items() if k != "kind"})
        for crop, values in record["counts"].items()
    }
    return Trial((), counts, record["stopped"])
