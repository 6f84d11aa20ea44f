"""Claim: packing costs little more than reading the sources and compressing them, in flat memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, label

from measuring.process_tree import ProcessTree, Used
from organelle.catalog import Catalog, Crop, processed_path
from organelle.classes import Kind, kind_of
from organelle.geometry import Grid
from organelle.pack import pack, plan_pack
from organelle.pack.plan import open_source
from organelle.pack.source import block_shape
from organelle.submission import ZarrZip
from organelle.volumes import write_multiscale

EDGE = 256
CLASSES = ("mito", "ves", "cell", "er", "pm", "nuc")
CROPS = 2
ROUNDS = 3
LARGE = 2
"""How many times longer each edge of the crop is by which the memory is judged."""


def main() -> None:
    """Print Mvoxel/s and memory of the floor and of packing with 1 and 2 workers; medians of `ROUNDS`."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        draw(work / "many", challenge(CROPS, EDGE))
        ways = {"floor": ["floor"], "pack, 1 worker": ["pack", "1"], "pack, 2 workers": ["pack", "2"]}
        found: dict[str, list[tuple[float, Used]]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, words in ways.items():
                found[name].append(run(work / "many", CROPS, EDGE, words))
        voxels = CROPS * len(CLASSES) * EDGE**3
        for name, runs in found.items():
            tell(name, voxels, runs, found["floor"])
        assert_same(work / "many")
        draw(work / "one", challenge(1, LARGE * EDGE, ("mito",)))
        _, used = run(work / "one", 1, LARGE * EDGE, ["pack", "1", "mito"])
        print(f"one row of {LARGE * EDGE}³ voxels: peak {used.peak_tree_bytes / 1e6:.0f} MB")


def challenge(crops: int, edge: int, classes: Sequence[str] = CLASSES) -> Catalog:
    """Crops of `edge` cubed voxels at 8 nm."""
    grids = {n: Grid((8.0,) * 3, (1e4 * n, 0.0, 0.0), (edge,) * 3) for n in range(1, crops + 1)}
    drawn = {n: Crop(n, "drawn", grid, tuple(classes), is_test=True) for n, grid in grids.items()}
    return Catalog("drawn", {}, {}, drawn)


def draw(work: Path, catalog: Catalog) -> None:
    """Smooth objects, some hundred in each row, that fill an eighth of it; drawn at half the resolution."""
    for seed, (crop, name) in enumerate(catalog.rows()):
        shape = (EDGE // 2,) * 3
        field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape, np.float32), 2.5)
        ids, _ = label(field > np.quantile(field, 0.88))
        times = -(-crop.grid.shape[0] // EDGE)
        labels = np.tile(ids.astype(np.uint16).repeat(2, 0).repeat(2, 1).repeat(2, 2), (times,) * 3)
        if kind_of(name) is Kind.SEMANTIC:
            labels = (labels > 0).astype(np.uint8)
        write_multiscale(processed_path(work, crop, name), labels, crop.grid, kind=kind_of(name))


def run(work: Path, crops: int, edge: int, words: Sequence[str]) -> tuple[float, Used]:
    """Wall time of the work alone, as the fresh process tells it, and what all its processes used."""
    command = [sys.executable, __file__, *words[:1], str(work), str(crops), str(edge), *words[1:]]
    tree = ProcessTree()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        used = tree.watch(child)
        assert child.stdout is not None
        return float(child.stdout.read()), used


def tell(
    name: str, voxels: int, runs: Sequence[tuple[float, Used]], floor: Sequence[tuple[float, Used]]
) -> None:
    seconds = statistics.median(s for s, _ in runs)
    ratio = statistics.median(f / s for (f, _), (s, _) in zip(floor, runs, strict=True))
    cpu = statistics.median(used.cpu_seconds for _, used in runs)
    peak = max(used.peak_tree_bytes for _, used in runs)
    print(
        f"{name:16s} {seconds:5.1f} s, {voxels / seconds / 1e6:4.0f} Mvoxel/s, {ratio:.2f} of the floor, "
        f"{cpu:4.1f} s of CPU time, peak {peak / 1e6:.0f} MB"
    )


def assert_same(work: Path) -> None:
    first, second = ((work / f"{n}.zip").read_bytes() for n in (1, 2))
    assert first == second, "the bytes depend on the number of workers"


def floor(work: Path, catalog: Catalog) -> None:
    """Read every block of every source, and compress its chunks; nothing is counted, written, or checked."""
    archive = ZarrZip(work / "nothing.zip")
    for row in plan_pack(catalog, work).filled:
        grid = row.crop.grid
        shape = archive.chunk_shape(grid)
        source = open_source(row)
        for box in grid.box.tiles(block_shape(shape, grid)):
            labels = source.read(box)
            for tile in box.tiles(shape):
                archive.encode(labels[tile.slices(box.start)], shape)


def work_once(words: Sequence[str]) -> None:
    """What a fresh process does: `floor WORK CROPS EDGE`, or `pack WORK CROPS EDGE WORKERS [CLASS]`."""
    work = Path(words[1])
    catalog = challenge(int(words[2]), int(words[3]), words[5:] or CLASSES)
    begun = time.perf_counter()
    if words[0] == "floor":
        floor(work, catalog)
    else:
        pack(catalog, work, work / f"{words[4]}.zip", workers=int(words[4]), overwrite=True)
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    work_once(sys.argv[1:]) if sys.argv[1:] else main()
