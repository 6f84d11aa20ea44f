"""Claim: predict spends at most a twentieth beside the network; its memory does not grow with the region."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from measuring.prediction import SMALL, Drawn, write_checkpoint
from organelle.geometry import Box
from organelle.models import load_checkpoint, restore_network
from organelle.predict import PatchEM, PredictPlan, PredictSettings, predict_slabs
from organelle.predict.backends import one_thread_each
from organelle.predict.opening import open_forward
from organelle.predict.side_by_side import side_by_side
from organelle.predict.stored import stored_as
from organelle.volumes import create_volume, open_multiscale

THREADS = 2
HERE = Path(__file__).parent
Patch = NDArray[np.float32]


def main() -> None:
    """Print the tables of the README."""
    asked = arguments()
    with TemporaryDirectory(prefix="predict-") as place:
        folder = Path(place)
        large, small = folder / "large", folder / "small"
        write_checkpoint(large / "network.ckpt", {})
        write_checkpoint(small / "network.ckpt", SMALL)
        drawn = Drawn(large, asked.edge).draw()
        show_throughput(drawn, asked.runs)
        show_rest(drawn)
        show_backends(drawn, asked.patches, asked.runs)
        show_growth(small, asked.smallest)


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--edge", type=int, default=144, help="of the cube that is timed, in voxels")
    parser.add_argument("--runs", type=int, default=2, help="of which the fastest counts")
    parser.add_argument("--patches", type=int, default=16, help="per backend")
    parser.add_argument("--smallest", type=int, default=128, help="edge of the cube that grows eightfold")
    return parser.parse_args()


def show_throughput(drawn: Drawn, runs: int) -> None:
    """The whole stage against bare forward passes over as many patches, by turns."""
    settings = PredictSettings(threads=THREADS)
    patches = drawn.plan(drawn.folder / "plan", settings).patches
    shape = drawn.spec.patch_shape
    bare, stage = [], []
    for run in range(runs):
        with timed(bare):
            bare_forwards(drawn, (em_of(shape, n) for n in range(patches)))
        with timed(stage):
            drawn.predict(drawn.folder / f"work{run}", settings)
    print(f"{drawn.edge}^3 voxels, {patches} patches of {shape[0]}^3, three classes, {THREADS} threads\n")
    rows = [("bare forward passes, torch", *best(bare)), ("predict, from EM to volumes", *best(stage))]
    print_table(("", "wall, s", "CPU, s"), [(name, f"{w:.1f}", f"{c:.1f}") for name, w, c in rows])
    ratios = (a / b for a, b in zip(best(bare), best(stage), strict=True))
    wall, cpu = ratios
    print(f"\nthroughput of predict: {wall:.2f} of the bare passes; CPU time: {1 / cpu:.2f} of theirs\n")


def show_rest(drawn: Drawn) -> None:
    """What is done beside the network, each alone, in one thread."""
    plan = drawn.plan(drawn.folder / "plan", PredictSettings())
    spent = {
        "reading and normalising": lambda: reading(plan),
        "blending": lambda: blending(plan),
        "bytes, compressing, writing": lambda: storing(plan, drawn.folder / "stored.zarr"),
    }
    rows = []
    for name, part in spent.items():
        times: list[tuple[float, float]] = []
        with timed(times):
            part()
        rows.append((name, f"{times[0][1]:.2f}", f"{times[0][1] / plan.patches * 1e3:.1f}"))
    print_table(("beside the network", "CPU, s", "ms per patch"), rows)
    print()


def reading(plan: PredictPlan) -> None:
    """All patches of the plan."""
    (crop,), (view,) = plan.crops, plan.views
    em = PatchEM(open_multiscale(crop.em), plan.spec)
    for layer in view.grid.layers(crop.region):
        deque(em.patches(layer), 0)


def blending(plan: PredictPlan) -> None:
    """All patches of the plan, of a network that costs nothing."""
    (crop,), (view,) = plan.crops, plan.views
    said = np.full((len(crop.classes), *view.patch_shape), 0.5, np.float32)

    class Nothing:
        def patches(self, boxes: tuple[Box, ...]) -> Iterator[Patch]:
            return iter([said[:1]] * len(boxes))

    slabs = predict_slabs(
        lambda _: said, Nothing(), crop.region, view.grid, crop.block_shape, len(crop.classes)
    )
    deque(slabs, 0)


def storing(plan: PredictPlan, folder: Path) -> None:
    """Noise, which is harder to compress than what networks say."""
    (crop,) = plan.crops
    noise = np.random.default_rng(0).random((64, *crop.grid.shape[1:]), np.float32)
    for number, channel in enumerate(plan.spec.channels):
        volume = create_volume(folder / str(number), crop.grid, np.dtype(np.uint8))
        for place in crop.grid.box.tiles((64, *crop.grid.shape[1:])):
            volume.write(place, stored_as(channel).encode(noise[: place.shape[0]]))


def show_backends(drawn: Drawn, count: int, runs: int) -> None:
    """Forward passes of each backend over the same patches, sigmoid included."""
    shape = drawn.spec.patch_shape
    patches = [em_of(shape, n) for n in range(count)]
    ways: dict[str, Callable[[], None]] = {
        "torch, threads within a patch (bare)": lambda: bare_forwards(drawn, iter(patches))
    }
    for backend in ("torch", "onnxruntime", "openvino"):
        settings = PredictSettings(backend=backend, threads=THREADS)
        forward = open_forward([drawn.checkpoint], drawn.spec, settings, cache=drawn.folder / "onnx")
        far = "".join(f", {a.largest_difference:.1e} from torch" for a in forward.agreements)
        ways[f"{backend}, a thread per patch{far}"] = lambda forward=forward: aside(forward, patches)  # type: ignore[misc]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            way() if not times[name] else None
            with timed(times[name]):
                way()
    first = best(next(iter(times.values())))[0]
    rows = [
        (
            name,
            f"{count / best(spent)[0]:.2f}",
            f"{first / best(spent)[0]:.2f}",
            f"{best(spent)[1] / count:.2f}",
        )
        for name, spent in times.items()
    ]
    print_table(("backend", "patches per s", "times bare torch", "CPU s per patch"), rows)
    print()


def aside(forward: Callable[[Patch], Patch], patches: list[Patch]) -> None:
    """All patches, several at once."""
    with one_thread_each():
        deque(side_by_side(forward, enumerate(patches), THREADS), 0)


def show_growth(folder: Path, smallest: int) -> None:
    """The stage in a process of its own, on a cube and on one of twice its edge."""
    rows = []
    for edge in (smallest, 2 * smallest):
        drawn = Drawn(folder, edge).draw()
        command = [sys.executable, "-m", "measuring.prediction", str(folder), str(edge)]
        told = json.loads(
            subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout
        )
        patches = drawn.plan(folder / "plan", PredictSettings(memory_gb=0.2)).patches
        per_patch = told["seconds"] / patches * 1e3
        rows.append(
            (
                f"{edge}^3",
                f"{patches}",
                f"{told['seconds']:.1f}",
                f"{per_patch:.0f}",
                f"{told['peak_bytes'] / 1e6:.0f}",
            )
        )
    print_table(("voxels", "patches", "s", "ms per patch", "most memory, MB"), rows)


def bare_forwards(drawn: Drawn, patches: Iterator[Patch]) -> None:
    """The network alone, as torch runs it by itself."""
    import torch

    network = restore_network(load_checkpoint(drawn.checkpoint))
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    with torch.inference_mode():
        for patch in patches:
            network(torch.from_numpy(patch)[None])
    torch.set_num_threads(before)


def em_of(shape: tuple[int, ...], seed: int) -> Patch:
    """A patch of noise."""
    return np.random.default_rng(seed).standard_normal((1, *shape), np.float32)


@contextmanager
def timed(times: list[tuple[float, float]]) -> Iterator[None]:
    """Append wall and CPU seconds."""
    start = time.perf_counter(), time.process_time()
    yield
    times.append((time.perf_counter() - start[0], time.process_time() - start[1]))


def best(times: list[tuple[float, float]]) -> tuple[float, float]:
    """The least of each."""
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def print_table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """As it stands in the README."""
    for row in (columns, ("---",) * len(columns), *rows):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
