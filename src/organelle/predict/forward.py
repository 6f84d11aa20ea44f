"""A torch network as a plain function on arrays. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError
from organelle.models import ModelSettings
from organelle.predict.region import Forward

if TYPE_CHECKING:
    import torch


def network_forward(
    network: torch.nn.Module,
    spec: ModelSettings,
    *,
    classes: Sequence[str] | None = None,
    mirrors: bool = False,
    device: str = "cpu",
) -> Forward:
    """`network` as a function from one patch (z, y, x) to probabilities (class, z, y, x).

    Patches go through one at a time: some kernels round differently for other batch sizes, and the
    answer must not depend on how patches are grouped.

    Args:
        network: gives logits (batch, class, [z,] y, x); already in evaluation mode. It is moved to `device`.
        spec: its classes, and which axis of the patch it does not see (2D).
        classes: those wanted, in this order; default: all of `spec`.
        mirrors: average over the mirror images along `mirror_axes(spec)`.
        device: where it runs.
    """
    import torch

    network.to(device)
    channels = [spec.classes.index(name) for name in (spec.classes if classes is None else classes)]
    flips = _subsets(mirror_axes(spec)) if mirrors else [()]
    squeezed = 1 if spec.flat_axis is None else spec.flat_axis + 2

    def forward(em: NDArray[np.float32]) -> NDArray[np.float32]:
        patch = torch.from_numpy(np.ascontiguousarray(em)).to(device)
        total = torch.zeros((len(channels), *em.shape), device=device)
        for axes in flips:
            seen = patch.flip(axes)[None, None]
            logits = network(seen if spec.flat_axis is None else seen.squeeze(squeezed))
            answer = logits if spec.flat_axis is None else logits.unsqueeze(squeezed)
            total += torch.sigmoid(answer[0].float())[channels].flip([a + 1 for a in axes])
        return np.asarray((total / len(flips)).cpu().numpy(), np.float32)

    return torch.inference_mode()(forward)


def mirror_axes(spec: ModelSettings) -> tuple[int, ...]:
    """The axes sampled at most twice as coarsely as the finest, without the one a 2D network does not see.

    Along them a mirrored patch is as likely as the patch itself; along thick sections it doubles the work
    for little.
    """
    limit = 2 * min(v for axis, v in enumerate(spec.voxel_size_nm) if axis != spec.flat_axis)
    return tuple(axis for axis, v in enumerate(spec.voxel_size_nm) if axis != spec.flat_axis and v <= limit)


def choose_device(name: str) -> str:
    """`auto` as the device to take; any other name is checked.

    Raises:
        SettingsError: a device that torch does not know or that is not here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f'[predict] device = "{name}" cannot be used: {reason}; try "cpu"') from None
    return name


def _subsets(axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [subset for n in range(len(axes) + 1) for subset in combinations(axes, n)]
