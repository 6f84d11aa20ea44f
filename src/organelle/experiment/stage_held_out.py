"""The score of an experiment on the crops that it held out: their labels as truth, a zip of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organelle.catalog import label_path, load_catalog
from organelle.errors import FileMissing, FormatError
from organelle.evaluate import evaluate, make_truth, write_result
from organelle.experiment.setup import Member, Setup
from organelle.experiment.stage_submission import Found, look_at_result, look_at_zip
from organelle.experiment.steps import Stage, State, Step, find_step
from organelle.files import read_json, sha256, write_json
from organelle.pack import pack


@dataclass(frozen=True)
class EvaluateHeldOut:
    """Score one experiment on its held-out crops, in a folder of their own."""

    setup: Setup
    member: Member
    stage = Stage.EVALUATE

    @property
    def experiment(self) -> str:
        """Whose stage it is."""
        return self.member.name

    @property
    def result(self) -> Path:
        """What is written."""
        return self.member.home / "result.json"

    def look(self, before: Sequence[Step], /) -> Step:
        """Compare labels with the truth made of them, the zip with the volumes, the result with both."""
        rows = self._rows()
        if not rows:
            return self._step(
                State.NOT_POSSIBLE,
                "no crop with its classes is held out; name some under validate in [data], or a truth of the "
                "test crops: --truth-path",
            )
        if self._is_other_truth():
            return self._step(State.STALE, f"{self._challenge} was made of other labels, crops or classes")
        process = find_step(before, Stage.PROCESS, self.experiment)
        late = process and process.is_pending and process.crops & {crop for crop, _ in rows}
        if late and self._zip.exists():
            return self._step(State.STALE, f"{self._zip} was packed before {process and process.name}")
        if late or not self._has_truth():
            after = f" after {process.name}" if late and process else ""
            return self._step(State.TO_DO, f"{len(rows)} rows of crops held out{after}")
        return self._step(*self._standing(len(rows)))

    def carry_out(self, _: Step, /) -> Iterator[str]:
        """Make the truth, the zip and the result, those of them that are not there."""
        if self._is_other_truth() or not self._has_truth():
            self._make_truth()
        challenge = load_catalog(self._challenge)
        packed = look_at_zip(challenge, self.setup.work, self._zip)[0] is State.DONE
        if not packed:
            choices = self.setup.choices
            pack(
                challenge,
                self.setup.work,
                self._zip,
                overwrite=choices.overwrite,
                workers=choices.workers,
            )
        result = evaluate(
            self._zip, self._truth, challenge, metric=self.setup.choices.metric, work=self.setup.work
        )
        # What stands there was found to be stale, or half of what is written now.
        write_result(result, self.result, overwrite=True)
        yield f"overall {result.scores.overall:.3f} on crops held out: {self.result}"

    def _standing(self, rows: int) -> Found:
        challenge = load_catalog(self._challenge)
        state, what = look_at_zip(challenge, self.setup.work, self._zip)
        if state is State.TO_DO:
            return state, f"{rows} rows of crops held out"
        if state is not State.DONE:
            return state, what
        return look_at_result(self.result, self._zip, self._truth, challenge, self.setup.choices.metric)

    @property
    def _challenge(self) -> Path:
        return self.member.home / "challenge"

    @property
    def _truth(self) -> Path:
        return self._challenge / "truth.zarr"

    @property
    def _zip(self) -> Path:
        return self.member.home / "submission.zip"

    @property
    def _made_of(self) -> Path:
        return self.member.home / "challenge.json"

    def _rows(self) -> list[tuple[int, str]]:
        classes = self.member.experiment.model.classes
        return [(c.id, name) for c in self.member.split.validate for name in c.classes if name in classes]

    def _has_truth(self) -> bool:
        return self._challenge.is_dir() and self._made_of.is_file()

    def _is_other_truth(self) -> bool:
        if not self._has_truth():
            return False
        try:
            return bool(read_json(self._made_of) != self._record())
        except (FileMissing, FormatError):
            return True

    def _make_truth(self) -> None:
        record = self._record()
        self._made_of.unlink(missing_ok=True)  # until the new one is whole, there is none
        make_truth(
            self.setup.catalog,
            sorted({crop for crop, _ in self._rows()}),
            data=self.member.learned_place,
            out=self._challenge,
            classes=self.member.experiment.model.classes,
            overwrite=True,
        )
        write_json(self._made_of, record)

    def _record(self) -> dict[str, Any]:
        """What the truth depends on; labels on a server count as they are named."""
        place = self.member.learned_place
        record: dict[str, Any] = {"classes": sorted(self.member.experiment.model.classes), "labels": {}}
        for number, name in self._rows():
            path = label_path(place, self.setup.catalog.crop(number), name)
            known = sha256(path) if isinstance(path, Path) else str(path)
            record["labels"][f"crop{number}/{name}"] = known
        return record

    def _step(self, state: State, what: str) -> Step:
        crops = frozenset(crop for crop, _ in self._rows())
        return Step(self.stage, self.experiment, state, what, crops)
