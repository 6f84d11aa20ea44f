"""Files made to measure the truth instead of an image: found by what they hold, and held for an organiser.

Who hands in one block in an otherwise empty volume, or a single voxel per object, learns from the score what
is hidden. Nothing here is proof, so nothing is refused: an organiser looks. Rows are measured in child
processes, like all that reads a stranger's file; this module therefore knows nothing of Django.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.children import Job, run_jobs
from organelle.classes import Kind, kind_of
from organelle.geometry import Grid

if TYPE_CHECKING:
    from organelle.catalog import Catalog
    from organelle.submission import Submission

Array = np.ndarray[Any, np.dtype[Any]]

FEWEST_CROPS = 4
"""With fewer crops in the challenge, one who predicts a single crop does nothing odd."""

TINY_VOXELS, TINY_SHARE = 27, 1e-5
"""A row is tiny with at most 3 x 3 x 3 voxels, or a hundred-thousandth of its crop: 640 voxels of 400^3, less
than one vesicle. An honest file has larger rows somewhere."""

FULL_SHARE, FEWEST_FULL = 0.999, 3
"""Extracellular space or one cell may fill a crop; three rows or more that all do are constants."""

LARGEST_SPECK = 8.0
"""Voxels of an object on average: fewer than a cube of two a side are marks, which any overlap turns into
matches, and no organelles."""

FEWEST_OBJECTS = 3
"""Below, an average says nothing."""

MOST_OF_ROWS = 0.5
"""Share of the rows with anything in them that must look odd; single rows happen to honest people."""

MEASURING_BYTES = 20
"""A voxel: components, and the arrays that find the box."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One row on its crop's grid.

    Attributes:
        size: voxels of the crop.
        voxels: foreground.
        box_voxels: of the smallest box around the foreground; 0 without any.
        objects: connected components; 0 for semantic classes.
    """

    crop_id: int
    class_name: str
    is_instance: bool
    size: int
    voxels: int
    box_voxels: int
    objects: int = 0

    @property
    def is_tiny(self) -> bool:
        """Whether hardly anything is in it."""
        return self.voxels <= max(TINY_VOXELS, TINY_SHARE * self.size)

    @property
    def is_full(self) -> bool:
        """Whether it is foreground throughout."""
        return self.voxels >= FULL_SHARE * self.size

    @property
    def is_block(self) -> bool:
        """Whether it is one solid box, but not the whole crop."""
        return self.voxels == self.box_voxels and not self.is_full

    @property
    def is_specks(self) -> bool:
        """Whether its objects are marks of a few voxels."""
        return self.objects >= FEWEST_OBJECTS and self.voxels < LARGEST_SPECK * self.objects


def suspicions(path: Path, catalog: Catalog, *, workers: int | None = None) -> list[str]:
    """What about the submission at `path` looks like probing, in sentences for an organiser; mostly nothing.

    Args:
        path: a file that the validator found nothing wrong with.
        catalog: of its test crops.
        workers: child processes at a time; default: as many as there are cores.
    """
    return list(judge(measure_rows(path, catalog, workers=workers), len(catalog.test_crops)))


def judge(rows: Sequence[Measured], crops: int) -> Iterator[str]:
    """What about these rows of a challenge with so many test crops looks like probing."""
    filled = [row for row in rows if row.voxels]
    if not filled:
        yield "Every row is background."
        return
    touched = {row.crop_id for row in filled}
    if crops >= FEWEST_CROPS and len(touched) == 1:
        yield f"Only crop {min(touched)} has anything in it, of {crops} crops."
    if all(row.is_tiny for row in filled):
        most = max(row.voxels for row in filled)
        yield f"No row has more than {most} voxels."
    full = [row for row in filled if row.is_full]
    if len(full) >= FEWEST_FULL and len(full) > MOST_OF_ROWS * len(filled):
        yield f"{len(full)} of {len(filled)} rows are one constant."
    blocks = [row for row in filled if row.is_block]
    if len(blocks) > MOST_OF_ROWS * len(filled):
        yield f"{len(blocks)} of {len(filled)} rows are a single solid box."
    instance = [row for row in filled if row.is_instance]
    specks = [row for row in instance if row.is_specks]
    if specks and len(specks) >= MOST_OF_ROWS * len(instance):
        yield f"In {len(specks)} of {len(instance)} instance rows an object has a few voxels only."


def measure_rows(path: Path, catalog: Catalog, *, workers: int | None = None) -> list[Measured]:
    """Every row that can be read, measured in child processes within limits."""
    from organelle.submission import open_submission, row_allowance

    expected = list(catalog.test_crops)
    jobs = []
    with open_submission(path, expected=expected) as submission:
        for crop, name in catalog.rows():
            place = submission, crop.id, name, crop.grid
            allowance = row_allowance(*place, bytes_a_voxel=MEASURING_BYTES)
            arguments = {"path": str(path.resolve()), "expected": expected, "crop_id": crop.id}
            arguments |= {"class_name": name, "grid": asdict(crop.grid)}
            jobs.append(Job(f"{crop.id}/{name}", arguments, allowance))
    outcomes = run_jobs("organelle.portal.scoring.probing:measure", jobs, workers=workers)
    return [Measured(**outcome.value) for outcome in outcomes if outcome.value]


def measure(
    path: str, expected: Sequence[int], crop_id: int, class_name: str, grid: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Measure one row, wherever this runs; None if it is not there. Arguments and result are JSON values."""
    from organelle.submission import align

    submitted = _open(path, tuple(expected)).array(crop_id, class_name)
    if submitted is None:
        return None
    place, kind = Grid(**{name: tuple(numbers) for name, numbers in grid.items()}), kind_of(class_name)
    labels = align(submitted, place, kind)
    foreground = labels != 0 if kind is Kind.INSTANCE else labels > 0
    voxels = int(np.count_nonzero(foreground))
    objects = _components(labels) if kind is Kind.INSTANCE and voxels else 0
    box = _box_voxels(foreground) if voxels else 0
    found = Measured(crop_id, class_name, kind is Kind.INSTANCE, labels.size, voxels, box, objects)
    return asdict(found)


def _components(labels: Array) -> int:
    from organelle.metrics import connected_components

    return int(connected_components(labels)[1])


def _box_voxels(foreground: Array) -> int:
    """Voxels of the smallest box around a mask that is not empty."""
    volume = 1
    for axis in range(3):
        used = np.flatnonzero(foreground.any(axis=tuple({0, 1, 2} - {axis})))
        volume *= int(used[-1] - used[0] + 1)
    return volume


@lru_cache(maxsize=1)
def _open(path: str, expected: tuple[int, ...]) -> Submission:
    from organelle.submission import open_submission

    return open_submission(path, expected=expected)
