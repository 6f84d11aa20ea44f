"""Claim: a distance target of a 64³ patch costs milliseconds, and other threads go on meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from organelle.geometry import Voxels
from organelle.sampling.targets import (
    TargetInput,
    affinities,
    boundary,
    centre,
    mask,
    signed_distance,
)

RUNS = 7
SIZE = (8.0, 8.0, 8.0)
BY_EDT = "the same by edt"
OFFSETS = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
FORMS: dict[str, Callable[[TargetInput], Any]] = {
    "mask": mask,
    "signed distance": signed_distance,
    BY_EDT: lambda truth: distance_by_edt(truth),
    "boundary": boundary,
    "centre": centre,
    "three affinities": lambda truth: affinities(truth, OFFSETS),
}


def main() -> None:
    """Print CPU milliseconds per patch and class, best of `RUNS`, and how long others wait."""
    for shape in ((64, 64, 64), (128, 128, 128), (1, 128, 128)):
        whole, part = blobs(shape, unknown=False), blobs(shape, unknown=True)
        for name, form in FORMS.items():
            if name != BY_EDT or 1 not in shape:  # which takes a plane for a solid with sides
                costs = f"{spent(form, whole):7.2f} ms, a quarter unknown {spent(form, part):7.2f} ms"
                print(f"{shape} {name:16s} {costs}")
    truth = blobs((128, 128, 128), unknown=True)
    for name in ("signed distance", BY_EDT):
        print(f"longest wait of another thread during {name}: {longest_wait(FORMS[name], truth):.0f} ms")


def blobs(shape: Voxels, *, unknown: bool) -> TargetInput:
    """Objects that fill a fifth."""
    field = np.random.default_rng(0).standard_normal(shape, np.float32)
    field = gaussian_filter(field, [3 if n > 1 else 0 for n in shape])
    present = field > np.quantile(field, 0.8)
    known = np.ones(shape, bool)
    known[:, : shape[1] // 4 if unknown else 0] = False
    return TargetInput(present, known, SIZE, cc3d.connected_components(present.view(np.uint8)))


def distance_by_edt(truth: TargetInput) -> NDArray[Any]:
    """The same distances, without a limit, by the library that is fastest at that."""
    inside = edt.edt(~(truth.known & ~truth.present), anisotropy=SIZE)
    outside = edt.edt(~(truth.known & truth.present), anisotropy=SIZE)
    unknown = edt.edt(truth.known, anisotropy=SIZE, black_border=True)
    distance = np.where(truth.present, inside, outside)
    values = np.tanh(np.where(truth.present, distance, -distance) / 50)
    return np.stack([values, unknown >= distance])


def spent(form: Callable[[TargetInput], Any], truth: TargetInput) -> float:
    """CPU milliseconds."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        form(truth)
        times.append(time.process_time() - start)
    return min(times) * 1e3


def longest_wait(form: Callable[[TargetInput], Any], truth: TargetInput) -> float:
    """The longest that this thread is kept from running, in ms; best of `RUNS`."""
    waits = []
    for _ in range(RUNS):
        work = threading.Thread(target=form, args=(truth,))
        work.start()
        longest, last = 0.0, time.perf_counter()
        while work.is_alive():
            time.sleep(0.0005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        waits.append(longest)
    return min(waits) * 1e3


if __name__ == "__main__":
    main()
