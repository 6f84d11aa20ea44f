"""A rehearsal: a submission made of the truth, with chosen errors whose effect on the score is foretold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from organelle.classes import Kind
from organelle.errors import ScoringError, SettingsError, SubmissionError
from organelle.evaluate.errors_drawn import draw_errors
from organelle.evaluate.scoring import INSTANCE_CLASSES
from organelle.evaluate.simulate_report import SimulatedErrors, SimulatedRow, SimulateReport
from organelle.evaluate.truth import Truth, open_truth
from organelle.files import refuse_existing, whole
from organelle.metrics import truth_ids
from organelle.progress import track

if TYPE_CHECKING:
    from organelle.catalog import Catalog, Crop
    from organelle.submission import ZarrZip


def simulate(
    truth: Path | str,
    catalog: Catalog,
    out: Path | str,
    errors: SimulatedErrors | None = None,
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> SimulateReport:
    """Write a submission to the zip `out` that is the truth with errors, and foretell its counts.

    Every row of the test table is in it; rows without truth are zeros, and so are voxels that the truth's
    mask takes out of the score. Each row draws from a generator of its own, seeded by `seed`, crop and
    class: the same input gives the same bytes, and other rows change nothing. Memory: one row, some ten
    bytes a voxel beside its truth.

    Args:
        truth: Folder of a zarr-2 group `crop{N}/{class}`, as `evaluate` takes it.
        catalog: Its table of test crops says what a submission holds.
        out: The zip.
        errors: What goes wrong; default: a bit of everything.
        seed: Not negative.
        overwrite: Replace a file at `out`.

    Raises:
        OutputExists: something is at `out`. Nothing was read.
        SettingsError: a negative seed.
        SubmissionError: `out` is a folder.
        FileMissing: no truth there.
        ScoringError: no row of the table has truth, or truth that cannot be scored.
    """
    _require_file(out, overwrite=overwrite)
    if seed < 0:
        raise SettingsError(f"the seed is {seed}, but seeds are 0, 1, 2, ...")
    chosen, store = errors or SimulatedErrors(), open_truth(truth)
    rows, left_out = catalog.rows(), _left_out(store, catalog)
    if not any(_has_truth(store, crop, name) for crop, name in rows):
        raise ScoringError(
            f"the truth at {truth} belongs to another challenge than the catalog {catalog.name}: none of its "
            "rows is in the table of test crops; choose its tables with --catalog"
        )
    with whole(out, overwrite=overwrite) as part:
        made = tuple(_write_rows(part, store, catalog, chosen, seed))
    return SimulateReport(Path(out), seed, chosen, made, left_out)


def _require_file(out: Path | str, *, overwrite: bool) -> None:
    refuse_existing(out, overwrite=overwrite)
    if Path(out).is_dir():
        raise SubmissionError(f"{out} is a folder, which would be lost; name the zip to write")


def _has_truth(store: Truth, crop: Crop, class_name: str) -> bool:
    return class_name in store.classes.get(crop.id, ())


def _left_out(store: Truth, catalog: Catalog) -> tuple[str, ...]:
    known = {(crop.id, name) for crop, name in catalog.rows()}
    there = ((number, name) for number, names in store.classes.items() for name in names)
    return tuple(f"crop{number}/{name}" for number, name in there if (number, name) not in known)


def _write_rows(
    path: Path, store: Truth, catalog: Catalog, errors: SimulatedErrors, seed: int
) -> Iterator[SimulatedRow]:
    from organelle.submission import ZarrZip

    with ZarrZip(path) as archive:
        archive.write_group("")
        begun: set[int] = set()
        for crop, name in track(catalog.rows(), "simulate"):
            if crop.id not in begun:
                archive.write_group(f"{crop.name}/")
                begun.add(crop.id)
            yield _write_row(archive, store, crop, name, errors, seed)


def _write_row(
    archive: ZarrZip, store: Truth, crop: Crop, class_name: str, errors: SimulatedErrors, seed: int
) -> SimulatedRow:
    kind = Kind.INSTANCE if class_name in INSTANCE_CLASSES else Kind.SEMANTIC
    folder = f"{crop.name}/{class_name}"
    if not _has_truth(store, crop, class_name):
        archive.write_array(folder, crop.grid, np.dtype(np.uint8))
        return SimulatedRow(crop.id, class_name, kind)
    there = store.read(crop.id, class_name, crop.grid)
    labels = truth_ids(there.labels) if kind is Kind.INSTANCE else there.labels
    rng = np.random.default_rng([seed, crop.id, *class_name.encode()])
    drawn = draw_errors(labels, there.mask, crop.grid.voxel_size_nm, kind, errors, rng)
    archive.write_labels(folder, crop.grid, drawn.labels)
    found = drawn.objects, drawn.errors, drawn.expected, drawn.outlines
    return SimulatedRow(crop.id, class_name, kind, *found)
