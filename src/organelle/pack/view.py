"""What the scorer will see of a submission that was just packed."""

from __future__ import annotations

from organelle.catalog import Catalog
from organelle.pack.records import PackReport
from organelle.pack.run import SMALL_VOXELS
from organelle.submission import Report, validate


def see_packed(report: PackReport, catalog: Catalog, *, workers: int | None = None) -> Report:
    """The scored view of every row: objects after relabelling, specks, and what will cost points.

    It takes one more read of the zip, and of each row the memory of scoring it; small submissions are looked
    at in this process.

    Args:
        report: what `pack` returned.
        catalog: the one it was packed for.
        workers: rows at a time; None: as cores and memory allow.

    Raises:
        MissingExtra: the extra `score` is not installed.
    """
    filled = {(row.crop, row.class_name) for row in report.rows if row.voxels}
    voxels = sum(crop.grid.box.size for crop, name in catalog.rows() if (crop.id, name) in filled)
    here = workers == 1 or (workers is None and voxels < SMALL_VOXELS)
    return validate(report.path, catalog, read_values=False, scored=True, workers=0 if here else workers)
