"""From wanted classes to experiment files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from organelle.catalog import Catalog, make_datasplit
from organelle.children import available_memory, cores
from organelle.errors import SettingsError, require_module
from organelle.experiment import load_experiment
from organelle.files import refuse_existing, whole, write_json
from organelle.plan.choices import Choice
from organelle.plan.fitting import Machine, fit, guessed
from organelle.plan.groups import Group, form_groups
from organelle.plan.measure import Measured, TooMuch, measure
from organelle.plan.proposal import Proposal, measured_crops
from organelle.plan.survey import Survey, survey
from organelle.plan.toml import as_toml
from organelle.progress import track
from organelle.sampling import SamplingSettings
from organelle.stores import Place
from organelle.train import TrainSettings

FREE = 0.8
"""Share of the memory that is free which a run may take."""
VALIDATE_RATIO = 0.25
"""Share of the crops that is held out."""


@dataclass(frozen=True)
class PlanReport:
    """What was proposed.

    Attributes:
        folder: holds one TOML file per experiment, and `plan.json`.
        proposals: one per file, finest voxels first.
        machine: that they are made for.
        notes: what was left out, and what else should be known; a line each.
    """

    folder: Path
    proposals: tuple[Proposal, ...]
    machine: Machine
    notes: tuple[str, ...] = ()

    def file(self, proposal: Proposal) -> Path:
        """The experiment file of a proposal."""
        return self.folder / f"{proposal.name}.toml"


def plan(
    catalog: Catalog,
    classes: Iterable[str],
    *,
    data: Place | str,
    output: Path | str,
    datasets: Iterable[str] | None = None,
    crops: str | Iterable[str | int] | None = None,
    minutes: float = 60.0,
    memory_bytes: float | None = None,
    measured: bool = True,
    overwrite: bool = False,
) -> PlanReport:
    """Propose experiments for some classes: look at their crops and at this machine, try a few steps, write.

    Args:
        catalog: what exists.
        classes: to be learned.
        data: folder or address of EM and labels.
        output: folder for the experiment files.
        datasets: names; default: all.
        crops: as `Catalog.select` takes them; default: all that are below `data`.
        minutes: that each training may take.
        memory_bytes: that a training may take; default: most of what is free, on a GPU of its own memory.
        measured: take real steps; otherwise time and memory are estimated.
        overwrite: replace the folder.

    Raises:
        OutputExists: `output` is there.
        NotFound: a name that is not known, a class without a crop, labels that are not here.
        EMMissing: crops without EM.
        SettingsError: a class that is known or present nowhere, or nothing that fits into memory.
    """
    refuse_existing(output, overwrite=overwrite)
    if minutes <= 0:
        raise SettingsError(f"training cannot take {minutes:g} minutes; give more than 0")
    require_module("torch", "train")
    machine = _this_machine(memory_bytes)
    surveys = survey(catalog, classes, data=data, datasets=datasets, crops=crops)
    groups = [group for found in surveys for group in form_groups(found)]
    one = partial(_propose, catalog, machine=machine, data=data, minutes=minutes, measured=measured)
    proposals = tuple(one(group) for group in track(groups, "planning"))
    with whole(output, overwrite=overwrite) as part:
        part.mkdir()
        for proposal in proposals:
            path = part / f"{proposal.name}.toml"
            path.write_text(as_toml(proposal), encoding="utf-8")
            load_experiment(path)
        write_json(part / "plan.json", _record(surveys, proposals, machine))
    return PlanReport(Path(output), proposals, machine, _notes(surveys, proposals, machine))


def _this_machine(memory_bytes: float | None) -> Machine:
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if memory_bytes is None:
        memory_bytes = FREE * (torch.cuda.mem_get_info(0)[0] if gpus else available_memory())
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(int(asked), cores()) if asked.isdigit() and int(asked) else cores()
    return Machine(threads, memory_bytes, gpus)


def _propose(
    catalog: Catalog, group: Group, *, machine: Machine, data: Place | str, minutes: float, measured: bool
) -> Proposal:
    from organelle.plan.estimates import estimate

    names = tuple(figures.name for figures in group.classes)
    split = make_datasplit(
        catalog,
        classes=names,
        crops=[crop.id for crop in group.crops],
        validate_ratio=VALIDATE_RATIO,
        stratify=True,
    )
    estimated = partial(estimate, classes=names, cores=machine.cores, gpu=machine.gpus > 0)

    def trial(choice: Choice) -> Measured | TooMuch:
        return measure(
            choice.model(names),
            SamplingSettings(batch_size=choice.batch),
            TrainSettings(),
            measured_crops(split.train),
            data=data,
            threads=machine.cores,
            memory_bytes=machine.memory_bytes,
            gpu=machine.gpus > 0,
        )

    seconds = 60 * minutes
    fitted = (
        fit(group, machine, seconds, estimated, trial)
        if measured
        else guessed(group, machine, seconds, estimated)
    )
    choice, found = fitted
    return Proposal(group, choice, split.train, split.validate, minutes, **asdict(found), measured=measured)


def _notes(surveys: Iterable[Survey], proposals: Iterable[Proposal], machine: Machine) -> tuple[str, ...]:
    notes = [note for found in surveys for note in found.notes]
    for plan in proposals:
        if not plan.validate:
            notes.append(f"{plan.name}: its crops share volume or are one, so none can be held out")
        if plan.steps < 200:
            notes.append(f"{plan.name}: {plan.steps} steps are few; allow more minutes, or fewer classes")
    if machine.gpus > 1:
        notes.append(
            f"{machine.gpus} GPUs are here, figures are of one: torchrun --nproc-per-node {machine.gpus} ... "
            "shares each batch among them"
        )
    return tuple(dict.fromkeys(notes))


def _record(surveys: Iterable[Survey], proposals: Iterable[Proposal], machine: Machine) -> dict[str, Any]:
    """All figures, for programs."""
    return {
        "machine": asdict(machine),
        "classes": [{"form": str(one.form), **asdict(figures)} for one in surveys for figures in one.classes],
        "experiments": [
            {
                "name": plan.name,
                "classes": list(plan.classes),
                "steps": plan.steps,
                "step_seconds": plan.step_seconds,
                "memory_bytes": plan.memory_bytes,
                "patch_seconds": plan.patch_seconds,
                "measured": plan.measured,
            }
            for plan in proposals
        ],
    }
