"""Several processes that train one network together, as `torchrun` starts them.

Each rank draws its share of a step's patches; sums of the loss are added up before it is made of them, and so
the ranks take the step that one process with all patches would take.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from organelle.errors import SettingsError

T = TypeVar("T")

PATIENCE = timedelta(hours=12)
"""How long ranks wait for each other: the first one may be filling the cache or validating."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone it is rank 0 of 1."""

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this one writes and reports."""
        return self.rank == 0

    def share(self, patches: int) -> range:
        """The patches of a step that this rank draws, out of `patches`.

        Raises:
            SettingsError: there are more ranks than patches.
        """
        if self.count > patches:
            raise SettingsError(
                f"{self.count} ranks cannot share batches of {patches}: raise [sampling] batch_size to at "
                f"least {self.count}, or start fewer processes"
            )
        return range(self.rank * patches // self.count, (self.rank + 1) * patches // self.count)

    def add_up(self, sums: Tensor) -> Tensor:
        """The sum of a vector over all ranks; `sums` is overwritten."""
        if self.count > 1:
            torch.distributed.all_reduce(sums)
        return sums

    def gather(self, item: T) -> list[T]:
        """What every rank holds, in their order, on every rank."""
        if self.count == 1:
            return [item]
        items: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(items, item)
        return items

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first rank does the block, then the others do."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.count > 1:
            torch.distributed.barrier()


@contextmanager
def joined() -> Iterator[Ranks]:
    """This process among the ranks that `torchrun` started (its variables say so), or alone.

    GPUs talk through NCCL, one to each rank of a host; CPUs through gloo.

    Raises:
        SettingsError: more ranks on this host than it has GPUs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(device=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    device = _device_of(local)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(rank, count, device)
    finally:
        torch.distributed.destroy_process_group()


def _device_of(local: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local >= torch.cuda.device_count():
        raise SettingsError(
            f"rank {local} of this host has no GPU of its own: {torch.cuda.device_count()} are here; "
            "start as many processes per host as it has GPUs (torchrun --nproc-per-node)"
        )
    return torch.device("cuda", local)
