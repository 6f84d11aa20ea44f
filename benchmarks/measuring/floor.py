"""The floor of a loader, its output written once: `python -m measuring.floor EDGES CLASSES BATCH`."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from measuring.turns import Clock, play

Form = tuple[tuple[tuple[int, ...], type], ...]


class Floor:
    """Arrays of one batch: grey values, targets and known, or grey values, imaged and codes."""

    def __init__(self, shape: tuple[int, ...], classes: int, batch: int) -> None:
        self.batch = batch
        each = (batch, classes, *shape)
        self.forms: dict[str, Form] = {
            "batch": (((batch, 1, *shape), np.float32), (each, np.uint8), (each, np.bool_)),
            "codes": ((shape, np.float32), (shape, np.bool_), (shape, np.uint8)),
        }

    def draw(self, form: str, times: int, *, fresh: bool, skip: int = 2) -> dict[str, Any]:
        """Fill the arrays: made anew each time, or the same again and again."""
        arrays = [np.empty(shape, dtype) for shape, dtype in self.forms[form]]
        clock = Clock(self.batch if form == "batch" else 1, skip)
        for _ in range(times + skip):
            if fresh:
                arrays = [np.empty(shape, dtype) for shape, dtype in self.forms[form]]
            for array in arrays:
                array.fill(1)
            clock.tick()
        return clock.read()


def main() -> None:
    floor = Floor(tuple(int(n) for n in sys.argv[1].split(",")), int(sys.argv[2]), int(sys.argv[3]))
    play(draw=floor.draw)


if __name__ == "__main__":
    main()
