"""The stages of a run that hand in and score: the zip, the validator, the metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import organelle
from organelle.catalog import Catalog
from organelle.errors import FileMissing, FormatError, OrganelleError, SubmissionError
from organelle.evaluate import evaluate, extended_path, foretell_provenance, write_result
from organelle.experiment.setup import Setup
from organelle.experiment.steps import Stage, State, Step, find_step, find_steps
from organelle.files import read_json, sha256, write_json
from organelle.pack import AssembleSettings, PackSettings, changed_rows, pack, plan_pack
from organelle.submission import validate

MOST_NAMED = 3
"""Rows that a message names."""


@dataclass(frozen=True)
class Pack:
    """Put the rows of all experiments into one zip."""

    setup: Setup
    stage = Stage.PACK
    experiment = ""

    def look(self, before: Sequence[Step], /) -> Step:
        """Compare what would be packed with the lineage of the zip."""
        setup, out = self.setup, self.setup.submission
        if not setup.test_crops:
            return self._step(State.LEFT_OUT, "no test crop lies in the datasets of the experiments")
        late = [step for step in find_steps(before, Stage.PROCESS) if step.crops & setup.test_crops]
        if late and out.exists():
            return self._step(State.STALE, f"{out} was packed before {late[0].name}")
        if late:
            rows = setup.catalog.rows()
            return self._step(State.TO_DO, f"{len(rows)} rows after {late[-1].name}")
        found = look_at_zip(
            setup.catalog, setup.work, out, settings=setup.pack_settings, assemble=setup.assemble
        )
        return self._step(*found)

    def carry_out(self, step: Step, /) -> Iterator[str]:
        """Pack."""
        setup = self.setup
        stale = setup.choices.overwrite and step.state is State.STALE
        report = pack(
            setup.catalog,
            setup.work,
            setup.submission,
            overwrite=stale,
            workers=setup.choices.workers,
            settings=setup.pack_settings,
            assemble=setup.assemble,
        )
        yield report.summary
        yield from report.remarks

    def _step(self, state: State, what: str) -> Step:
        return Step(self.stage, self.experiment, state, what, _changing(state, self.setup))


@dataclass(frozen=True)
class Validate:
    """Let the validator read the zip."""

    setup: Setup
    stage = Stage.VALIDATE
    experiment = ""

    def look(self, before: Sequence[Step], /) -> Step:
        """Whether this zip has been validated, by this version."""
        zipped = zip_state(self.setup, before)
        if zipped is not None:
            return self._step(*zipped)
        if _kept_record(self._noted) == self._record():
            return self._step(State.DONE, "no errors")
        return self._step(State.TO_DO, f"{self.setup.submission.stat().st_size / 1e6:.2f} MB to read")

    def carry_out(self, _: Step, /) -> Iterator[str]:
        """Validate; a zip with errors is an error."""
        record = self._record()
        report = validate(self.setup.submission, self.setup.catalog)
        if report.errors:
            raise SubmissionError("\n".join(str(problem) for problem in report.errors))
        write_json(self._noted, record, overwrite=True)
        yield "no errors"

    @property
    def _noted(self) -> Path:
        return self.setup.records / "validated.json"

    def _record(self) -> dict[str, Any]:
        rows = [[crop.id, name, asdict(crop.grid)] for crop, name in self.setup.catalog.rows()]
        found = {"sha256": sha256(self.setup.submission), "version": organelle.__version__, "rows": rows}
        return dict(_as_json(found))

    def _step(self, state: State, what: str) -> Step:
        return Step(self.stage, self.experiment, state, what)


@dataclass(frozen=True)
class Evaluate:
    """Score the zip by the truth that the user holds."""

    setup: Setup
    truth: Path
    stage = Stage.EVALUATE
    experiment = ""

    @property
    def result(self) -> Path:
        """What is written."""
        return self.setup.work / "result.json"

    def look(self, before: Sequence[Step], /) -> Step:
        """Whether the result that stands there is of this zip and this truth."""
        setup = self.setup
        zipped = zip_state(setup, before)
        if zipped is not None and zipped[0] is State.TO_DO and self.result.exists():
            return self._step(State.STALE, f"{self.result} is the score of another submission")
        if zipped is not None:
            return self._step(*zipped)
        found = look_at_result(self.result, setup.submission, self.truth, setup.catalog, setup.choices.metric)
        return self._step(*found)

    def carry_out(self, _: Step, /) -> Iterator[str]:
        """Score; finished rows are kept in the work folder, so that a kill costs little."""
        setup = self.setup
        result = evaluate(
            setup.submission, self.truth, setup.catalog, metric=setup.choices.metric, work=setup.work
        )
        # What stands there was found to be stale, or half of what is written now.
        write_result(result, self.result, overwrite=True)
        yield f"overall {result.scores.overall:.3f}: {self.result}"

    def _step(self, state: State, what: str) -> Step:
        return Step(self.stage, self.experiment, state, what)


Found = tuple[State, str]


def zip_state(setup: Setup, before: Sequence[Step]) -> Found | None:
    """How a stage stands that needs the zip before it is there; None when it is there, and stays."""
    pack_step = find_step(before, Stage.PACK)
    if not setup.test_crops:
        return State.LEFT_OUT, "there is no submission"
    if pack_step and pack_step.is_pending:
        return State.TO_DO, "after pack"
    if not setup.submission.is_file():
        return State.NOT_POSSIBLE, f"there is no {setup.submission}; leave out --from, so that it is packed"
    return None


def look_at_zip(
    catalog: Catalog,
    work: Path,
    out: Path,
    *,
    settings: PackSettings | None = None,
    assemble: AssembleSettings | None = None,
) -> Found:
    """How the zip `out` stands beside the processed volumes in `work`."""
    try:
        plan = plan_pack(catalog, work, assemble=assemble)
        filled = f"{len(plan.filled)} of {len(plan.rows)} rows filled"
        if not out.exists():
            return State.TO_DO, filled
        changed = changed_rows(plan, out, catalog=catalog.name, settings=settings)
    except FileMissing as error:
        return (State.STALE if out.exists() else State.NOT_POSSIBLE), str(error)
    except OrganelleError as error:
        return State.NOT_POSSIBLE, str(error)
    if not changed:
        return State.DONE, f"{out}, {filled}"
    more = f" and {len(changed) - MOST_NAMED} more" if changed[MOST_NAMED:] else ""
    return State.STALE, f"{out} holds other rows {', '.join(changed[:MOST_NAMED])}{more}"


def look_at_result(result: Path, submission: Path, truth: Path, catalog: Catalog, metric: str) -> Found:
    """How the result of an evaluation stands, by what both of its files say they were made from."""
    try:
        expected = asdict(foretell_provenance(submission, truth, catalog, metric=metric))
    except OrganelleError as error:
        return State.NOT_POSSIBLE, str(error)
    there = [_said(path) for path in (result, extended_path(result)) if path.exists()]
    if any(said != _as_json(expected) for said in there):
        return State.STALE, f"{result} is the score of another submission, or by another truth or version"
    if len(there) < 2:
        return State.TO_DO, f"{submission.name} by {truth}"
    return State.DONE, str(result)


def _said(path: Path) -> Any:
    record = _kept_record(path)
    return record.get("provenance") if isinstance(record, Mapping) else None


def _kept_record(path: Path) -> Any:
    try:
        return read_json(path)
    except (FileMissing, FormatError):
        return None


def _as_json(value: Any) -> Any:
    """The same as it comes back from a JSON file."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, (list, tuple)) else value


def _changing(state: State, setup: Setup) -> frozenset[int]:
    return setup.test_crops if state in (State.TO_DO, State.STALE) else frozenset()
