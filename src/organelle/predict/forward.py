"""A torch network as a plain function on arrays. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from organelle.models import ModelSettings, require_channels
from organelle.models.outputs import Channel
from organelle.predict.averaging import Answer, averaged, needed_channels
from organelle.predict.backends import choose_device, torch_answer
from organelle.predict.region import Forward
from organelle.predict.symmetry import Symmetry, mirror_axes, symmetries_of

if TYPE_CHECKING:
    import torch

__all__ = ["Wanted", "choose_device", "mirror_axes", "network_forward"]


def network_forward(
    network: torch.nn.Module,
    spec: ModelSettings,
    *,
    classes: Sequence[str] | None = None,
    mirrors: bool = False,
    turns: bool = False,
    device: str = "cpu",
) -> Forward:
    """`network` as a function from one patch (image, z, y, x) to probabilities (class, z, y, x).

    Patches go through one at a time: some kernels round differently for other batch sizes, and the
    answer must not depend on how patches are grouped.

    Args:
        network: gives logits (batch, channel, [z,] y, x), in evaluation mode. It is moved to `device`.
        spec: its channels, and which axis of the patch it does not see (2D).
        classes: those wanted, or channels like `mito/distance`, in order; default: all of `spec.classes`.
        mirrors: average over the mirror images along `mirror_axes(spec)`.
        turns: average over turns by 90 degrees in planes of square voxels.
        device: where it runs.
    """
    names = spec.classes if classes is None else classes
    wanted = Wanted.of(spec, names, mirrors=mirrors, turns=turns)
    return wanted.from_answer(torch_answer(network, spec, wanted.needed, device=device))


@dataclass(frozen=True)
class Wanted:
    """What is asked of one network: channels, and the maps that they are averaged over."""

    spec: ModelSettings
    channels: tuple[Channel, ...]
    group: tuple[Symmetry, ...]

    @classmethod
    def of(cls, spec: ModelSettings, names: Sequence[str], *, mirrors: bool, turns: bool) -> Wanted:
        """The channels of these names; `CheckpointError` if there is none of a name."""
        require_channels(spec, tuple(names))
        known = {channel.name: channel for channel in spec.channels}
        group = symmetries_of(spec, mirrors=mirrors, turns=turns)
        return cls(spec, tuple(known[name] for name in names), group)

    @property
    def needed(self) -> tuple[int, ...]:
        """The channels that the network is asked for: turned, one may answer for another."""
        if len(self.group) == 1:
            return tuple(self.spec.channels.index(channel) for channel in self.channels)
        return needed_channels(self.channels, self.group, self.spec.channels)

    def from_answer(self, answer: Answer) -> Answer:
        """The mean over the group of an answer that gives the `needed` channels."""
        if len(self.group) == 1:
            return answer
        given = [self.spec.channels[index] for index in self.needed]
        return averaged(answer, given, self.channels, self.group)
