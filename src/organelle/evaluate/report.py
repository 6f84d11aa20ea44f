"""A result as one HTML page that needs nothing else: no network, no script, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.errors import require_folder
from organelle.evaluate import page
from organelle.evaluate.records import TRUTH_ERROR, Result, Row
from organelle.evaluate.slices import draw_planes, open_em
from organelle.evaluate.table import Baselines
from organelle.evaluate.truth import Truth, open_truth
from organelle.files import refuse_existing, whole
from organelle.progress import track
from organelle.submission import Submission, open_submission

if TYPE_CHECKING:
    from organelle.catalog import Catalog

MOST_PICTURES = 60
"""Rows with pictures, worst first: about 0.5 MB each at full size."""


def write_report(
    result: Result,
    path: Path | str,
    *,
    catalog: Catalog,
    data: Path | str | None,
    truth: Path | str,
    submission: Path | str,
    baselines: Baselines | None = None,
    title: str = "Scored submission",
    most_pictures: int = MOST_PICTURES,
    overwrite: bool = False,
) -> Path:
    """Write overall numbers, bars per class, and slices of EM, truth and prediction per crop.

    Args:
        result: What `evaluate` found in `submission` and `truth`.
        path: The HTML file.
        catalog: Whose test crops were scored.
        data: Folder of the EM in the bucket's layout; None, or a dataset that is not there: grey instead.
        truth: As it was evaluated.
        submission: As it was evaluated.
        baselines: Name -> class -> score, drawn beside each class. Crops that the metric skips then count
            as missed, and the page says so.
        title: Heading of the page.
        most_pictures: How many rows are shown as pictures.
        overwrite: Replace the file if it exists.

    Raises:
        OutputExists: the file is there and `overwrite` is false.
        FileMissing: no data folder, truth or submission at the places given.
    """
    refuse_existing(path, overwrite=overwrite)
    if data is not None:
        require_folder(data, "data folder")
    store, shown = open_truth(truth), _worth_a_picture(result, most_pictures)
    with open_submission(submission, expected=tuple(store.classes)) as handed_in:
        drawn = track(shown, "draw", total=len(shown))
        figures = {row: _figure(row, catalog, store, handed_in, data) for row in drawn}
    style = files("organelle.evaluate").joinpath("report.css").read_text("utf-8")
    with whole(path, overwrite=overwrite) as part:
        part.write_text(page.page(title, style, _body(result, title, catalog, baselines, figures)), "utf-8")
    return Path(path)


def _body(
    result: Result, title: str, catalog: Catalog, baselines: Baselines | None, figures: dict[Row, str]
) -> Iterator[str]:
    yield page.header(title, result)
    yield page.remarks(result)
    yield page.class_section(result, baselines)
    yield page.picture_note(len(figures), len(_drawable(result)))
    for crop_id in result.crop_ids:
        rows = [row for row in result.rows if row.crop_id == crop_id]
        pictures = [figures[row] for row in rows if row in figures]
        yield page.crop_section(crop_id, catalog.test_crops.get(crop_id), rows, pictures)
    yield page.provenance(result)


def _worth_a_picture(result: Result, most: int) -> tuple[Row, ...]:
    """The rows of the classes with the lowest scores."""
    scores = result.strict_scores.classes
    return tuple(sorted(_drawable(result), key=lambda row: scores[row.class_name].score)[:most])


def _drawable(result: Result) -> list[Row]:
    """Rows whose truth can be read."""
    return [row for row in result.rows if row.status != TRUTH_ERROR]


def _figure(row: Row, catalog: Catalog, truth: Truth, submission: Submission, data: Path | str | None) -> str:
    crop = catalog.crop(row.crop_id)
    em = open_em(data, crop)
    return page.figure(row, draw_planes(row, crop, truth, submission, em), has_em=em is not None)
