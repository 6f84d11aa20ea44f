"""Claim: the CPU time of a whole evaluation grows with its voxels, its memory with its largest crop.

A synthetic submission with all 413 rows of the built-in test table is scored by `csc evaluate`, as a process
of its own, at an eighth, a quarter, half and all of a size. The size is a share of the real number of voxels
(`--share`): each axis of each crop is shortened by the cube root of that share, to no fewer than 16 voxels,
and keeps its voxel size. The truth comes from one phantom with all classes, 176 x 240 x 272 voxels of 8 nm,
drawn once. It is continued beyond its faces by its mirror image, over and over, and every crop is cut out at
another place; objects that meet their own image at a face are one object. Voxels are copied as they are, so a
crop of 32 nm shows organelles as large, in voxels, as one of 8 nm. The submission is that of `csc simulate`
with its default errors, and every row of the result must show the counts that it foretold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from measuring.process_tree import ProcessTree
from organelle.catalog import Catalog, Crop, load_catalog, write_tables
from organelle.evaluate import INSTANCE_CLASSES, simulate
from organelle.phantom import MicroscopeSettings, PhantomSettings, Specimen, draw_phantom
from organelle.volumes import write_volume

SHARE = 1 / 64
STEPS = (1 / 8, 1 / 4, 1 / 2, 1.0)
SHORTEST_AXIS = 16
SPECIMEN = "specimen.npz"


def main() -> None:
    """Make the challenges (or take those of an earlier run), score each, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--share", type=float, default=SHARE, help="of the real voxels (default: 1/64)")
    parser.add_argument("--workers", type=int, help="handed to csc evaluate; none: its own choice")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the challenges here, or take them")
    asked = parser.parse_args()
    with nullcontext(asked.keep) if asked.keep else TemporaryDirectory() as place:
        folders = [Path(place).resolve() / f"share-{asked.share * step:.6f}" for step in STEPS]
        start = time.perf_counter()
        prepare(Path(place), {f: asked.share * s for f, s in zip(folders, STEPS, strict=True)})
        print(f"challenges made in {time.perf_counter() - start:.0f} s")
        measure(folders[0], asked.workers)  # The first run after an installation compiles.
        runs = [measure(folder, asked.workers) for folder in folders]
    print_report(runs, asked.workers)
    if wrong := sum(run.rows - run.confirmed for run in runs):
        sys.exit(f"{wrong} rows contradict what was foretold")


def prepare(place: Path, shares: dict[Path, float]) -> None:
    """Make the challenges that are not there yet, largest first, as many at a time as there are cores."""
    missing = [f for f in shares if not (f / "expected.json").is_file()]
    if not missing:
        return
    place.mkdir(parents=True, exist_ok=True)
    if not (place / SPECIMEN).is_file():
        draw_specimen(place / SPECIMEN)
    work = [(f, shares[f]) for f in sorted(missing, key=lambda f: -shares[f])]
    with get_context("fork").Pool(min(len(work), os.cpu_count() or 1)) as pool:
        pool.starmap(make_challenge, work, chunksize=1)


def draw_specimen(path: Path) -> None:
    """Draw tissue in which everything can be recognised, so that no voxel is masked."""
    settings = PhantomSettings(microscope=MicroscopeSettings(smudge_radius_nm=0))
    specimen = draw_phantom(settings).specimen
    np.savez(path, leaf=specimen.leaf, cell=specimen.cell, object=specimen.object, unclear=specimen.unclear)


def make_challenge(folder: Path, share: float) -> None:
    """Tables, truth, submission and the foretold counts; these come last and say that all is there."""
    real = load_catalog()
    crops = {crop.id: shrunk(crop, share) for crop in real.test_crops.values()}
    catalog = Catalog(folder.name, real.datasets, {}, crops)
    write_tables(catalog, folder, overwrite=True)
    whole = tissue(folder.parent / SPECIMEN)
    for crop in crops.values():
        part = cut(whole, crop)
        for name in crop.classes:
            labels, _ = part.labels(name)
            write_volume(folder / "truth.zarr" / crop.name / name, labels, crop.grid, overwrite=True)
    made = simulate(folder / "truth.zarr", catalog, folder / "submission.zip", overwrite=True)
    (folder / "expected.json").write_text(json.dumps(made.to_dict()))


def shrunk(crop: Crop, share: float) -> Crop:
    """The crop with about this share of its voxels, which keep their size."""
    z, y, x = (max(SHORTEST_AXIS, round(n * share ** (1 / 3))) for n in crop.grid.shape)
    return replace(crop, grid=replace(crop.grid, shape=(z, y, x)))


def tissue(path: Path) -> Specimen:
    """The specimen that `draw_specimen` saved."""
    grid = replace(load_catalog().test_crops[562].grid, origin_nm=(0.0, 0.0, 0.0))
    with np.load(path) as saved:
        return Specimen(replace(grid, shape=saved["leaf"].shape), **saved)


def cut(whole: Specimen, crop: Crop) -> Specimen:
    """A part of the mirrored tissue as large as the crop, at a place drawn from the crop's number."""
    rng = np.random.default_rng(crop.id)
    axes = zip(crop.grid.shape, whole.grid.shape, strict=True)
    here = np.ix_(*(mirrored(int(rng.integers(2 * n)), length, n) for length, n in axes))
    arrays = (whole.leaf[here], whole.cell[here], whole.object[here], whole.unclear[here])
    return Specimen(replace(whole.grid, shape=crop.grid.shape), *arrays)


def mirrored(start: int, length: int, n: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """`length` indices from `start` on, running up and down an axis of `n` voxels."""
    place = (start + np.arange(length)) % (2 * n)
    return np.minimum(place, 2 * n - 1 - place)


@dataclass(frozen=True)
class Measured:
    """One evaluation; CPU and wall time in seconds, memory in bytes."""

    voxels: int
    largest_crop: int
    objects: int
    rows: int
    confirmed: int
    cpu: float
    wall: float
    peak_tree: int
    peak_process: int


def measure(folder: Path, workers: int | None) -> Measured:
    """Score the challenge in `folder` by the command, and compare the result with what was foretold."""
    with TemporaryDirectory() as scratch:
        result = Path(scratch) / "result.json"
        inputs = ("--catalog", folder, "--truth-path", folder / "truth.zarr")
        handed_in = ("--submission-path", folder / "submission.zip", "--result-file", result)
        # Rows that an earlier evaluation kept must not spare this one any work.
        how = ("--work", scratch, *(() if workers is None else ("--workers", str(workers))))
        csc = Path(sys.executable).with_name("csc")
        with (Path(scratch) / "output.txt").open("w+") as output:
            tree = ProcessTree()
            start = time.perf_counter()
            child = subprocess.Popen(
                [csc, "evaluate", *inputs, *handed_in, *how],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            used = tree.watch(child)
            wall = time.perf_counter() - start
            output.seek(0)
            if child.returncode:
                sys.exit(f"csc evaluate ended with {child.returncode}:\n{output.read()}")
        found = json.loads(result.with_name("result_extended.json").read_text())
    foretold = json.loads((folder / "expected.json").read_text())["rows"]
    grids = {crop.id: crop.grid for crop in load_catalog(folder).test_crops.values()}
    sizes = [int(np.prod(grids[row["crop_id"]].shape)) for row in foretold]
    return Measured(
        voxels=sum(sizes),
        largest_crop=max(sizes),
        objects=sum(row["objects"] for row in foretold if row["class_name"] in INSTANCE_CLASSES),
        rows=found["num_evals_done"],
        confirmed=len(foretold) - sum(1 for _ in contradictions(foretold, found)),
        cpu=used.cpu_seconds,
        wall=wall,
        peak_tree=used.peak_tree_bytes,
        peak_process=used.peak_process_bytes,
    )


def contradictions(foretold: list[dict[str, Any]], found: dict[str, Any]) -> Iterator[str]:
    """Rows whose counts or status are not those that were foretold; each is printed."""
    for row in foretold:
        scored = found[f"crop{row['crop_id']}"][row["class_name"]]
        if any(scored[key] != value for key, value in row["expected"].items()):
            place = f"crop{row['crop_id']}/{row['class_name']}"
            print(f"{place}: foretold {row['expected']}, found {scored}", file=sys.stderr)
            yield place


def print_report(runs: list[Measured], workers: int | None) -> None:
    """The table, how the figures grow, and what they would be at the real size."""
    headings = ("voxels, G", "largest crop, M", "objects", "rows", "as foretold", "CPU, s", "wall, s")
    columns = (*headings, "CPU s/Gvoxel", "peak, GB", "largest process, GB")
    table = Table(*columns, title=f"csc evaluate, workers: {workers or 'its own choice'}")
    for run in runs:
        numbers = (f"{run.voxels / 1e9:.2f}", f"{run.largest_crop / 1e6:.1f}", f"{run.objects:,}")
        times = (f"{run.cpu:.0f}", f"{run.wall:.0f}", f"{run.cpu / run.voxels * 1e9:.1f}")
        memory = (f"{run.peak_tree / 1e9:.2f}", f"{run.peak_process / 1e9:.2f}")
        table.add_row(*numbers, str(run.rows), str(run.confirmed), *times, *memory)
    Console(width=130).print(table)
    first, last = asdict(runs[0]), asdict(runs[-1])
    grown = ("voxels", "objects", "cpu", "wall", "peak_tree", "peak_process")
    growth = ", ".join(f"{name} x {last[name] / first[name]:.1f}" for name in grown)
    print(f"from the first row to the last: {growth}")
    print_real_size(runs)


def print_real_size(runs: list[Measured]) -> None:
    """Straight lines through the measured points, read off at the real size."""
    rows = load_catalog().rows()
    sizes = [int(np.prod(crop.grid.shape)) for crop, _ in rows]
    objects = sum(n for n, (_, name) in zip(sizes, rows, strict=True) if name in INSTANCE_CLASSES)
    print(
        f"real size: {len(rows)} rows, {sum(sizes) / 1e9:.1f} Gvoxel ({objects / 1e9:.1f} of them of "
        f"instance classes); largest crop {max(sizes) / 1e6:.0f} Mvoxel"
    )
    cpu = np.polyfit([run.voxels for run in runs], [run.cpu for run in runs], 1)
    memory = np.polyfit([run.largest_crop for run in runs], [run.peak_process for run in runs], 1)
    print(
        "EXTRAPOLATED, not measured: "
        f"{np.polyval(cpu, sum(sizes)) / 3600:.2f} CPU hours "
        f"({cpu[1]:.0f} s + {cpu[0] * 1e9:.1f} s per Gvoxel), largest process "
        f"{np.polyval(memory, max(sizes)) / 1e9:.1f} GB "
        f"({memory[1] / 1e9:.2f} GB + {memory[0]:.1f} bytes per voxel of the largest crop)"
    )


if __name__ == "__main__":
    main()
