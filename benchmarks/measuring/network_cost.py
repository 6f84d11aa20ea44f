"""How much a network computes per patch, counted on tensors without memory."""

from __future__ import annotations

from organelle.models import ModelSettings, build_network


def training_flops(model: ModelSettings) -> float:
    """Floating-point operations of one patch, forward and backward; a multiplication and an addition are two.

    Counts what PyTorch's counter knows: convolutions and matrix products, not norms and activations.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        network = build_network(model).train()
        patch = torch.empty((1, 1, *model.spatial_shape))
        counter = FlopCounterMode(display=False)
        with counter:
            found = network(patch)
            outputs = found if isinstance(found, (list, tuple)) else [found]
            sum(output.sum() for output in outputs).backward()
    return float(counter.get_total_flops())
