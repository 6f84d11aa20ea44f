"""The stages of a run that get the data and learn from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from organelle.catalog import Crop, label_path
from organelle.errors import EMMissing, FileMissing, FormatError, OrganelleError
from organelle.experiment.setup import Member, Setup
from organelle.experiment.stages import train_experiment
from organelle.experiment.steps import Stage, State, Step, find_step
from organelle.fetch import FetchPlan, plan_fetch, transfer
from organelle.fetch.moving import missing
from organelle.files import read_json, write_json
from organelle.sampling import open_em
from organelle.stores import Place

MOST_NAMED = 12
"""Crops that a message names."""


@dataclass(frozen=True)
class Fetch:
    """Get what is not here of the crops that the experiments need."""

    setup: Setup
    stage = Stage.FETCH
    experiment = ""

    def look(self, _: Sequence[Step], /) -> Step:
        """Ask the source, if one is given; else see what lies below the data folder."""
        if self.setup.choices.source is not None:
            return self._ask()
        if not isinstance(self.setup.data, Path):
            return self._step(State.DONE, f"read where they are, {self.setup.data}")
        lacking = self._lacking()
        if not lacking:
            return self._step(State.DONE, f"{len(self._crops)} crops are in {self.setup.data}")
        if self.setup.choices.fallback is not None:
            return self._ask()
        numbers = _numbers(lacking)
        return self._step(
            State.NOT_POSSIBLE,
            f"crops {numbers} are not, or not wholly, in {self.setup.data}; name where they are with "
            f"--data, or --source to fetch them, or get them with: csc fetch-data --crops {numbers}",
            lacking,
        )

    def carry_out(self, _: Step, /) -> Iterator[str]:
        """Copy what is missing."""
        plan = self._plan()
        report = transfer(plan, self._folder)
        if plan.absent:
            yield f"{len(plan.absent)} EM chunks are not in the source; they stay unknown"
        yield f"{report.moved} files copied, {report.skipped} were there"

    def _ask(self) -> Step:
        try:
            plan = self._plan()
        except (OrganelleError, OSError) as error:
            return self._step(State.NOT_POSSIBLE, str(error), self._crops)
        todo = missing(plan, self._folder)
        if not todo:
            return self._step(State.DONE, f"{len(self._crops)} crops are in {self.setup.data}")
        keys = {o.key for o in todo}
        crops = [part.crop for part in plan.crops if any(o.key in keys for o in (*part.em, *part.labels))]
        size = sum(o.bytes for o in todo) / 1e6
        what = f"{len(todo)} files, {size:.1f} MB, of {len(crops)} crops, from {plan.origin}"
        return self._step(State.TO_DO, what, crops)

    def _plan(self) -> FetchPlan:
        setup = self.setup
        source = setup.choices.fallback if setup.choices.source is None else setup.choices.source
        padding = setup.choices.padding
        return plan_fetch(
            "" if source is None else source,
            setup.catalog,
            [crop.id for crop in self._crops],
            padding_voxels=padding.voxels,
            padding_nm=padding.nm,
        )

    @property
    def _folder(self) -> Path:
        return Path(str(self.setup.data))

    @property
    def _crops(self) -> list[Crop]:
        """All crops that the stages asked for read, each once."""
        wanted: dict[int, Crop] = {}
        for member in self.setup.members:
            learned = (*member.split.train, *member.split.validate)
            wanted |= {crop.id: crop for crop in (*learned, *self._predicted(member))}
        return list(wanted.values())

    def _lacking(self) -> list[Crop]:
        """Those of them that are not here."""
        wanted: dict[int, Crop] = {}
        for member in self.setup.members:
            place, learned = member.learned_place, (*member.split.train, *member.split.validate)
            wanted |= {c.id: c for c in learned if not (_has_em(place, c) and _has_labels(place, c))}
            wanted |= {c.id: c for c in self._predicted(member) if not _has_em(self.setup.data, c)}
        return list(wanted.values())

    def _predicted(self, member: Member) -> tuple[Crop, ...]:
        return () if self.setup.choices.span.last is Stage.TRAIN else member.predicted

    def _step(self, state: State, what: str, crops: Sequence[Crop] = ()) -> Step:
        return Step(self.stage, self.experiment, state, what, frozenset(crop.id for crop in crops))


@dataclass(frozen=True)
class Train:
    """Learn, or go on learning."""

    setup: Setup
    member: Member
    stage = Stage.TRAIN

    @property
    def experiment(self) -> str:
        """Whose stage it is."""
        return self.member.name

    def look(self, before: Sequence[Step], /) -> Step:
        """Compare the record of the run with the experiment, and the crops with what it learned from."""
        from organelle.train import plan_train

        chosen, split, run = self.member.experiment, self.member.split, self.member.folder
        found = plan_train(
            chosen.model,
            run=run,
            train_crops=split.train,
            validate_crops=split.validate,
            sampling=chosen.sampling,
            settings=chosen.train,
            recipes=chosen.process,
        )
        crops = f"{len(split.train)} crops, {len(split.validate)} held out"
        if not found.begun and run.is_dir() and any(not p.name.startswith(".") for p in run.iterdir()):
            return self._step(
                State.NOT_POSSIBLE, f"{run} is not empty and holds no training run; name another --work"
            )
        if found.differing and not (found.judged_otherwise and found.finished):
            return self._step(
                State.STALE, f"{run} holds a training run with other {', '.join(found.differing)}"
            )
        if not found.finished:
            first = f"goes on at step {found.step} of {found.steps}" if found.step else f"{found.steps} steps"
            return self._step(State.TO_DO, f"{first}, {crops}")
        fetch = find_step(before, Stage.FETCH)
        if not (fetch and fetch.is_pending) and (changed := self._changed()):
            return self._step(
                State.STALE, f"{', '.join(changed[:MOST_NAMED])} changed since {run} learned from it"
            )
        note = "; its held-out crops were judged by other recipes" if found.differing else ""
        return self._step(State.DONE, f"{found.step} steps, {crops}{note}")

    def carry_out(self, step: Step, /) -> Iterator[str]:
        """Train; of another run nothing is kept."""
        stamps = self._stamps()
        report = train_experiment(
            self.member.experiment,
            self.setup.catalog,
            data=self.setup.data,
            work=self.setup.work,
            cache=self.setup.choices.cache,
            cache_bytes=self.setup.choices.cache_bytes,
            overwrite=self.setup.choices.overwrite and step.state is State.STALE,
        )
        write_json(self._seen, stamps, overwrite=True)
        yield from report.notes
        if report.best is not None:
            yield f"mean IoU on held-out crops {report.best:.3f}"

    def remember(self) -> None:
        """Note how the files of crops stand that were found unchanged, so that they need not be read."""
        stamps = self._stamps()
        if stamps != self._noted():
            write_json(self._seen, stamps, overwrite=True)

    @property
    def _seen(self) -> Path:
        return self.setup.records / f"{self.member.name}.seen.json"

    def _noted(self) -> dict[str, str] | None:
        try:
            noted: dict[str, str] = read_json(self._seen)
        except (FileMissing, FormatError):
            return None
        return noted

    def _stamps(self) -> dict[str, str]:
        from organelle.train import data_stamps

        chosen = self.member.experiment
        return data_stamps(
            chosen.model,
            data=self.member.learned_place,
            train_crops=self.member.split.train,
            sampling=chosen.sampling,
        )

    def _changed(self) -> tuple[str, ...]:
        """Crops that are not what the run learned from; those that are not here any more do not count."""
        from organelle.train import changed_crops

        chosen, place = self.member.experiment, self.member.learned_place
        crops = [c for c in self.member.split.train if _has_em(place, c) and _has_labels(place, c)]
        if len(crops) == len(self.member.split.train) and self._stamps() == self._noted():
            return ()
        return changed_crops(
            chosen.model,
            data=place,
            run=self.member.folder,
            train_crops=crops,
            sampling=chosen.sampling,
        )

    def _step(self, state: State, what: str) -> Step:
        return Step(self.stage, self.experiment, state, what)


def _has_labels(place: Place, crop: Crop) -> bool:
    return all(label_path(place, crop, name).is_dir() for name in crop.classes)


def _has_em(place: Place, crop: Crop) -> bool:
    """Whether some EM of the crop is stored; what is missing of it otherwise, its prediction tells."""
    try:
        level = open_em(place, crop).nearest_level(crop.voxel_size_nm)
    except EMMissing:
        return False
    return not level.is_blank(level.grid.box_of(crop.extent, snap="outer"))


def _numbers(crops: Sequence[Crop]) -> str:
    return ",".join(str(crop.id) for crop in crops)
