"""How the steps of a recipe are carried out.

A recipe is a row of steps that any follower goes through in the same order: steps over blocks (`each`, `do`),
of which none needs another, and joint steps between them (`once`), which make small tables of what was found
in the blocks. `Alone` does them as they come; `organelle.process.spread` lets many workers share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from organelle.geometry import Box
from organelle.process.scratch import Cut

T = TypeVar("T")


class Steps(Protocol):
    """What carries steps out."""

    def begin(self, part: str) -> None:
        """Steps of this part come now."""

    def each(self, cut: Cut, work: Callable[[Box], T]) -> Iterable[tuple[Box, T]]:
        """What `work` gives for each block, in their order; to be gone through in a joint step."""

    def do(self, cut: Cut, work: Callable[[Box], object]) -> None:
        """`work` on each block, for what it writes."""

    def once(self, make: Callable[[], T]) -> T:
        """What `make` gives; arrays in it are not to be changed."""


class Alone:
    """Everything here, now."""

    def begin(self, part: str) -> None:
        """Nothing to note."""

    def each(self, cut: Cut, work: Callable[[Box], T]) -> Iterator[tuple[Box, T]]:
        """Block by block, while somebody goes through them: once."""
        for box in cut:
            yield box, work(box)

    def do(self, cut: Cut, work: Callable[[Box], object]) -> None:
        """Block by block."""
        for box in cut:
            work(box)

    def once(self, make: Callable[[], T]) -> T:
        """Make it."""
        return make()
