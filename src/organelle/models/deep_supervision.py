"""Learning at several resolutions at once: what comes out, how much it counts, what it is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def supervised_outputs(outputs: Tensor | tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor, ...]:
    """What a network gave, finest first: one tensor without deep supervision, several with it."""
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def deep_supervision_weights(outputs: int) -> tuple[float, ...]:
    """Weight of each output's loss, finest first: 1, 1/2, 1/4, ..., over their sum (Isensee et al. 2021)."""
    shares = [0.5**level for level in range(outputs)]
    return tuple(share / sum(shares) for share in shares)


def coarsen_target(
    target: Tensor, known: Tensor, shape: Iterable[int], amounts: Sequence[bool] = ()
) -> tuple[Tensor, Tensor]:
    """Target and known voxels as an output of deep supervision sees them.

    A coarse voxel is known when at least half of the voxels in it are. It is present when at least half of
    those known are; an amount is their mean.

    Args:
        target: [batch, channel, (z,) y, x], 0 or 1 or an amount, any type.
        known: the same shape, bool; where it is false NaN does no harm.
        shape: the coarse (z,) y, x, which divide the fine ones.
        amounts: per channel whether it is one; default: none is.

    Returns:
        Target, float32, and known, bool, both [batch, channel] and `shape`; at full size what was given.
    """
    import torch

    size = tuple(shape)
    if size == tuple(target.shape[2:]):
        return target, known
    pool: Any = getattr(torch.nn.functional, f"adaptive_avg_pool{len(size)}d")
    there = known.float()
    known_share = pool(there, size)
    least = torch.finfo(torch.float32).tiny  # where nothing is known 0 / least is 0, not NaN
    mean = pool(torch.where(known, target, 0).float(), size) / known_share.clamp_min(least)
    coarse = ((mean >= 0.5) & (known_share > 0)).float()
    if any(amounts):
        chosen = torch.tensor(list(amounts), device=mean.device).view(1, -1, *[1] * len(size))
        coarse = torch.where(chosen, mean, coarse)
    return coarse, known_share >= 0.5
