"""A proposal as an experiment file: only what differs from the defaults, with the reasons as comments."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from organelle.plan.choices import ENOUGH_STEPS, useful_side
from organelle.plan.figures import in_plane
from organelle.plan.groups import THICK
from organelle.plan.proposal import RARE, Proposal
from organelle.plan.survey import Form

GIB = 2**30


def as_toml(proposal: Proposal) -> str:
    """The text of the file; `organelle.experiment.load_experiment` takes it."""
    parts = (_head, _data, _model, _sampling, _train, _predict, _process)
    return "\n\n".join(part(proposal) for part in parts if part(proposal)) + "\n"


def _head(plan: Proposal) -> str:
    how = "Measured" if plan.measured else "Estimated, not measured"
    return (
        f"# {how}: {plan.step_seconds:.3g} s per step, {plan.memory_bytes / GIB:.1f} GiB; {plan.steps} steps "
        f"take about {plan.minutes:g} minutes here, loading aside.\n"
        f"name = {_value(plan.name)}"
    )


def _data(plan: Proposal) -> str:
    held = "held out, to judge by" if plan.validate else "nothing can be held out: no state can be judged"
    return "\n".join(
        (
            "[data]",
            f"datasets = {_list(dict.fromkeys(crop.dataset for crop in plan.group.crops))}",
            f"train = {_list(crop.id for crop in plan.train)}",
            *(
                [f"validate = {_list(crop.id for crop in plan.validate)}  # {held}"]
                if plan.validate
                else [f"# {held}"]
            ),
        )
    )


def _model(plan: Proposal) -> str:
    choice, group = plan.choice, plan.group
    sizes = ", ".join(f"{size:g}" for size in group.voxel_size_nm)
    return "\n".join(
        (
            "[model]",
            f"network = {_value(choice.network)}  # {_why_network(plan)}",
            f"options = {{ {', '.join(f'{k} = {_value(v)}' for k, v in choice.options.items())} }}",
            f"classes = {_list(plan.classes)}",
            f"voxel_size_nm = [{sizes}]  # {_why_voxel_size(plan)}",
            f"patch_shape = {_value(list(choice.patch_shape))}  # {_why_patch(plan)}",
        )
    )


def _why_network(plan: Proposal) -> str:
    if plan.group.form is Form.SECTIONS:
        return "sections are thick and have little in common: one plane at a time"
    if plan.choice.averaged:
        return "voxels are about cubes, but in this time planes are learned better"
    if plan.choice.dimensions == 2:
        return "in this time planes are learned better"
    if plan.group.form is Form.SLABS:
        return "voxels are no cubes: its first step down leaves the coarse axis as it is"
    return "voxels are about cubes"


def _why_voxel_size(plan: Proposal) -> str:
    thin, size = plan.group.thinnest, in_plane(plan.group.voxel_size_nm)
    across = thin.thickness_nm / size
    told = f"{thin.name} is {thin.thickness_nm:.0f} nm thick, {across:.1f} voxels"
    return told if across >= THICK else f"{told}: finer is not stored, or labelled"


def _why_patch(plan: Proposal) -> str:
    nm = f"{plan.choice.side * min(plan.group.voxel_size_nm):.0f} nm"
    if plan.choice.side >= useful_side(plan.group, plan.choice.network):
        return f"{nm}: all that the network looks at, or the crops hold"
    return f"{nm}: a larger one takes too much memory, or leaves fewer than {ENOUGH_STEPS} steps"


def _sampling(plan: Proposal) -> str:
    lines = ["[sampling]", f"batch_size = {plan.choice.batch}"]
    if plan.rare:
        lines.append(f"balanced = 0.8  # {', '.join(plan.rare)}: below {RARE:.0%} of what is known")
    return "\n".join(lines)


def _train(plan: Proposal) -> str:
    lines = ["[train]", f"steps = {plan.steps}", *_loss(plan)]
    if plan.validate:
        lines.append(f"validate_every = {plan.validate_every}  # a tenth of the time at most")
        lines.append(f"validate_megavoxels = {plan.megavoxels:g}")
    return "\n".join(line for line in lines if line != "validate_megavoxels = 4")


def _loss(plan: Proposal) -> list[str]:
    """As the tour's experiments were tuned: weights of rare classes only where there are some."""
    if plan.rare or plan.choice.dimensions == 3:
        return []
    if plan.choice.averaged:
        return ["rare_weight = 4.0  # no class is rare; a mean of three answers is timid", "dice = 0.5"]
    return ["rare_weight = 1.0  # no class is rare: all voxels count alike", "dice = 0.0"]


def _predict(plan: Proposal) -> str:
    if plan.choice.averaged:
        return '[predict]\nplanes = "any"  # across every axis, averaged'
    if plan.choice.dimensions == 2:
        wide = [n if n == 1 else 2 * n for n in plan.choice.patch_shape]
        return f"[predict]\nwindow = {wide}  # more to see than in training"
    return ""


def _process(plan: Proposal) -> str:
    if not {"cell", "pm"} <= set(plan.classes):
        return ""
    return (
        "[process.cell]\n"
        'minus = ["pm"]  # cells touch: only their membranes keep them apart\n'
        "minus_threshold = 0.2  # one hole in a membrane joins two cells\n"
        "grow_nm = 60"
    )


def _list(values: Iterable[Any]) -> str:
    """On one line, or where it is long on several."""
    words = [_value(value) for value in values]
    line = f"[{', '.join(words)}]"
    return line if len(line) <= 90 else f"[\n{_wrapped(words)},\n]"


def _wrapped(words: Sequence[str]) -> str:
    return textwrap.fill(", ".join(words), 100, initial_indent="  ", subsequent_indent="  ")


def _value(value: Any) -> str:
    return json.dumps(value)  # text, numbers and lists are written alike in TOML
