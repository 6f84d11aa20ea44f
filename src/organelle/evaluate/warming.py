"""What scoring a row needs is loaded before the first row, and compiled once by all processes together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from organelle.files import locked

WARM = "organelle.evaluate.warming:warm"

KINDS: tuple[tuple[Any, Any], ...] = ((np.uint16, np.uint16), (np.uint8, np.uint16), (np.uint32, np.uint32))
"""Of ids in the truth and of labels as handed in; each needs its own compiled loops."""


def warm() -> None:
    """Load everything that scoring a row needs, compiled code too.

    Where nothing is compiled yet that costs most of a minute. Of several processes that begin at once, one
    compiles each kind; the others take that up, and begin with another kind meanwhile.
    """
    import skimage.transform  # noqa: F401
    import zarr

    from organelle.metrics import compare_instances

    zarr.config.set({"threading.max_workers": 1})
    truth, prediction = np.zeros((2, 12, 12, 12), np.uint16)
    truth[1:4, 1:4, 1:4], prediction[1:4, 1:4, 8:11], prediction[1:4, 1, 1:9] = 1, 1, 1
    first = os.getpid() % len(KINDS)
    for ids, labels in (*KINDS[first:], *KINDS[:first]):
        with _alone(f"{np.dtype(ids)}-{np.dtype(labels)}"):
            compare_instances(prediction.astype(labels), truth.astype(ids), (8.0, 8.0, 8.0))


@contextmanager
def _alone(kind: str) -> Iterator[None]:
    """One process at a time compiles this kind, if what it compiles can be kept for the others."""
    from organelle.metrics import kernels

    compiled: Any = kernels.tally
    with ExitStack() as stack:
        if place := compiled.stats.cache_path:
            with suppress(OSError):  # a folder that cannot be written, or knows no locks: each for itself
                Path(place).mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(Path(place) / f".{kind}.lock"))
        yield
