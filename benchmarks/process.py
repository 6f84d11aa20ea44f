"""Claim: each part of a recipe, block by block, is at least half as fast as a library call on one array."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import UserDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold
from skimage.morphology import isotropic_closing, remove_small_objects
from skimage.segmentation import expand_labels

from organelle.geometry import Box, Voxels
from organelle.process import Cut, Layer, Recipe, Scratch, Site, follow, make_part

Array = NDArray[Any]
SHAPE: Voxels = (256, 256, 384)
BLOCK: Voxels = (128, 256, 256)
VOXEL_NM = (8.0, 8.0, 8.0)
RUNS = 3
SMALL = 500
PLANES = 48


@dataclass(frozen=True)
class Race:
    """A part and the call that does the same to one array."""

    table: dict[str, Any]
    takes: str
    library: str
    call: Callable[[Mapping[str, Array]], Array]
    slow: bool = False
    """The call is timed on the first planes only."""
    reads: bool = False
    """The call reads its arrays from the same files, whole: there is hardly more to it than that."""


RACES = (
    Race({"part": "threshold"}, "own", "numpy", lambda v: v["own"] >= 0.5, reads=True),
    Race(
        {"part": "hysteresis", "low": 0.5, "high": 0.7},
        "own",
        "skimage.filters.apply_hysteresis_threshold",
        lambda v: apply_hysteresis_threshold(v["own"], 0.5, 0.7),
    ),
    Race(
        {"part": "smooth", "scale_nm": 12},
        "own",
        "scipy.ndimage.gaussian_filter",
        lambda v: ndimage.gaussian_filter(v["own"], 1.5, mode="nearest", radius=5),
    ),
    Race(
        {"part": "smooth", "scale_nm": 8, "by": "median"},
        "own",
        "scipy.ndimage.median_filter",
        lambda v: ndimage.median_filter(v["own"], footprint=CROSS, mode="nearest"),
    ),
    Race(
        {"part": "union", "classes": ["pm"]},
        "own",
        "numpy",
        lambda v: np.maximum(v["own"], v["pm"]),
        reads=True,
    ),
    Race(
        {"part": "compete", "against": ["pm"]},
        "own",
        "numpy",
        lambda v: np.where((own := v["own"]) > v["pm"], own, 0),
        reads=True,
    ),
    Race({"part": "consistent", "groups": ["cell"]}, "own", "numpy", lambda v: np.minimum(v["own"], v["pm"])),
    Race(
        {"part": "subtract", "classes": ["pm"]},
        "mask",
        "numpy",
        lambda v: v["mask"] & (v["pm"] < 0.5),
        reads=True,
    ),
    Race(
        {"part": "restrict", "to": "pm", "grow_nm": 40},
        "mask",
        "scipy.ndimage.distance_transform_edt",
        lambda v: v["mask"] & (ndimage.distance_transform_edt(v["pm"] < 0.5) <= 5),
        slow=True,
    ),
    Race(
        {"part": "close_gaps", "radius_nm": 32},
        "mask",
        "skimage.morphology.isotropic_closing",
        lambda v: isotropic_closing(v["mask"], 4),
        slow=True,
    ),
    Race(
        {"part": "components"},
        "mask",
        "cc3d.connected_components",
        lambda v: cc3d.connected_components(v["mask"].view(np.uint8), connectivity=26),
    ),
    Race(
        {"part": "components", "connectivity": 6},
        "mask",
        "cc3d.connected_components, 6 neighbours",
        lambda v: cc3d.connected_components(v["mask"].view(np.uint8), connectivity=6),
    ),
    Race(
        {"part": "fill_holes"},
        "mask",
        "scipy.ndimage.binary_fill_holes",
        lambda v: ndimage.binary_fill_holes(v["mask"]),
        slow=True,
    ),
    Race(
        {"part": "min_volume", "volume_nm3": SMALL * 512},
        "mask",
        "cc3d.dust",
        lambda v: cc3d.dust(v["mask"].view(np.uint8), threshold=SMALL, connectivity=26),
    ),
    Race(
        {"part": "min_volume", "volume_nm3": SMALL * 512},
        "labels",
        "skimage.morphology.remove_small_objects",
        lambda v: remove_small_objects(v["labels"], max_size=SMALL - 1),
    ),
    Race(
        {"part": "max_volume", "volume_nm3": SMALL * 512},
        "labels",
        "numpy.bincount and a table",
        lambda v: np.where(np.bincount(v["labels"].ravel()) <= SMALL, 1, 0)[v["labels"]] * v["labels"],
    ),
    Race(
        {"part": "keep_largest"},
        "mask",
        "cc3d.largest_k",
        lambda v: cc3d.largest_k(v["mask"].view(np.uint8), k=1, connectivity=26),
    ),
    Race(
        {"part": "grow", "distance_nm": 40, "threshold": 0.2},
        "labels",
        "skimage.segmentation.expand_labels",
        lambda v: np.where(v["own"] >= 0.2, expand_labels(v["labels"], 5), v["labels"]),
        slow=True,
    ),
    Race(
        {"part": "vote", "against": ["pm"]},
        "labels",
        "scipy.ndimage.sum_labels",
        lambda v: ndimage.sum_labels(v["own"] - v["pm"], v["labels"], np.arange(v["labels"].max() + 1)),
    ),
    Race(
        {"part": "renumber"}, "labels", "numpy.unique", lambda v: np.unique(v["labels"], return_index=True)[1]
    ),
)
LONG = (
    {"part": "smooth", "scale_nm": 8},
    {"part": "hysteresis", "low": 0.5, "high": 0.7},
    {"part": "close_gaps", "radius_nm": 16},
    {"part": "components"},
    {"part": "min_volume", "volume_nm3": SMALL * 512},
    {"part": "fill_holes"},
    {"part": "grow", "distance_nm": 16, "threshold": 0.3},
)
CROSS = ndimage.generate_binary_structure(3, 1)


def drawn(shape: Voxels) -> dict[str, Array]:
    """Blobs that fill a fifth, membranes between them, and what they are as mask and labels."""
    rng = np.random.default_rng(0)
    own, pm = (smooth(rng, shape) for _ in range(2))
    mask = own >= 0.5
    labels = cc3d.connected_components(mask.view(np.uint8), out_dtype=np.uint32)
    return {"own": own, "pm": pm, "mask": mask, "labels": labels}


def smooth(rng: np.random.Generator, shape: Voxels) -> Array:
    """Noise with bodies of about 10 voxels, from 0 to 1, in steps of 1/255; a fifth is above 0.5."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), 3)
    noise -= np.quantile(noise[::4, ::4, ::4], 0.8)
    return np.rint(255 / (1 + np.exp(-8 * noise / noise.std()))).astype(np.float32) / 255


def site(shape: Voxels, folder: Path, layers: dict[str, Layer]) -> Site:
    """A place whose layers lie in files."""
    find = {"mito_lum": layers["own"], "pm": layers["pm"], "cell": layers["pm"]}
    return Site(
        "mito_lum",
        Cut(shape, BLOCK),
        VOXEL_NM,
        find.__getitem__,
        find.__getitem__,
        (0, 0, 0),
        Scratch(folder, 0),
    )


def by_blocks(table: dict[str, Any], takes: str, place: Site, layers: dict[str, Layer]) -> None:
    """Apply a part to what lies in files, and read its result."""
    layer = make_part(table).apply(layers[takes], place)
    for box in place.cut:
        layer.read(box)


def best(work: Callable[[], Any]) -> float:
    """Seconds, the best of several runs, the first of which compiles."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
        if times[-1] > 10:
            break
    return min(times)


def stored(volumes: dict[str, Array], folder: Path) -> dict[str, Layer]:
    """Volumes in files, as the parts before would have left them."""
    shape = volumes["own"].shape
    blank = Site("mito_lum", Cut(shape, BLOCK), VOXEL_NM, Layer.of, Layer.of, (0, 0, 0), Scratch(folder, 0))
    return {name: blank.keep(Layer.of(volume)) for name, volume in volumes.items()}


class Stored(UserDict[str, Array]):
    """Volumes that are read from files, whole, whenever one asks for them."""

    def __init__(self, layers: dict[str, Layer]) -> None:
        self.data = {}
        self.layers = layers

    def __getitem__(self, name: str) -> Array:
        return self.layers[name].read(self.layers[name].box)


def compare(race: Race, volumes: dict[str, Array], place: Site, layers: dict[str, Layer]) -> str:
    """A row of the table."""
    few: Mapping[str, Array] = {name: volume[:PLANES] for name, volume in volumes.items()}
    few = few if race.slow else Stored(layers) if race.reads else volumes
    ours = volumes["own"].size / best(lambda: by_blocks(race.table, race.takes, place, layers)) / 1e6
    size = PLANES * SHAPE[1] * SHAPE[2] if race.slow else volumes["own"].size
    theirs = size / best(lambda: race.call(few)) / 1e6
    name = ", ".join(str(value) for value in race.table.values())
    return f"| {name} | {race.takes} | {ours:.0f} | {race.library} | {theirs:.0f} | {ours / theirs:.2f} |"


def long_recipe(copies: int, found: Any) -> None:
    """Follow a recipe over a volume of so many copies of one block along each axis; tell its peak memory."""
    values = drawn((128, 128, 128))["own"]
    shape = (128 * copies,) * 3

    def probability(_: str) -> Layer:
        return Layer(shape, values.dtype, lambda box: values[np.ix_(*places(box))])

    with TemporaryDirectory() as folder:
        cut = Cut(shape, (128, 128, 128))
        scratch = Scratch(Path(folder), 0)
        place = Site("mito", cut, VOXEL_NM, probability, probability, scratch=scratch)
        start = time.process_time()
        layer = follow(Recipe.model_validate({"parts": LONG}), place).layer
        for box in cut:
            layer.read(box)
    found.put((layer.box.size / 1e6, time.process_time() - start, peak_megabytes()))


def peak_megabytes() -> float:
    """The most memory that this process has held; `ru_maxrss` would count what held its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def places(box: Box) -> tuple[Array, ...]:
    """Where the voxels of a box lie in the block that is repeated."""
    return tuple(np.arange(a, a + n) % 128 for a, n in zip(box.start, box.shape, strict=True))


def main() -> None:
    """One row per part: Mvoxel/s of one core by blocks and by the library; then memory as volumes grow."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    volumes = drawn(SHAPE)
    with TemporaryDirectory() as folder:
        layers = stored(volumes, Path(folder) / "in")
        place = site(SHAPE, Path(folder) / "out", layers)
        for race in RACES:
            print(compare(race, volumes, place, layers), flush=True)
    context = multiprocessing.get_context("spawn")
    for copies in (2, 4):
        found = context.SimpleQueue()
        child = context.Process(target=long_recipe, args=(copies, found))
        child.start()
        child.join()
        print("{:.0f} Mvoxel: {:.1f} s of CPU time, at most {:.0f} MB".format(*found.get()), flush=True)


if __name__ == "__main__":
    main()
