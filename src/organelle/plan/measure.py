"""A few real steps in a process of their own: how long they take, and how much memory."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from organelle.catalog import Crop
from organelle.children import Allowance, Job, Why, run_jobs
from organelle.errors import SettingsError
from organelle.geometry import Grid
from organelle.models import ModelSettings
from organelle.sampling import SamplingSettings
from organelle.settings import parse_settings
from organelle.stores import Place, as_place
from organelle.train import TrainSettings

STEPS = 6
"""At most so many steps are timed, after one that warms up."""
SECONDS = 20.0
"""No further step begins so long after the first."""
WALL_SECONDS = 300.0
"""Loading crops and all steps may take so long; a choice that takes longer is too slow for this machine."""


@dataclass(frozen=True)
class Measured:
    """Figures of one choice.

    Attributes:
        step_seconds: median, patches included.
        memory_bytes: the largest that the process held, or that it reserved on the GPU.
        patch_seconds: of predicting one patch.
    """

    step_seconds: float
    memory_bytes: float
    patch_seconds: float


@dataclass(frozen=True)
class TooMuch:
    """Why a choice could not be measured."""

    why: str


def measure(
    model: ModelSettings,
    sampling: SamplingSettings,
    train: TrainSettings,
    crops: Sequence[Crop],
    *,
    data: Place | str,
    threads: int,
    memory_bytes: float,
    gpu: bool,
) -> Measured | TooMuch:
    """Train for a few steps in a child process, which is stopped beyond its memory or `WALL_SECONDS`.

    Args:
        model: what to train.
        sampling: how patches are drawn.
        train: how it learns.
        crops: to draw from; they are held in memory.
        data: where they lie.
        threads: that compute, without a GPU.
        memory_bytes: of the process, or of the GPU, which the child is not held to.
        gpu: whether it trains on one.

    Raises:
        SettingsError: the steps cannot be taken at all.
    """
    arguments = {
        "model": model.model_dump(mode="json"),
        "sampling": sampling.model_dump(mode="json"),
        "train": train.model_dump(mode="json", exclude_unset=True),
        "crops": [_plain(crop) for crop in crops],
        "data": str(data),
        "threads": threads,
    }
    most = (
        1 << 50 if gpu else int(memory_bytes)
    )  # a GPU's driver maps far more addresses than there is memory
    job = Job("steps", arguments, Allowance(most, WALL_SECONDS * max(1, threads), WALL_SECONDS))
    (outcome,) = run_jobs(f"{__name__}:take_steps", [job], workers=1, warm=f"{__name__}:warm")
    if outcome.failure is None:
        return Measured(**outcome.value)
    if outcome.failure.why is Why.ERROR:
        raise SettingsError(f"a trial of {model.network} failed: {outcome.failure}")
    return TooMuch(str(outcome.failure))


def warm() -> None:
    """Load what a step needs, so that only the step's own memory is held against it."""
    import monai.networks.nets  # noqa: F401
    import torch

    import organelle.train.loop  # noqa: F401

    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])  # the first optimiser loads torch's compiler


def take_steps(
    model: Mapping[str, Any],
    sampling: Mapping[str, Any],
    train: Mapping[str, Any],
    crops: Sequence[Mapping[str, Any]],
    data: str,
    threads: int,
) -> dict[str, float]:
    """The child's side of `measure`; arguments and result as JSON holds them."""
    import torch

    from organelle.sampling import PatchStream, class_frequencies, em_statistics, load_crops
    from organelle.train.learner import Learner, choose_precision

    torch.set_num_threads(threads)
    how = parse_settings(SamplingSettings, sampling, "[sampling]")
    settings = parse_settings(TrainSettings, train, "[train]")
    loaded = load_crops(as_place(data), [_crop(c) for c in crops], _model(model), how)
    spec = _model(model).with_normalisation(em_statistics(loaded))
    learner = Learner(spec, settings, class_frequencies(loaded), choose_precision(settings))
    times, begun = [], time.perf_counter()
    for batch in PatchStream(loaded, spec, how, settings.seed).iterate(0, STEPS + 1):
        learner.learn(batch)
        times.append(time.perf_counter())
        if times[-1] - begun > SECONDS:
            break
    steps = sorted(b - a for a, b in zip([begun, *times], times, strict=False))
    return {
        "step_seconds": steps[(len(steps) - 1) // 2],
        "memory_bytes": _most_memory(learner.device),
        "patch_seconds": _patch_seconds(learner),
    }


def _patch_seconds(learner: Any) -> float:
    """Of one patch through the network, forward only: the shorter of two."""
    import torch

    network, found = learner.network.eval(), math.inf
    patch = torch.zeros((1, learner.spec.in_channels, *learner.spec.spatial_shape), device=learner.device)
    for _ in range(2):
        start = time.perf_counter()
        with torch.inference_mode():
            float(network(patch).sum())
        found = min(found, time.perf_counter() - start)
    return found


def _most_memory(device: Any) -> float:
    """The most that this process ever held in memory, or reserved on its GPU."""
    import torch

    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device))
    if os.path.exists("/proc/self/status"):  # noqa: PTH110
        with open("/proc/self/status") as lines:  # noqa: PTH123
            words = next(line for line in lines if line.startswith("VmHWM")).split()
        return 1024.0 * int(words[1])
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # bytes on macOS


def _model(values: Mapping[str, Any]) -> ModelSettings:
    return parse_settings(ModelSettings, values, "[model]")


def _plain(crop: Crop) -> dict[str, Any]:
    grid = crop.grid
    return {
        "id": crop.id,
        "dataset": crop.dataset,
        "grid": [list(grid.voxel_size_nm), list(grid.origin_nm), list(grid.shape)],
        "classes": list(crop.classes),
    }


def _crop(values: Mapping[str, Any]) -> Crop:
    size, origin, shape = (tuple(part) for part in values["grid"])
    return Crop(values["id"], values["dataset"], Grid(size, origin, shape), tuple(values["classes"]))
