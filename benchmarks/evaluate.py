"""Claim: scoring a crop costs little more than reading it, finding its components and looking at it once."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cc3d
import numpy as np
from numba import njit
from rich.console import Console
from rich.table import Table
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from scipy.spatial import cKDTree

from organelle.geometry import Grid
from organelle.metrics import compare_instances
from organelle.volumes import create_volume, open_volume

EDGE = 400
VOXEL_SIZE_NM = (8.0, 8.0, 8.0)
RUNS = 3
TEXTBOOK_OBJECTS = 5
SAMPLE = Path("../shared/sample/truth.zarr")

Labels = np.ndarray[Any, np.dtype[np.uint16]]
Pair = tuple[Labels, Labels]


def vesicles(rng: np.random.Generator) -> Pair:
    """About 9,000 balls of 5 to 8 voxels radius; the prediction lies one voxel aside, a tenth is missing."""
    labels = np.zeros((EDGE,) * 3, np.uint16)
    reach = np.arange(-8, 9)
    squares = reach[:, None, None] ** 2 + reach[None, :, None] ** 2 + reach[None, None, :] ** 2
    places = np.stack(np.meshgrid(*[np.arange(9, EDGE - 9, 19)] * 3, indexing="ij"), -1).reshape(-1, 3)
    for number, centre in enumerate(places + rng.integers(0, 2, places.shape), 1):
        z, y, x = (slice(c - 8, c + 9) for c in centre)
        labels[z, y, x][squares <= rng.integers(5, 9) ** 2] = number
    kept = np.arange(labels.max() + 1) * (rng.random(labels.max() + 1) > 0.1)
    return labels, np.roll(kept.astype(np.uint16)[labels], (1, 1, 1), (0, 1, 2))


def mitochondria(rng: np.random.Generator) -> Pair:
    """Large curved bodies that fill a tenth; the prediction merges, splits, misses and invents."""
    coarse = EDGE // 4
    field, error = (gaussian_filter(rng.standard_normal((coarse,) * 3), 4) for _ in range(2))
    volumes = []
    for values in (field, field + 0.35 * error):
        body = zoom(values > np.quantile(values, 0.9), 4, order=0)
        volumes.append(cc3d.connected_components(body.view(np.uint8)).astype(np.uint16))
    return volumes[0], volumes[1]


def microtubules(rng: np.random.Generator) -> Pair:
    """300 thin tubes across the crop; those of the prediction wander off and break."""
    truth, prediction = np.zeros((2, EDGE, EDGE, EDGE), np.uint16)
    ball = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    ball = ball[(ball**2).sum(1) <= 5]
    steps = np.linspace(0, 1, 2 * EDGE)[:, None]
    for number in range(1, 301):
        start, stop, aside = (
            rng.integers(3, EDGE - 3, (2, 3)),
            rng.integers(3, EDGE - 3, 3),
            rng.integers(-2, 3, 3),
        )
        for volume, shift in ((truth, 0), (prediction, aside)):
            line = np.rint(start[0] + steps * (stop - start[0]) + shift).astype(int)
            line = line[: int(EDGE * 1.8)] if volume is prediction and number % 3 == 0 else line
            place = (line[:, None] + ball).reshape(-1, 3).clip(0, EDGE - 1)
            volume[tuple(place.T)] = number
    return truth, prediction


def cells(rng: np.random.Generator) -> Pair:
    """60 cells that fill the crop; in the prediction borders are displaced and every tenth pair is merged."""
    coarse = EDGE // 4
    seeds = rng.random((60, 3)) * coarse
    places = np.stack(np.indices((coarse,) * 3), -1).reshape(-1, 3)
    volumes = []
    for centres in (seeds, seeds + rng.normal(0, 1, seeds.shape)):
        nearest = cKDTree(centres).query(places)[1].reshape((coarse,) * 3).astype(np.uint16) + 1
        volumes.append(np.kron(nearest, np.ones((4, 4, 4), np.uint16)))
    numbers = np.arange(61, dtype=np.uint16)
    numbers[10::10] -= 1
    return volumes[0], numbers[volumes[1]]


def mixed(rng: np.random.Generator) -> Pair:
    """Vesicles in one half, mitochondria in the other."""
    small, large = vesicles(rng), mitochondria(rng)
    half = EDGE // 2
    pairs = zip(small, large, strict=True)
    truth, prediction = (
        np.concatenate([a[:half], np.where(b[half:], b[half:] + 20_000, 0)]) for a, b in pairs
    )
    return np.unique(truth, return_inverse=True)[1].reshape(truth.shape).astype(np.uint16), prediction


def of_sample(place: str) -> Pair:
    """Real truth; as prediction the same two voxels aside, every tenth object missing."""
    truth = np.asarray(open_volume(SAMPLE / place).read(), np.uint16)
    kept = np.arange(int(truth.max()) + 1, dtype=np.uint16)
    kept[10::10] = 0
    prediction = np.zeros_like(truth)
    prediction[2:, 2:, 2:] = kept[truth][:-2, :-2, :-2]
    return truth, prediction


def sample_cells(_: np.random.Generator) -> Pair:
    """Cells of real neuropil."""
    return of_sample("crop951/cell")


def sample_mitochondria(_: np.random.Generator) -> Pair:
    """Real mitochondria."""
    return of_sample("crop961/mito")


CROPS: tuple[Callable[[np.random.Generator], Pair], ...] = (
    vesicles,
    mitochondria,
    microtubules,
    cells,
    mixed,
)
OF_SAMPLE = (sample_cells, sample_mitochondria)


@njit(cache=True)
def look_once(first: Labels, second: Labels) -> int:
    """One linear pass over two volumes: in how many voxels both are foreground and differ from the last."""
    n, last = 0, 0
    for i in range(first.size):
        if first[i] != last and second[i]:
            n += 1
        last = first[i]
    return n


def read(folder: Path) -> Pair:
    """Truth and prediction from disk."""
    return open_volume(folder / "truth").read(), open_volume(folder / "prediction").read()


def floor(folder: Path) -> None:
    """What cannot be spared."""
    truth, prediction = read(folder)
    cc3d.connected_components(prediction)
    look_once(truth.ravel(), prediction.ravel())


def score(folder: Path) -> dict[str, Any]:
    """All versions of the metric."""
    truth, prediction = read(folder)
    return dict(compare_instances(prediction, truth, VOXEL_SIZE_NM))


def seconds(work: Callable[[Path], object], folder: Path) -> float:
    """Median CPU time."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work(folder)
        times.append(time.process_time() - start)
    return sorted(times)[RUNS // 2]


def peak_bytes(work: Callable[[], object]) -> int:
    """Largest growth of resident memory while `work` runs."""
    before, most, done = resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, resident() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return most


def resident() -> int:
    """Resident memory of this process in bytes (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def textbook(truth: Labels, prediction: Labels) -> float:
    """CPU seconds per object of the usual way: two distance transforms over the whole crop."""
    start = time.process_time()
    for label in range(1, TEXTBOOK_OBJECTS + 1):
        a, b = truth == label, prediction == label
        distance_transform_edt(~a, sampling=VOXEL_SIZE_NM)[b].max(initial=0)
        distance_transform_edt(~b, sampling=VOXEL_SIZE_NM)[a].max(initial=0)
    return (time.process_time() - start) / TEXTBOOK_OBJECTS


def measure(kind: Callable[[np.random.Generator], Pair]) -> list[str]:
    """One row of the table; runs in a process of its own."""
    truth, prediction = kind(np.random.default_rng(0))
    with TemporaryDirectory() as place:
        folder = Path(place)
        for name, labels in (("truth", truth), ("prediction", prediction)):
            grid = Grid(VOXEL_SIZE_NM, (0, 0, 0), labels.shape)
            volume = create_volume(folder / name, grid, labels.dtype)
            volume.write(grid.box, labels)
        floor(folder)
        found = score(folder)["2026-06"]
        base, ours = seconds(floor, folder), seconds(score, folder)
        peak = peak_bytes(lambda: compare_instances(prediction, truth, VOXEL_SIZE_NM))
    per_object = textbook(truth, prediction) if kind is vesicles else None
    usual = f"{per_object * found.n_truth / 3600:.1f} h" if per_object else ""
    numbers = f"{base:.2f}", f"{ours:.2f}", f"{ours / base:.2f}", f"{truth.size / ours / 1e6:.0f}"
    return [kind.__name__, f"{found.n_truth:,}", *numbers, f"{peak / truth.size:.1f}", usual]


def main() -> None:
    """Print one row per kind of crop, all of 400^3 voxels, and of the mini challenge where it is."""
    table = Table("crop", "objects", "floor, s", "scored, s", "ratio", "Mvoxel/s", "bytes/voxel", "textbook")
    for kind in (*CROPS, *(OF_SAMPLE if SAMPLE.is_dir() else ())):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            table.add_row(*pool.apply(measure, (kind,)))
            pool.close()
            pool.join()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
