"""A scored submission on the bench again: its rows are looked at by the same processes that scored them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from organelle.catalog import Catalog
from organelle.children import Job
from organelle.children.child import resolve
from organelle.evaluate import judge
from organelle.evaluate.allowances import scoring_allowance
from organelle.evaluate.crew import Crew
from organelle.evaluate.explain import ExplainedRow
from organelle.evaluate.records import STOPPED, Result, Row
from organelle.evaluate.rows import PlannedRow
from organelle.evaluate.slices import Plane
from organelle.evaluate.truth import Truth
from organelle.metrics import Fault
from organelle.stores import Place, as_place
from organelle.submission import Submission

EXPLAINING_BYTES = 32
"""A voxel, beyond truth and prediction: faults, their pieces and what is drawn take more than scoring."""

Planes = tuple[Plane, ...]


@dataclass(frozen=True, slots=True)
class Pictures:
    """Planes of one row, or of each of its faults, and whether there was EM to show."""

    planes: tuple[Planes, ...]
    has_em: bool


@dataclass(frozen=True, slots=True)
class Bench:
    """What was scored, and the child processes that look at it; with a crew of 0 this process alone."""

    catalog: Catalog
    truth: Truth
    submission: Submission
    crew: Crew = field(default_factory=Crew)

    def planned(self, row: Row | ExplainedRow) -> PlannedRow:
        """The plan of a row; without a grid when the catalog does not know its crop."""
        crop = self.catalog.test_crops.get(row.crop_id)
        return PlannedRow(row.crop_id, row.class_name, row.kind, crop.grid if crop else None)

    def explain(self, result: Result) -> Iterator[ExplainedRow]:
        """Every fault of every row, row by row in the order of the result; see `explain_row`."""
        asked = {row.place: row for row in result.rows}
        records = dict(self._ask_for_faults(asked.values(), result.provenance.metric))
        left = [row for place, row in asked.items() if place not in records]
        # what runs away now, though it was scored, is explained like a row that was stopped
        records |= dict(self._ask_for_faults(left, result.provenance.metric, status=STOPPED))
        for place in asked:
            record = records.get(place)
            if record is not None:
                yield ExplainedRow.from_record(record)

    def draw_rows(self, rows: Iterable[Row], data: Place | str | None) -> Iterator[tuple[str, Pictures]]:
        """Place of a row and its three planes, in any order; rows that run away have none."""
        yield from self._draw(((row, row.status, None) for row in rows), data)

    def draw_faults(
        self, faults: Mapping[ExplainedRow, Sequence[Fault]], data: Place | str | None
    ) -> Iterator[tuple[str, Pictures]]:
        """Place of a row and three planes for each of its faults, in any order."""
        yield from self._draw(((row, row.status, found) for row, found in faults.items()), data)

    def _ask_for_faults(
        self, rows: Iterable[Row], metric: str, status: str = ""
    ) -> Iterator[tuple[str, dict[str, Any] | None]]:
        asked = [(self.planned(row), {"status": status or row.status, "metric": metric}) for row in rows]
        yield from self._ask(judge.EXPLAIN, asked)

    def _draw(
        self,
        asked: Iterable[tuple[Row | ExplainedRow, str, Sequence[Fault] | None]],
        data: Place | str | None,
    ) -> Iterator[tuple[str, Pictures]]:
        place = None if data is None else str(as_place(data).resolve())
        questions = []
        for row, status, faults in asked:
            records = None if faults is None else [asdict(fault) for fault in faults]
            others = {"status": status, "data": place, "faults": records}
            others["dataset"] = self.catalog.crop(row.crop_id).dataset
            questions.append((self.planned(row), others))
        for name, found in self._ask(judge.DRAW, questions):
            planes = tuple(tuple(map(Plane.from_record, three)) for three in found["planes"])
            yield name, Pictures(planes, found["has_em"])

    def _ask(
        self, call: str, asked: Sequence[tuple[PlannedRow, dict[str, Any]]]
    ) -> Iterator[tuple[str, Any]]:
        """Place and answer of all that could be answered, in any order."""
        jobs = []
        for planned, others in asked:
            arguments = judge.arguments(planned, self.submission, self.truth, **others)
            allowance = scoring_allowance(planned, self.truth, self.submission, EXPLAINING_BYTES)
            jobs.append(Job(planned.place, arguments, allowance))
        if self.crew.workers == 0:
            try:
                yield from ((job.key, resolve(call)(**job.arguments)) for job in jobs)
            finally:
                judge.forget()
            return
        for outcome in self.crew.run(call, jobs):
            if outcome.failure is None:
                yield outcome.key, outcome.value
