"""Pieces of the HTML report: pure functions from records to markup. No script, no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from organelle.classes import Kind
from organelle.errors import ClassNotFound
from organelle.evaluate.records import STOPPED, UNREADABLE, Result, Row
from organelle.evaluate.slices import Plane
from organelle.evaluate.table import Baselines, score_parts, skipped_classes
from organelle.evaluate.words import label, notes
from organelle.metrics import InstanceScore, PanopticScore, Score, SemanticScore
from organelle.scenes import colour_of

if TYPE_CHECKING:
    from organelle.catalog import Crop


_MADE_OF = {"F1": "square root of F1 × mean Hausdorff term", "SQ": "panoptic quality, SQ × RQ"}
_ABSENT = {"missing": "not handed in", UNREADABLE: "unreadable", STOPPED: "stopped"}


def page(title: str, style: str, body: Iterable[str]) -> str:
    """A whole document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def header(title: str, result: Result) -> str:
    """Title, what was scored, and the overall numbers."""
    scores, made = result.scores, result.provenance
    cards = (
        ("Overall", scores.overall, "geometric mean of the two"),
        ("Instance classes", scores.overall_instance, _mean_of(result, InstanceScore, PanopticScore)),
        ("Semantic classes", scores.overall_semantic, _mean_of(result, SemanticScore)),
    )
    return (
        f"<h1>{escape(title)}</h1>"
        f'<p class="soft">{escape(made.submission.name)}, scored with metric {escape(made.metric)}: '
        f"{result.num_evals_done} of {result.total_evals} rows of the table of test crops.</p>"
        f'<div class="overall">{"".join(_card(*card) for card in cards)}</div>'
    )


def remarks(result: Result) -> str:
    """Everything that participants should know about single rows; empty when all is plain."""
    told = [(row.place, note) for row in result.rows for note in notes(row)]
    if not told:
        return ""
    items = "".join(f"<li><strong>{escape(place)}</strong> {escape(note)}</li>" for place, note in told)
    return f'<section class="notes"><strong>What happened to single rows</strong><ul>{items}</ul></section>'


def class_section(result: Result, baselines: Baselines | None) -> str:
    """Bars and numbers per class, with a mark and a column per baseline."""
    others = baselines or {}
    scores = result.scores if baselines is None else result.strict_scores
    heads = [("Class", ""), ("", "wide"), ("Score", "right"), *((name, "right") for name in others)]
    parts = score_parts(scores)
    heads += [(name, "right") for name in (*parts, "TP", "FP", "FN")]
    rows = (_class_row(name, score, others, parts.values()) for name, score in scores.classes.items())
    told = [] if baselines is None else [f"<p>{escape(note)}</p>" for note in skipped_classes(result)]
    return (
        "<h2>Classes</h2>"
        f'<p class="soft small">Instance classes: {_MADE_OF[next(iter(parts))]}, in objects. '
        f"Semantic classes: IoU, in voxels. {_legend(others)}</p>"
        f'<div class="card scroll"><table>{_head(heads)}<tbody>{"".join(rows)}</tbody></table></div>'
        + "".join(told)
    )


def crop_section(crop_id: int, crop: Crop | None, rows: Sequence[Row], figures: Sequence[str]) -> str:
    """One crop: its table of rows, and the pictures of each."""
    heads = [
        ("Class", ""),
        *((name, "right") for name in ("TP", "FP", "FN")),
        ("Counted in", ""),
        ("Status", ""),
    ]
    where = (
        f" · {crop.dataset} · {_times(crop.voxel_size_nm)} nm · {_times(crop.grid.shape)} voxels"
        if crop
        else ""
    )
    return (
        f'<h2 id="crop{crop_id}">Crop {crop_id}<span class="soft small">{escape(where)}</span></h2>'
        f'<div class="card"><div class="scroll"><table>{_head(heads)}'
        f"<tbody>{''.join(map(_crop_row, rows))}</tbody></table></div>{''.join(figures)}</div>"
    )


def figure(row: Row, planes: Sequence[Plane], *, has_em: bool) -> str:
    """The z slice of a row, and the other two behind a fold."""
    first, *rest = planes
    em = "" if has_em else '<span class="soft small">no EM of this crop in the data folder</span>'
    folded = "".join(_plane(row, plane) for plane in rest)
    return (
        f"<h3><span>{dot(row.class_name)}{escape(row.class_name)}</span>{em}</h3>"
        f"{_plane(row, first)}<details><summary>Slices across y and x</summary>{folded}</details>"
    )


def picture(described: str, png: bytes) -> str:
    """A PNG file as an image that needs no other file."""
    return f'<img alt="{escape(described)}" src="data:image/png;base64,{b64encode(png).decode()}">'


def picture_note(shown: int, rows: int) -> str:
    """Which rows have pictures, when not all of them have."""
    if shown == rows:
        return ""
    return (
        f'<p class="soft small">{shown} of {rows} rows are shown as pictures: those of the classes with the '
        "lowest scores.</p>"
    )


def provenance(result: Result) -> str:
    """What the result was made from and with."""
    made = result.provenance
    versions = ", ".join(f"{name} {number}" for name, number in made.versions.items())
    facts = {
        "Metric": escape(made.metric),
        "Submission": f"{escape(made.submission.name)} <code>sha256 {made.submission.sha256}</code>",
        "Truth": f"{escape(made.truth.name)} <code>sha256 {made.truth.sha256}</code>",
        "Libraries": escape(versions),
    }
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<h2>Made from</h2><div class="card small"><dl>{items}</dl></div>'


def _card(name: str, score: float, explained: str) -> str:
    return (
        f'<div class="card"><div class="soft">{name}</div><div class="number">{score:.3f}</div>'
        f'{bar(score)}<div class="soft small">{explained}</div></div>'
    )


def _mean_of(result: Result, *kinds: type[Score]) -> str:
    n = sum(isinstance(score, kinds) for score in result.scores.classes.values())
    return f"mean of {n} class{'' if n == 1 else 'es'}" if n else "no class of this kind: 0"


def _class_row(name: str, score: Score, baselines: Baselines, made_of: Iterable[str]) -> str:
    others = [scores.get(name) for scores in baselines.values()]
    known = [other for other in others if other is not None]
    mood = "" if not known else "up" if all(score.score > other for other in known) else "down"
    parts = [number(getattr(score, part, None)) for part in made_of]
    counts = [f"{n:,}" for n in (score.tp, score.fp, score.fn)]
    cells = "".join(f'<td class="right">{cell}</td>' for cell in [*map(number, others), *parts, *counts])
    return (
        f'<tr><th scope="row">{dot(name)}{escape(name)}</th>'
        f'<td class="wide">{bar(score.score, others, tone=tone(name))}</td>'
        f'<td class="right best {mood}">{number(score.score)}</td>{cells}</tr>'
    )


def _crop_row(row: Row) -> str:
    found = row.counts
    counts = [f"{n:,}" for n in (found.tp, found.fp, found.fn)] if found else ["–"] * 3
    cells = "".join(f'<td class="right">{count}</td>' for count in counts)
    unit = "objects" if row.kind is Kind.INSTANCE else "voxels"
    mood = row.status if row.status in ("scored", "missing") else "bad"
    return (
        f'<tr><th scope="row">{dot(row.class_name)}{escape(row.class_name)}</th>{cells}<td>{unit}</td>'
        f'<td class="status {mood}">{escape(label(row))}</td></tr>'
    )


def _plane(row: Row, plane: Plane) -> str:
    what = f"{row.class_name} in crop {row.crop_id}, {plane.axis} slice {plane.index}"
    height, width = (f"{nm / 1000:.3g}" for nm in plane.shape_nm)
    pictures = {"EM": plane.em, "Truth": plane.truth, "Prediction": plane.prediction}
    titles = (
        "EM",
        "Truth",
        "Prediction" if row.status not in _ABSENT else f"Prediction: {_ABSENT[row.status]}",
    )
    heads = "".join(f'<div class="head" aria-hidden="true">{name}</div>' for name in titles)
    images = "".join(picture(f"{name}: {what}", png) for name, png in pictures.items())
    where = f"{plane.axis} slice {plane.index + 1} of {plane.count}, {width} µm wide and {height} µm high"
    ratio = plane.shape_nm[1] / plane.shape_nm[0]
    return (
        f'<figure class="planes" style="--ratio:{ratio:.4f}">{heads}{images}'
        f'<figcaption class="where">{where}</figcaption></figure>'
    )


def bar(score: float, others: Sequence[float | None] = (), tone: str = "") -> str:
    """A score as a bar, and others as marks on it."""
    marks = "".join(
        f'<b class="m{i}" style="left:{100 * other:.2f}%"></b>'
        for i, other in enumerate(others)
        if other is not None
    )
    style = f";--tone:{tone}" if tone else ""
    return f'<div class="bar" aria-hidden="true"><i style="width:{100 * score:.2f}%{style}"></i>{marks}</div>'


def _legend(baselines: Baselines) -> str:
    keys = (
        '<span class="keep"><span class="bar key" aria-hidden="true">'
        f'<b class="m{i}"></b></span>{escape(name)}</span>'
        for i, name in enumerate(baselines)
    )
    return f"Marks on the bars: {', '.join(keys)}." if baselines else ""


def _head(columns: Iterable[tuple[str, str]]) -> str:
    cells = (
        f'<th scope="col" class="{style}">{escape(name)}</th>' if name else f'<td class="{style}"></td>'
        for name, style in columns
    )
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def dot(class_name: str) -> str:
    """A dot in the colour of a class."""
    return f'<span class="dot" style="--tone:{tone(class_name)}" aria-hidden="true"></span>'


def tone(class_name: str) -> str:
    """The class's colour as CSS; grey for a name that is no class."""
    try:
        red, green, blue = colour_of(class_name)
    except ClassNotFound:
        return "#888888"
    return f"#{red:02x}{green:02x}{blue:02x}"


def number(score: float | None) -> str:
    """A score, or a dash."""
    return "–" if score is None else f"{score:.3f}"


def _times(numbers: Iterable[float]) -> str:
    return " × ".join(f"{n:g}" for n in numbers)
