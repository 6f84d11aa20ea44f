"""A small experiment on the tiny challenge, and how to run it."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from organelle.catalog import load_catalog
from organelle.experiment import (
    Experiment,
    RunChoices,
    RunPlan,
    RunReport,
    State,
    load_experiment,
    plan_run,
    run_experiments,
)

SMALL = """
name = "{name}"
[data]
train = [11]
validate = [14]
[model]
network = "unet_3d"
classes = {classes}
voxel_size_nm = [8, 8, 8]
patch_shape = [16, 16, 16]
options = {{ features = [4, 4, 4, 4, 4, 4], groups = 2 }}
[sampling]
batch_size = 1
workers = 0
[train]
steps = 2
"""


def experiment(
    folder: Path, more: str = "", *, name: str = "small", classes: str = '["mito", "pm"]'
) -> Experiment:
    """The experiment, as a file says it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(SMALL.format(name=name, classes=classes) + more)
    return load_experiment(path)


def planned(
    chosen: Experiment,
    challenge: Path,
    work: Path,
    choices: RunChoices | None = None,
    data: Path | None = None,
) -> RunPlan:
    """What a run would do."""
    return plan_run(
        chosen, load_catalog(challenge), data=data or challenge / "bucket", work=work, choices=choices
    )


def done(
    chosen: Experiment,
    challenge: Path,
    work: Path,
    choices: RunChoices | None = None,
    data: Path | None = None,
    screen: io.StringIO | None = None,
) -> RunReport:
    """A run, on a screen that nobody sees."""
    console = Console(file=screen or io.StringIO(), width=100)
    return run_experiments(
        chosen,
        load_catalog(challenge),
        data=data or challenge / "bucket",
        work=work,
        choices=choices,
        console=console,
    )


def states(plan: RunPlan) -> dict[str, State]:
    """The state of each stage by its name."""
    return {str(step.stage): step.state for step in plan.steps}


def dates(folder: Path) -> dict[Path, int]:
    """When each file was changed, but for those that say who is at work."""
    return {
        p: p.stat().st_mtime_ns
        for p in folder.rglob("*")
        if p.is_file() and p.suffix != ".lock" and "cache" not in p.parts
    }
