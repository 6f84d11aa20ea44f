"""A result as one HTML page that needs nothing else: no network, no script, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from organelle.evaluate import explain_page, page
from organelle.evaluate.bench import Bench
from organelle.evaluate.costliest import Cost, Explanation
from organelle.evaluate.crew import Crew
from organelle.evaluate.explanation import explain, explain_record, faults_path
from organelle.evaluate.records import TRUTH_ERROR, Result, Row
from organelle.evaluate.slices import Plane
from organelle.evaluate.table import Baselines
from organelle.evaluate.truth import open_truth
from organelle.files import refuse_existing, whole, write_json
from organelle.progress import track
from organelle.scenes import VIEWER
from organelle.stores import Place, require_readable
from organelle.submission import open_submission

if TYPE_CHECKING:
    from organelle.catalog import Catalog

MOST_PICTURES = 60
"""Rows with pictures, worst first: about 0.5 MB each at full size."""

MOST_FAULTS = 40
"""Faults in the list of the costliest, all with pictures: about 0.3 MB each."""


def write_report(
    result: Result,
    path: Path | str,
    *,
    catalog: Catalog,
    data: Place | str | None,
    truth: Path | str,
    submission: Path | str,
    baselines: Baselines | None = None,
    title: str = "Scored submission",
    most_pictures: int = MOST_PICTURES,
    most_faults: int = MOST_FAULTS,
    serve_url: str | None = None,
    viewer_url: str = VIEWER,
    workers: int | None = None,
    memory_bytes: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write scores, where points are lost, the costliest faults, and slices of EM, truth and prediction.

    `NAME_faults.json` beside `NAME.html` says the same about faults, and lists all of them. Both betray the
    truth and are for organisers only; participants get `write_public_report`.

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
        most_faults: How many of the costliest faults are listed and shown.
        serve_url: Where a server offers EM, truth and prediction to Neuroglancer; see `fault_scene`.
        viewer_url: The Neuroglancer that links open.
        workers: Child processes that look at rows again, see `evaluate`.
        memory_bytes: For all of them together, see `evaluate`.
        overwrite: Replace the file if it exists.

    Raises:
        OutputExists: one of the two files is there and `overwrite` is false; neither was written.
        FileMissing: no data folder, truth or submission at the places given.
    """
    for output in (path, faults_path(path)):
        refuse_existing(output, overwrite=overwrite)
    if data is not None:
        require_readable(data, "data folder")
    store, shown = open_truth(truth), _worth_a_picture(result, most_pictures)
    with open_submission(submission, expected=tuple(store.classes)) as handed_in:
        bench = Bench(catalog, store, handed_in, Crew(workers, memory_bytes))
        explained = explain(result, bench, most=most_faults)
        fault_pictures = _fault_pictures(explained, bench, data)
        figures = _figures(shown, bench, data)
    why = (
        explain_page.lost_section(explained),
        explain_page.costliest_section(
            explained, fault_pictures, catalog, serve_url=serve_url, viewer_url=viewer_url
        ),
    )
    record = explain_record(explained, catalog, serve_url=serve_url, viewer_url=viewer_url)
    write_json(faults_path(path), record, overwrite=overwrite)
    body = _body(result, title, catalog, baselines, why, figures)
    return write_page(path, title, body, overwrite=overwrite)


def write_page(path: Path | str, title: str, body: Iterable[str], *, overwrite: bool = False) -> Path:
    """Write pieces of markup as a whole page in the report's style."""
    style = files("organelle.evaluate").joinpath("report.css").read_text("utf-8")
    with whole(path, overwrite=overwrite) as part:
        part.write_text(page.page(title, style, body), "utf-8")
    return Path(path)


def _body(
    result: Result,
    title: str,
    catalog: Catalog,
    baselines: Baselines | None,
    why: Iterable[str],
    figures: dict[Row, str],
) -> Iterator[str]:
    yield page.header(title, result)
    yield page.remarks(result)
    yield page.class_section(result, baselines)
    yield from why
    yield page.picture_note(len(figures), len(_drawable(result)))
    for crop_id in result.crop_ids:
        rows = [row for row in result.rows if row.crop_id == crop_id]
        pictures = [figures[row] for row in rows if row in figures]
        yield page.crop_section(crop_id, catalog.test_crops.get(crop_id), rows, pictures)
    yield page.provenance(result)


def _fault_pictures(
    explained: Explanation, bench: Bench, data: Place | str | None
) -> dict[Cost, Sequence[Plane]]:
    """Pictures of the costliest faults, row by row."""
    by_row: dict[str, list[Cost]] = {}
    for cost in explained.costliest:
        if cost.fault is not None:
            by_row.setdefault(cost.row.place, []).append(cost)
    asked = {costs[0].row: [cost.fault for cost in costs if cost.fault] for costs in by_row.values()}
    pictures: dict[Cost, Sequence[Plane]] = {}
    for place, found in track(bench.draw_faults(asked, data), "draw faults", total=len(asked)):
        pictures.update(zip(by_row[place], found.planes, strict=True))
    return pictures


def _figures(rows: Sequence[Row], bench: Bench, data: Place | str | None) -> dict[Row, str]:
    by_place = {row.place: row for row in rows}
    drawn = track(bench.draw_rows(rows, data), "draw", total=len(rows))
    return {
        by_place[place]: page.figure(by_place[place], found.planes[0], has_em=found.has_em)
        for place, found in drawn
    }


def _worth_a_picture(result: Result, most: int) -> tuple[Row, ...]:
    """The rows of the classes with the lowest scores."""
    scores = result.strict_scores.classes
    return tuple(sorted(_drawable(result), key=lambda row: scores[row.class_name].score)[:most])


def _drawable(result: Result) -> list[Row]:
    """Rows whose truth can be read."""
    return [row for row in result.rows if row.status != TRUTH_ERROR]
