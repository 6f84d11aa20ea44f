"""How far a network looks: measured, not derived, so that it holds for any network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LONGEST = 4096
"""Voxels beyond which a network is said to see everything."""
LEAST = 1e-25
"""Of the largest gradient: less is an attention mask that lets e^-100 through, not a view."""


def receptive_field(
    network: torch.nn.Module, divisor: tuple[int, ...], *, axes: tuple[int, ...] | None = None
) -> tuple[int | None, ...]:
    """Voxels along each axis that can change the network's answer at one voxel, norms aside.

    The gradient of the first logit at the centre by the input is taken on a patch that is long along one
    axis. All weights are positive, so that nothing cancels, biases are 0, maxima are means, and norms pass
    on what they get: they make every answer depend on the whole patch, though hardly. How far a network
    with strides looks differs by a few voxels from place to place; the centre of a patch is taken.

    Args:
        network: changed beyond use: hand in one that was made for this.
        divisor: what its patch sizes must be multiples of, per axis.
        axes: which axes to measure; all by default.

    Returns:
        Voxels per measured axis; None where it is more than `LONGEST`.
    """
    _neutralise(network)
    return tuple(_along(network, divisor, axis) for axis in axes or range(len(divisor)))


def _along(network: torch.nn.Module, divisor: tuple[int, ...], axis: int) -> int | None:
    length = divisor[axis] * -(-128 // divisor[axis])
    while length <= LONGEST:
        seen = _seen(network, [length if a == axis else n for a, n in enumerate(divisor)], axis)
        if not (seen[0] or seen[-1]):
            there = seen.nonzero()[0]
            return int(there[-1] - there[0] + 1)
        length *= 2
    return None


def _seen(network: torch.nn.Module, shape: list[int], axis: int) -> Any:
    """Whether each plane across `axis` of a patch of this shape matters to the centre."""
    import torch

    patch = torch.ones((1, 1, *shape), dtype=torch.float64, requires_grad=True)
    logits = network(patch)
    logits[(0, 0, *(n // 2 for n in shape))].backward()
    assert patch.grad is not None
    across = tuple(a for a in range(len(shape)) if a != axis)
    gradient = patch.grad[0, 0].abs().sum(across).numpy()
    return gradient > LEAST * gradient.max()


def _neutralise(network: torch.nn.Module) -> None:
    """Positive weights of about mean 1 over the inputs of each sum, no biases, no norms, double precision."""
    import torch

    network.double().eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in list(network.modules()):
            for name, child in module.named_children():
                setattr(module, name, _neutral(child))
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if isinstance(weight, torch.Tensor) and weight.ndim > 1:
                random = torch.rand(weight.shape, generator=draw, dtype=weight.dtype)
                weight.copy_((0.5 + random) * weight.shape[0] / weight.numel())
            if isinstance(bias, torch.Tensor):
                bias.zero_()


def _neutral(module: torch.nn.Module) -> torch.nn.Module:
    """Nothing for a norm; a mean for a maximum, whose gradient reaches only one of the voxels it looks at."""
    import torch

    kind: Any = type(module).__name__
    if "Norm" in kind:
        return torch.nn.Identity()
    if kind.startswith("MaxPool"):
        mean: Any = getattr(torch.nn, kind.replace("Max", "Avg"))
        pool: Any = module
        found: torch.nn.Module = mean(pool.kernel_size, pool.stride, pool.padding)
        return found
    return module
