"""The stages of a run that go from crop to crop: prediction, and the objects made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from organelle.catalog import Crop, prediction_path, processed_path
from organelle.errors import OrganelleError, OutputExists
from organelle.experiment.setup import Member, Setup
from organelle.experiment.stages import (
    channels_wanted,
    classes_wanted,
    plan_prediction,
    predict_experiment,
    process_experiment,
)
from organelle.experiment.steps import Stage, State, Step, find_step
from organelle.predict import PredictPlan
from organelle.process import process
from organelle.process.plan import plan_process

PlaceOf = Callable[[Path, Crop, str], Path]


@dataclass(frozen=True)
class Predict:
    """Predict the test crops, and those held out where they are what is scored."""

    setup: Setup
    member: Member
    stage = Stage.PREDICT

    @property
    def experiment(self) -> str:
        """Whose stage it is."""
        return self.member.name

    def look(self, before: Sequence[Step], /) -> Step:
        """Ask the plan of the prediction, for crops whose EM is here, once there is a network."""
        crops = self.member.predicted
        if not crops:
            return self._step(State.LEFT_OUT, "no test crop in its datasets, and none is held out")
        train, fetch = find_step(before, Stage.TRAIN, self.experiment), find_step(before, Stage.FETCH)
        if train and train.is_pending:
            return self._after(train, crops)
        waiting = fetch.crops if fetch and fetch.is_pending else frozenset[int]()
        here = [crop for crop in crops if crop.id not in waiting]
        try:
            parts = self._plan(here).crops if here else ()
        except OutputExists as error:
            return self._step(State.STALE, str(error).partition(";")[0], crops)
        except OrganelleError as error:
            return self._step(State.NOT_POSSIBLE, str(error), crops)
        done = {part.crop for part in parts if not part.classes}
        pending = [crop for crop in crops if crop not in done]
        if not pending:
            return self._step(State.DONE, f"{len(crops)} crops")
        what = []
        if todo := [part for part in parts if part.classes]:
            patches, size = sum(p.patches for p in todo), sum(p.output_bytes for p in todo) / 1e6
            what.append(f"{patches:,} patches in {len(todo)} crops, {size:.1f} MB")
        if late := len(crops) - len(here):
            what.append(f"{late} crops after fetch")
        return self._step(State.TO_DO, "; ".join(what), pending)

    def carry_out(self, step: Step, /) -> Iterator[str]:
        """Predict; those that another network made are replaced."""
        report = predict_experiment(
            self.member.experiment,
            self.setup.catalog,
            [crop.id for crop in self.member.predicted],
            data=self.setup.data,
            work=self.setup.work,
            overwrite=self.setup.choices.overwrite and step.state is State.STALE,
            workers=self.setup.choices.workers,
            scheduler=self.setup.choices.scheduler,
            block_seconds=self.setup.choices.block_seconds,
        )
        yield from report.warnings

    def _plan(self, crops: Sequence[Crop]) -> PredictPlan:
        return plan_prediction(
            self.member.experiment,
            self.setup.catalog,
            [crop.id for crop in crops],
            data=self.setup.data,
            work=self.setup.work,
        )

    def _after(self, train: Step, crops: Sequence[Crop]) -> Step:
        model = self.member.experiment.model
        wanted = {crop: channels_wanted(self.member.experiment, crop) for crop in crops}
        there = _standing(self.setup.work, prediction_path, wanted)
        if there:
            return self._step(
                State.STALE, f"{there[0]} was predicted before {train.name}{_and_more(there)}", crops
            )
        voxels = sum(_voxels(crop, model.voxel_size_nm) for crop in crops) / 1e6
        volumes = sum(map(len, wanted.values()))
        what = f"{volumes} volumes of {len(crops)} crops, {voxels:.1f} Mvoxel, after {train.name}"
        return self._step(State.TO_DO, what, crops)

    def _step(self, state: State, what: str, crops: Sequence[Crop] = ()) -> Step:
        return Step(self.stage, self.experiment, state, what, frozenset(crop.id for crop in crops))


@dataclass(frozen=True)
class Process:
    """Make masks and objects of the predictions."""

    setup: Setup
    member: Member
    stage = Stage.PROCESS

    @property
    def experiment(self) -> str:
        """Whose stage it is."""
        return self.member.name

    def look(self, before: Sequence[Step], /) -> Step:
        """Ask the plan of the processing, for crops whose predictions stay as they are."""
        crops = self.member.predicted
        if not crops:
            return self._step(State.LEFT_OUT, "no crop is predicted")
        predict = find_step(before, Stage.PREDICT, self.experiment)
        waiting = predict.crops if predict and predict.is_pending else frozenset[int]()
        late = [crop for crop in crops if crop.id in waiting]
        wanted = {crop: classes_wanted(self.member.experiment, crop) for crop in late}
        made_before = _standing(self.setup.work, processed_path, wanted)
        try:
            found = self._sort([crop for crop in crops if crop.id not in waiting])
        except OrganelleError as error:
            return self._step(State.NOT_POSSIBLE, str(error), crops)
        changed = [crop for crop in crops if crop.id in waiting or crop in found.crops]
        if found.stale:
            return self._step(State.STALE, found.why, changed)
        if made_before:
            return self._step(
                State.STALE, f"{made_before[0]} was made before {predict and predict.name}", changed
            )
        if not changed:
            return self._step(State.DONE, f"{len(crops)} crops")
        what = [f"{found.volumes} volumes, {found.voxels / 1e6:.1f} Mvoxel"] if found.volumes else []
        what += [f"{sum(map(len, wanted.values()))} volumes after {predict and predict.name}"] if late else []
        return self._step(State.TO_DO, "; ".join(what), changed)

    def carry_out(self, _: Step, /) -> Iterator[str]:
        """Process what is new, and what other recipes or predictions made."""
        found = self._sort(self.member.predicted)
        if found.stale and not self.setup.choices.overwrite:
            raise OutputExists(f"{found.why}; choose another work folder or add --overwrite")
        for crop, name in found.stale:
            yield from self._replace(crop, name)
        report = process_experiment(
            self.member.experiment,
            self.setup.catalog,
            [crop.id for crop in self.member.predicted],
            work=self.setup.work,
            workers=self.setup.choices.workers,
            scheduler=self.setup.choices.scheduler,
            block_seconds=self.setup.choices.block_seconds,
        )
        yield from report.warnings

    def _replace(self, crop: Crop, name: str) -> tuple[str, ...]:
        report = process(
            self.setup.catalog,
            [crop.id],
            work=self.setup.work,
            settings=self.member.experiment.process,
            classes=[name],
            overwrite=True,
            workers=self.setup.choices.workers,
            scheduler=self.setup.choices.scheduler,
            block_seconds=self.setup.choices.block_seconds,
        )
        return report.warnings

    def _sort(self, crops: Sequence[Crop]) -> _Found:
        """What is to be made, and what stands there made otherwise; one volume at a time where need be."""
        try:
            return self._planned(crops)
        except OutputExists:
            found = _Found()
            for crop in crops:
                for name in classes_wanted(self.member.experiment, crop):
                    try:
                        found += self._planned([crop], [name])
                    except OutputExists as error:
                        why = found.why or str(error).partition(";")[0]
                        found += _Found(frozenset([crop]), stale=((crop, name),), why=why)
            return found

    def _planned(self, crops: Sequence[Crop], classes: Sequence[str] | None = None) -> _Found:
        if not crops:
            return _Found()
        plan = plan_process(
            self.setup.catalog,
            [crop.id for crop in crops],
            work=self.setup.work,
            settings=self.member.experiment.process,
            classes=classes or partial(classes_wanted, self.member.experiment),
        )
        touched = {task.crop for task in plan.tasks}
        return _Found(frozenset(c for c in crops if c in touched), len(plan.tasks), plan.voxels)

    def _step(self, state: State, what: str, crops: Sequence[Crop] = ()) -> Step:
        return Step(self.stage, self.experiment, state, what, frozenset(crop.id for crop in crops))


@dataclass(frozen=True)
class _Found:
    """The crops of which volumes will be made, how many new ones, and those that are in the way."""

    crops: frozenset[Crop] = frozenset()
    volumes: int = 0
    voxels: int = 0
    stale: tuple[tuple[Crop, str], ...] = ()
    why: str = ""

    def __add__(self, other: _Found) -> _Found:
        return _Found(
            self.crops | other.crops,
            self.volumes + other.volumes,
            self.voxels + other.voxels,
            self.stale + other.stale,
            other.why or self.why,
        )


def _standing(work: Path, place: PlaceOf, wanted: Mapping[Crop, Sequence[str]]) -> list[Path]:
    """The outputs that are there, however they were made."""
    paths = [place(work, crop, name) for crop, names in wanted.items() for name in names]
    return [path for path in paths if path.exists()]


def _and_more(paths: Sequence[Path]) -> str:
    return f" (and {len(paths) - 1} more)" if paths[1:] else ""


def _voxels(crop: Crop, voxel_size_nm: Sequence[float]) -> float:
    voxels = 1.0
    for start, stop, size in zip(crop.extent.start_nm, crop.extent.stop_nm, voxel_size_nm, strict=True):
        voxels *= (stop - start) / size
    return voxels
