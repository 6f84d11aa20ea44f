"""The demo's challenge on disk: two drawn datasets, the truth of six test crops, and what people hand in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.portal.demo.story import SUBMISSIONS, HandedIn

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.phantom import CropPlan

EVERYWHERE = ("pm", "ves", "er", "cyto")
"""Classes of every test crop."""

SOMEWHERE = {
    21: ("mito",),
    22: ("mito", "golgi"),
    23: ("ld",),
    24: ("golgi", "ld"),
    41: ("mito",),
    42: ("ecs",),
}
"""What single test crops ask for beside. With no more rows than a worker takes at once, a file costs the
start of one process."""

ANNOTATED = (
    *EVERYWHERE,
    "ecs",
    "mito",
    "mito_mem",
    "golgi",
    "endo",
    "ld",
    "mito_lum",
    "lyso",
    "perox",
    "nuc",
    "ne",
    "np",
    "mt",
    "chrom",
    "cell",
    "er_mem",
    "ves_mem",
)
"""Of most training crops."""

FULL = 11
"""The training crop in which all classes are annotated."""

Corner = tuple[int, int, int]


@dataclass(frozen=True)
class Drawn:
    """A dataset to be drawn: its settings, what its page says, and its crops as first voxel and shape."""

    name: str
    seed: int
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]
    train: Mapping[int, tuple[Corner, Corner]]
    test: Mapping[int, tuple[Corner, Corner]]


SHARP = {"microscope": {"smudge_radius_nm": 0.0}}
"""Nothing is unclear: crops as small as these would be little else."""

DATASETS = (
    Drawn(
        "demo-cell",
        0,
        {"shape": (96, 112, 128), **SHARP},
        {"organism": "synthetic", "sample": "cultured cells", "preparation": "none, they are drawn"},
        {11: ((0, 0, 0), (96, 48, 56)), 12: ((0, 0, 72), (40, 48, 56)), 13: ((56, 0, 72), (40, 48, 56))},
        {
            21: ((0, 64, 0), (40, 48, 56)),
            22: ((56, 64, 0), (40, 48, 56)),
            23: ((0, 64, 72), (40, 48, 56)),
            24: ((56, 64, 72), (40, 48, 56)),
        },
    ),
    Drawn(
        "demo-tissue",
        1,
        {"shape": (48, 80, 96), "voxel_size_nm": (12.0, 8.0, 8.0), **SHARP},
        {"sample": "tissue in thicker sections"},
        {31: ((0, 0, 0), (48, 32, 40)), 32: ((0, 0, 56), (48, 32, 40))},
        {41: ((0, 48, 0), (48, 32, 40)), 42: ((0, 48, 56), (48, 32, 40))},
    ),
)


def write_challenge(folder: Path) -> None:
    """Bucket, tables and truth, and a zip for each of `SUBMISSIONS`."""
    from organelle.catalog import load_catalog, write_tables

    folder.mkdir()
    write_tables(_together(_draw(one, folder) for one in DATASETS), folder)
    catalog = load_catalog(folder)
    for seed, one in enumerate(SUBMISSIONS):
        if not (folder / one.file).exists():
            _write_zip(one, seed, catalog, folder)


def _draw(one: Drawn, folder: Path) -> Catalog:
    """Draw a dataset, and put its volumes beside those of the others."""
    from organelle.catalog import load_catalog
    from organelle.phantom import PhantomSettings, write_phantom

    settings = PhantomSettings.tiny(dataset=one.name, label_levels=1, **one.settings)
    drawn = write_phantom(folder / one.name, settings, one.seed, plans=list(_plans(one)))
    for store in ("bucket", "truth.zarr"):
        (folder / store).mkdir(exist_ok=True)
        for place in (drawn / store).iterdir():
            if not place.name.startswith("."):
                shutil.move(place, folder / store / place.name)
    catalog = load_catalog(drawn)
    shutil.rmtree(drawn)
    dataset = replace(catalog.datasets[one.name], **one.facts)
    return replace(catalog, datasets={one.name: dataset})


def _plans(one: Drawn) -> Iterable[CropPlan]:
    from organelle.classes import scored_classes
    from organelle.geometry import Box
    from organelle.phantom import CropPlan

    everything = tuple(c.name for c in scored_classes())
    for number, box in one.train.items():
        yield CropPlan(number, Box(*box), everything if number == FULL else ANNOTATED)
    for number, box in one.test.items():
        yield CropPlan(number, Box(*box), (*EVERYWHERE, *SOMEWHERE[number]), is_test=True)


def _together(catalogs: Iterable[Catalog]) -> Catalog:
    from organelle.catalog import Catalog

    found = list(catalogs)
    return Catalog(
        "demo",
        {name: dataset for c in found for name, dataset in c.datasets.items()},
        {n: crop for c in found for n, crop in c.train_crops.items()},
        {n: crop for c in found for n, crop in c.test_crops.items()},
    )


def _write_zip(one: HandedIn, seed: int, catalog: Catalog, folder: Path) -> None:
    from organelle.evaluate import simulate
    from organelle.evaluate.simulate_report import SimulatedErrors

    out = folder / one.file
    if one.fault == "refused":
        _write_faulty(out, catalog)
    elif one.fault == "held":
        _write_blocks(out, catalog)
    else:
        simulate(folder / "truth.zarr", catalog, out, SimulatedErrors.only(**one.errors), seed=seed)


def _write_blocks(out: Path, catalog: Catalog) -> None:
    """A block in the middle of every row, which says more about the truth than about any method."""
    from organelle.submission import ZarrZip

    with ZarrZip(out) as archive:
        archive.write_group("")
        for crop in catalog.test_crops.values():
            archive.write_group(f"{crop.name}/")
            labels = np.zeros(crop.grid.shape, np.uint8)
            labels[tuple(slice(n // 4, n // 2) for n in crop.grid.shape)] = 1
            for name in crop.classes:
                archive.write_labels(f"{crop.name}/{name}", crop.grid, labels)


def _write_faulty(out: Path, catalog: Catalog) -> None:
    """What people do: a crop forgotten, a class misspelt, another shape, probabilities in place of labels."""
    from organelle.submission import ZarrZip

    *crops, _forgotten = catalog.test_crops.values()
    with ZarrZip(out) as archive:
        archive.write_group("")
        for crop in crops:
            archive.write_group(f"{crop.name}/")
            for name in crop.classes:
                labels: np.ndarray[Any, Any] = np.zeros(crop.grid.shape, np.uint8)
                labels[2:-2, 2:-2, 2:-2] = 1
                if (crop.id, name) == (22, "mito"):
                    labels = labels * np.float32(0.7)
                spelt = "mitochondria" if (crop.id, name) == (21, "mito") else name
                archive.write_labels(f"{crop.name}/{spelt}", crop.grid, labels)
