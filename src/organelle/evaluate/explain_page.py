"""Why points were lost, as markup: bars of shares, and cards of the costliest faults."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from organelle.evaluate.costliest import Cost, Explanation, Loss
from organelle.evaluate.fault_scenes import fault_scene
from organelle.evaluate.fault_words import KIND_WORDS, place, sentence, volume
from organelle.evaluate.page import dot, picture
from organelle.evaluate.slices import Plane
from organelle.metrics import FAULT_KINDS
from organelle.scenes import state_link, viewer_state

if TYPE_CHECKING:
    from organelle.catalog import Catalog

Pictures = Mapping[Cost, Sequence[Plane]]

MEASURES = {
    "overall_score": "the overall score",
    "overall_instance_score": "the mean of the instance classes",
    "overall_semantic_score": "the mean of the semantic classes",
}

MOST_REMAINDERS = 12
"""Lines in the table of what is small but many."""

OPEN_CARDS = 12
"""Costliest faults that are shown at once; the others stand behind folds."""


def lost_section(explanation: Explanation) -> str:
    """Where the points are lost: shares by class and by crop, coloured by kind."""
    if not explanation.classes:
        return '<h2>Where points are lost</h2><p class="card">Nowhere: everything is right.</p>'
    shown = {kind for loss in explanation.classes for kind in loss.by_kind}
    keys = "".join(
        f'<span class="keep"><i class="swatch k-{_style(kind)}"></i>{word}</span> '
        for kind, word in KIND_WORDS.items()
        if kind in shown
    )
    return (
        "<h2>Where points are lost</h2>"
        '<p class="soft small">The bars of a card share out what the score lacks and add up to 100 %. The '
        f"last number is what {MEASURES[explanation.measure]} would gain if everything there were right.</p>"
        f'<p class="legend small">{keys}</p>'
        f'<div class="halves">{share_bars("By class", explanation.classes, dots=True)}'
        f"{share_bars('By crop', explanation.crops)}</div>{_skipped(explanation)}"
    )


def costliest_section(
    explanation: Explanation,
    pictures: Pictures,
    catalog: Catalog,
    *,
    serve_url: str | None = None,
    viewer_url: str,
) -> str:
    """Cards of the costliest faults, each with place, volume, gain, pictures and a link to Neuroglancer."""
    if not explanation.costliest:
        return ""
    cards = []
    for number, cost in enumerate(explanation.costliest, 1):
        link = _neuroglancer(cost, catalog, serve_url, viewer_url)
        body = f'<div class="fault">{_facts(cost, link)}{_pictures(cost, pictures.get(cost, ()))}</div>'
        head = _head(number, cost)
        if number <= OPEN_CARDS:
            cards.append(f'<article class="card" id="fault{number}">{head}{body}</article>')
        else:
            cards.append(
                f'<details class="card" id="fault{number}"><summary>{head}</summary>{body}</details>'
            )
    return (
        "<h2>The costliest faults</h2>"
        '<p class="soft small">The number on the right is what '
        f"{MEASURES[explanation.measure]} would gain if this fault alone were right. Places are nm, z y x. "
        "Objects that take part are coloured, in truth and prediction alike; other objects are grey; wrong "
        "voxels of semantic classes are red. Ticks at the edges "
        f'point to the place.</p><div class="faults">{"".join(cards)}</div>{_remainders(explanation)}'
    )


def _remainders(explanation: Explanation) -> str:
    """A table of what is small but many; empty without any."""
    shown = explanation.remainders[:MOST_REMAINDERS]
    if not shown:
        return ""
    rows = "".join(
        f'<tr><td><span class="kind k-{_style(cost.kind)}">{KIND_WORDS[cost.kind]}</span></td>'
        f'<th scope="row">{dot(cost.row.class_name)}{escape(cost.row.class_name)}</th>'
        f'<td>crop {cost.row.crop_id}</td><td class="right">{cost.fault.gathered:,}</td>'
        f'<td class="right">{volume(cost.fault.voxels, cost.row.grid)}</td>'
        f'<td class="right gain">{_gain(cost.gain)}</td></tr>'
        for cost in shown
        if cost.fault is not None
    )
    heads = "".join(
        f'<th scope="col" class="{style}">{name}</th>'
        for name, style in (
            ("Kind", ""),
            ("Class", ""),
            ("Crop", ""),
            ("Faults", "right"),
            ("Wrong", "right"),
            ("Gain", "right"),
        )
    )
    return (
        "<h3>Each of them small, but many</h3>"
        '<p class="soft small">What costs no more than the other faults of its kind and row, together.</p>'
        f'<div class="card scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def share_bars(title: str, losses: Sequence[Loss], *, dots: bool = False) -> str:
    """A card of bars, one per class or crop."""
    most = max((loss.share for loss in losses), default=0) or 1
    rows = "".join(_bar_row(loss, most, dots=dots) for loss in losses)
    table = f'<table class="shares"><tbody>{rows}</tbody></table>'
    return f'<div class="card"><h3 class="flat">{title}</h3>{table}</div>'


def _bar_row(loss: Loss, most: float, *, dots: bool) -> str:
    parts = loss.by_kind or {"all": loss.share}
    pieces = "".join(
        f'<i class="k-{_style(kind)}" style="width:{100 * share / most:.2f}%" '
        f'title="{escape(KIND_WORDS.get(kind, kind))}: {100 * share:.1f} %"></i>'
        for kind, share in sorted(parts.items(), key=lambda item: _rank(item[0]))
    )
    mark = dot(loss.name) if dots else ""
    return (
        f'<tr><th scope="row">{mark}{escape(loss.name)}</th>'
        f'<td class="wide"><div class="bar stack" role="img" aria-label="{_spoken(loss)}">{pieces}</div></td>'
        f'<td class="right">{100 * loss.share:.1f} %</td><td class="right soft">{_gain(loss.gain)}</td></tr>'
    )


def _spoken(loss: Loss) -> str:
    parts = (f"{KIND_WORDS.get(kind, kind)} {100 * share:.1f} %" for kind, share in loss.by_kind.items())
    return escape(", ".join(parts) or f"{100 * loss.share:.1f} %")


def _skipped(explanation: Explanation) -> str:
    told = "".join(
        f"<li><strong>{escape(found.row.place)}</strong> is skipped for its many objects. Without that rule "
        f"{escape(found.row.class_name)} would score {found.class_score:.3f}, and the whole "
        f"{found.overall:.3f} in place of {explanation.overall:.3f}.</li>"
        for found in explanation.unskipped
    )
    return f'<div class="notes"><ul>{told}</ul></div>' if told else ""


def _head(number: int, cost: Cost) -> str:
    return (
        f'<span class="faulthead"><span class="rank">{number}</span>'
        f'<span class="kind k-{_style(cost.kind)}">{escape(KIND_WORDS.get(cost.kind, cost.kind))}</span>'
        f"<strong>{dot(cost.row.class_name)}{escape(cost.row.class_name)}</strong>"
        f'<a class="soft" href="#crop{cost.row.crop_id}">crop {cost.row.crop_id}</a>'
        f'<span class="gain">{_gain(cost.gain)}</span></span>'
    )


def _facts(cost: Cost, link: str) -> str:
    fault, grid = cost.fault, cost.row.grid
    facts = {}
    if fault is not None:
        size = " × ".join(f"{n:,.0f}" for n in grid.extent_of(fault.box).shape_nm)
        facts["Place"] = f'<code class="place">{place(fault, grid)}</code> nm'
        facts["Wrong"] = volume(fault.voxels, grid)
        facts["Reaches over"] = f"{size} nm"
        if fault.gathered == 1 and fault.truth:
            facts["Truth ids"] = _ids(fault.truth)
    facts["Class gains"] = _gain(cost.class_gain)
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<div class="about"><p>{escape(sentence(cost))}</p><dl class="small">{items}</dl>{link}</div>'


def _neuroglancer(cost: Cost, catalog: Catalog, serve_url: str | None, viewer_url: str) -> str:
    if cost.fault is None:
        return ""
    scene = fault_scene(cost.row, cost.fault, catalog.crop(cost.row.crop_id).dataset, serve_url)
    state = viewer_state(scene)
    shown = escape(json.dumps(state, indent=1))
    note = (
        ""
        if scene.em_url
        else ' <span class="soft small">(only the box: this EM is not in a public place)</span>'
    )
    link = escape(state_link(state, viewer_url))
    return (
        f'<p class="small"><a href="{link}" rel="noreferrer">Open in Neuroglancer</a>'
        f'{note}</p><details class="state"><summary>State as JSON</summary><pre>{shown}</pre></details>'
    )


def _pictures(cost: Cost, planes: Sequence[Plane]) -> str:
    if not planes:
        return ""
    heads = "".join(
        f'<div class="head" aria-hidden="true">{name}</div>' for name in ("EM", "Truth", "Prediction")
    )
    rows = "".join(_plane(cost, plane) for plane in planes)
    return f'<div class="views"><div></div>{heads}{rows}</div>'


def _plane(cost: Cost, plane: Plane) -> str:
    what = f"{cost.row.class_name} in crop {cost.row.crop_id}, across {plane.axis}"
    height, width = (f"{nm:,.0f}" for nm in plane.shape_nm)
    images = "".join(
        picture(f"{name}: {what}, {width} nm wide and {height} nm high", png)
        for name, png in (("EM", plane.em), ("Truth", plane.truth), ("Prediction", plane.prediction))
    )
    return f'<div class="axis" title="slice {plane.index + 1} of {plane.count}">{plane.axis}</div>{images}'


def _ids(numbers: Sequence[int], most: int = 8) -> str:
    more = f" and {len(numbers) - most:,} more" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + more


def _gain(gain: float) -> str:
    """Four digits after the point; more when that would show nothing."""
    digits = 4 if abs(gain) >= 0.0001 or gain == 0 else 7
    return f"{gain:+.{digits}f}".replace("-", "−")


def _style(kind: str) -> str:
    return kind if kind in ("all", *FAULT_KINDS) else "whole"


def _rank(kind: str) -> int:
    return list(KIND_WORDS).index(kind) if kind in KIND_WORDS else len(KIND_WORDS)
