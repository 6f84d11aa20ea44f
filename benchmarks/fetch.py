"""Claim: fetch moves at least 0.9 of what a bare loop of parallel GETs moves, in memory that stays flat.

Both use the same client, as many requests at a time, and write files. The chunks hold noise of the sizes that
compressed chunks have; nothing decodes them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from measuring.nginx import find_nginx, serve
from organelle.catalog import Catalog, Crop, Dataset, em_path, label_path
from organelle.classes import Kind
from organelle.fetch import FetchPlan, open_source, plan_fetch, transfer
from organelle.geometry import Grid
from organelle.volumes import Multiscale, create_multiscale

WORKERS = 16
ROUNDS = 3
CLASSES = ("mito", "er", "nuc", "ld", "pm", "golgi_mem", "ves_mem", "endo_mem", "lyso_mem", "perox_mem")
EM_EDGE, LABEL_EDGE, LEVELS = 1024, 256, 3
EM_BYTES, LABEL_BYTES = (100_000, 250_000), (1_000, 8_000)
"""Sizes of compressed chunks of 64 voxels' edge: fewest and most."""

Mover = Callable[[FetchPlan, Path], None]


@dataclass(frozen=True)
class Run:
    """One transfer in a process of its own; `memory` is resident bytes over time."""

    seconds: float
    cpu_seconds: float
    memory: tuple[int, ...]

    @property
    def growth(self) -> float:
        """The most memory in the last third of the run, as a multiple of that in the first third."""
        third = max(1, len(self.memory) // 3)
        return max(self.memory[-third:]) / max(self.memory[:third])


def fetch(plan: FetchPlan, folder: Path) -> None:
    """What `csc fetch-data` does with the plan."""
    transfer(plan, folder)


def write(plan: FetchPlan, folder: Path) -> None:
    """GET and write, no more."""

    def work(key: str) -> None:
        place = folder / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(store.get(key).bytes())

    store = client(plan)
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, [o.key for o in plan.objects]))


def read(plan: FetchPlan, _: Path) -> None:
    """GET, no more."""
    store = client(plan)
    with ThreadPoolExecutor(WORKERS) as pool:
        sum(pool.map(lambda key: len(store.get(key).bytes()), [o.key for o in plan.objects]))


def client(plan: FetchPlan) -> Any:
    """The client of fetch, bare."""
    from obstore.store import HTTPStore

    return HTTPStore(plan.source.url, client_options={"allow_http": True}, retry_config={"max_retries": 0})


MOVERS: dict[str, Mover] = {"fetch": fetch, "GET and write": write, "GET alone": read}


def draw(folder: Path, share: float) -> Catalog:
    """A bucket below `folder` and its tables: EM of one dataset, and `share` of 20 crops of 10 classes."""
    rng = np.random.default_rng(0)
    edge = 64 * round(EM_EDGE / 64 * share ** (1 / 3))
    em = Grid((8.0, 8.0, 8.0), (0.0, 0.0, 0.0), (edge,) * 3)
    crops = {n: Crop(n, "drawn", _label_grid(n), CLASSES) for n in range(1, round(20 * share) + 1)}
    whole = Crop(900, "drawn", em, (), is_test=True)
    image = create_multiscale(em_path(folder, "drawn"), em, np.uint8, kind=Kind.IMAGE, levels=LEVELS)
    _fill(image, rng, EM_BYTES)
    for crop in crops.values():
        for name in CLASSES:
            place = label_path(folder, crop, name)
            image = create_multiscale(place, crop.grid, np.uint8, kind=Kind.SEMANTIC, levels=LEVELS)
            _fill(image, rng, LABEL_BYTES)
    return Catalog("drawn", {"drawn": Dataset("drawn")}, crops, {900: whole})


def _label_grid(number: int) -> Grid:
    """Twice as fine as the EM, every crop an EM chunk further along z than the one before."""
    z = 8.0 * 64 * (number % 8) + 2.0
    return Grid((4.0, 4.0, 4.0), (z, 2.0, 2.0), (LABEL_EDGE,) * 3)


def _fill(image: Multiscale, rng: np.random.Generator, sizes: tuple[int, int]) -> None:
    for level in image.levels:
        for file in level.files(level.grid.box):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(rng.bytes(int(rng.integers(*sizes))))


def measure(mover: str, plan: FetchPlan, folder: Path) -> Run:
    """Time, CPU time and memory of one transfer, in a fresh process, from its first request to its last."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_move, args=(mover, plan, folder, there))
    process.start()
    here.recv()
    memory, child = [], psutil.Process(process.pid)
    while not here.poll(0.02):
        memory.append(child.memory_info().rss)
    seconds, cpu = here.recv()
    process.join()
    return Run(seconds, cpu, tuple(memory))


def _move(mover: str, plan: FetchPlan, folder: Path, parent: Any) -> None:
    client(plan)
    parent.send("ready")
    begin, cpu = time.perf_counter(), time.process_time()
    MOVERS[mover](plan, folder)
    parent.send((time.perf_counter() - begin, time.process_time() - cpu))


def different(plan: FetchPlan, bucket: Path, folder: Path) -> int:
    """How many objects are not there byte for byte."""
    same = (
        (folder / o.key).is_file() and (folder / o.key).read_bytes() == (bucket / o.key).read_bytes()
        for o in plan.objects
    )
    return sum(not s for s in same)


def rounds(plan: FetchPlan, bucket: Path, scratch: Path, count: int) -> Iterator[dict[str, Run]]:
    """One run of each kind per round, in turning order; what fetch wrote is compared with the bucket."""
    names = list(MOVERS)
    for number in range(count):
        runs = {}
        for name in names[number % 3 :] + names[: number % 3]:
            with TemporaryDirectory(dir=scratch) as folder:
                runs[name] = measure(name, plan, Path(folder))
                if name == "fetch" and (wrong := different(plan, bucket, Path(folder))):
                    raise SystemExit(f"{wrong} objects differ from the source")
            os.sync()
        yield runs


def main() -> None:
    """Print a row per way of moving, medians of the rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=1.0, help="of 20,000 objects, 0.9 GB")
    parser.add_argument("--folder", help="where files are written, e.g. /dev/shm (default: the usual disk)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    if find_nginx() is None:
        print("nginx is not installed: nothing to measure (apt-get install nginx-light)")
        return
    with TemporaryDirectory(prefix="fetch-", dir=given.folder) as scratch:
        bucket = Path(scratch) / "bucket"
        catalog = draw(bucket, given.share)
        with serve(bucket) as url:
            begin = time.perf_counter()
            plan = plan_fetch(open_source(url, workers=WORKERS), catalog, "*")
            print(f"{len(plan.objects)} objects, {plan.bytes / 1e9:.2f} GB; planned in ", end="")
            print(f"{time.perf_counter() - begin:.1f} s")
            show(plan, list(rounds(plan, bucket, Path(scratch), given.rounds)))


def show(plan: FetchPlan, measured: list[dict[str, Run]]) -> None:
    """The table, and by how much fetch is slower."""
    columns = ("", "s", "MB/s", "objects/s", "CPU s per GB", "CPU s per 1000", "peak MB", "last third")
    table = Table(*columns)
    count, size = len(plan.objects), plan.bytes
    for name in MOVERS:
        runs = [runs[name] for runs in measured]
        seconds, cpu = (
            statistics.median(getattr(r, key) for r in runs) for key in ("seconds", "cpu_seconds")
        )
        peak, growth = max(max(r.memory) for r in runs), max(r.growth for r in runs)
        figures = [f"{seconds:.2f}", f"{size / 1e6 / seconds:.0f}", f"{count / seconds:.0f}"]
        figures += [
            f"{cpu / size * 1e9:.1f}",
            f"{cpu / count * 1e3:.2f}",
            f"{peak / 1e6:.0f}",
            f"{growth:.2f}",
        ]
        table.add_row(name, *figures)
    Console(width=110).print(table)
    for name in list(MOVERS)[1:]:
        ratios = sorted(runs[name].seconds / runs["fetch"].seconds for runs in measured)
        print(
            f"fetch moves {statistics.median(ratios):.2f} of '{name}' ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
