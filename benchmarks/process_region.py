"""Claim: memory of the workers that make the objects of a region together does not grow with the region."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from scipy import ndimage

from organelle.catalog import Catalog, Dataset, Region, prediction_path
from organelle.classes import Kind
from organelle.geometry import Grid, Voxels
from organelle.process import ProcessSettings, process
from organelle.settings import parse_settings
from organelle.volumes import create_multiscale

CATALOG = Catalog("drawn", {"liver": Dataset("liver")}, {}, {})
REGION = Region("liver")
BLOCK: Voxels = (128, 256, 256)
SHAPES: tuple[Voxels, ...] = (BLOCK, (256, 512, 512), (512, 512, 1024))
WORKERS = 2
PARTS = [
    {"part": "threshold"},
    {"part": "fill_holes"},
    {"part": "components"},
    {"part": "min_volume", "volume_nm3": 5000},
]


def main() -> None:
    """Print the memory of workers and of the command, and the time, for each size."""
    for shape in SHAPES:
        measure(shape, WORKERS)
    measure(SHAPES[1], 0)


def measure(shape: Voxels, workers: int) -> None:
    """One region; 0 workers: made by this process, from start to end."""
    cut = {"alone_voxels": 1000 if workers else 2**50}
    settings = parse_settings(ProcessSettings, {"mito": {"parts": PARTS}, **cut}, "benchmark")
    with TemporaryDirectory() as name:
        folder, began = Path(name), time.monotonic()
        draw(folder, shape)
        drawn = time.monotonic()
        with watching() as peaks:
            process(
                CATALOG,
                None,
                work=folder,
                settings=settings,
                regions=[REGION],
                classes=["mito"],
                workers=max(1, workers),
            )
        seconds = time.monotonic() - drawn
    told = ", ".join(f"{who} {peak / 1e6:.0f} MB" for who, peak in list(peaks.items())[: 1 + bool(workers)])
    kind = f"{workers} workers" if workers else "one process alone"
    print(
        f"{np.prod(shape) / 1e6:.0f} Mvoxel, {kind}: {told}, {seconds:.0f} s (drawn in {drawn - began:.0f} s)"
    )


def draw(folder: Path, shape: Voxels) -> None:
    """A prediction of blobs, the same in every block."""
    noise = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=BLOCK).astype(np.float32), 3)
    values = np.clip(120 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
    image = create_multiscale(
        prediction_path(folder, REGION, "mito"),
        Grid((8, 8, 8), (4, 4, 4), shape),
        np.uint8,
        kind=Kind.IMAGE,
        attributes={"organelle": {"checkpoint_sha256": "a" * 64, "probability_scale": 255}},
    )
    for box in image.levels[0].grid.box.tiles(BLOCK):
        image.levels[0].write(box, values)


@contextmanager
def watching() -> Iterator[dict[str, int]]:
    """The most memory of its own that this process and each of its children had."""
    peaks: dict[str, int] = {}
    over, here = threading.Event(), psutil.Process()

    def watch() -> None:
        while not over.wait(0.1):
            for one, who in [(here, "the command"), *((child, "a worker") for child in here.children())]:
                try:
                    memory = one.memory_info()
                except psutil.Error:
                    continue
                peaks[who] = max(peaks.get(who, 0), memory.rss - memory.shared)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
