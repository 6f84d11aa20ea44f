"""A torch network as a function on arrays. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from organelle.errors import SettingsError
from organelle.models import ModelSettings
from organelle.models.outputs import Activation
from organelle.predict.averaging import Answer

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "mixed"]


def torch_answer(
    network: torch.nn.Module,
    spec: ModelSettings,
    channels: Sequence[int],
    *,
    device: str = "cpu",
    precision: Precision = "float32",
) -> Answer:
    """The activated `channels` of what `network` gives, each computed from its own logits alone.

    Args:
        network: gives logits (batch, channel, [z,] y, x), in evaluation mode. It is moved to `device`.
        spec: its channels, and which axis of the patch it does not see (2D).
        channels: those wanted, by index, in this order.
        device: where it runs.
        precision: `mixed` lets CUDA compute convolutions in half precision.

    Raises:
        SettingsError: mixed precision anywhere but on CUDA.
    """
    import torch

    if precision == "mixed" and not device.startswith("cuda"):
        raise SettingsError(f'[predict] precision = "mixed" is for CUDA; on {device} leave it at "float32"')
    network.to(device)
    kinds = [(index, spec.channels[index].activation) for index in channels]
    flat = None if spec.flat_axis is None else spec.flat_axis + 1

    def activated(logits: torch.Tensor, kind: Activation) -> torch.Tensor:
        if kind == "none":
            return logits
        return torch.tanh(logits) if kind == "tanh" else torch.sigmoid(logits)

    def answer(em: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = torch.from_numpy(np.ascontiguousarray(em)).to(device)
        shown = seen if flat is None else seen.squeeze(flat)
        with torch.autocast("cuda", enabled=precision == "mixed"):
            logits = network(shown[None])[0].float()
        # Each channel by itself, so that it has the same bits whichever others are wanted.
        found = torch.stack([activated(logits[index], kind) for index, kind in kinds])
        result = found if flat is None else found.unsqueeze(flat)
        return np.asarray(result.cpu().numpy(), np.float32)

    inferring: Answer = torch.inference_mode()(answer)
    return inferring


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Within, torch computes with the one thread that calls it, in threads that start within, too.

    Sums of several threads are added up in another order, and their last bits differ.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
