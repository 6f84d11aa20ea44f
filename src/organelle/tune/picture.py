"""A picture of a search: how the score rose, and how it depends on each parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from organelle.errors import require_module
from organelle.files import whole
from organelle.tune.gains import Tuned
from organelle.tune.space import Parameter

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#999999"
"""Colours that people of every colour vision tell apart (Okabe and Ito 2008)."""

STYLE = {"font.size": 7, "axes.axisbelow": True}
COLUMNS = 3
MOST_STEPS = 5
"""So many times the middle half of the scores below the best is shown; what is far worse lies at the edge."""


def draw_search(tuned: Tuned, path: Path) -> None:
    """Draw the search of a class as PNG; replaces the picture before. The same trials give the same bytes.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    matplotlib = require_module("matplotlib", "view")
    with matplotlib.rc_context(STYLE):
        figure = _figure(tuned)
        with whole(path, overwrite=True) as part:
            figure.savefig(part, format="png", dpi=150, metadata={"Software": None})


def _figure(tuned: Tuned) -> Any:
    from matplotlib.figure import Figure

    parameters = tuned.space.parameters
    rows = math.ceil((1 + len(parameters)) / COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 0.4 + 1.9 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).ravel().tolist()
    scores = [max(0.0, trial.score(tuned.class_name)) for trial in tuned.trials]
    _draw_course(panels[0], scores, tuned)
    for number, (panel, parameter) in enumerate(zip(panels[1:], parameters, strict=False)):
        _draw_parameter(panel, number, parameter, scores, tuned)
    for panel in panels[1 + len(parameters) :]:
        panel.set_axis_off()
    for number, panel in enumerate(panels):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="#dddddd", lw=0.5)
        if number % COLUMNS == 0:
            panel.set_ylabel("score")
    panels[0].set_ylim(*_shown(scores))
    _explain(figure, panels[: 1 + len(parameters)])
    crossed = "" if math.isnan(tuned.crossed) else f"; {tuned.crossed:.3f} on crops without a say"
    figure.suptitle(f"{tuned.class_name}: {tuned.before:.3f} before, {tuned.after:.3f} tuned{crossed}")
    return figure


def _explain(figure: Any, panels: Sequence[Any]) -> None:
    """One legend for all panels, below them."""
    told = {
        name: mark for panel in panels for mark, name in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        told.values(), told.keys(), loc="outside lower center", ncols=len(told), frameon=False, fontsize=6
    )


def _draw_course(panel: Any, scores: Sequence[float], tuned: Tuned) -> None:
    """Every trial, and the best so far."""
    numbers = range(1, len(scores) + 1)
    panel.scatter(numbers, scores, 8, GREY, lw=0, label="a recipe", clip_on=False)
    panel.step(numbers, list(accumulate(scores, max)), BLUE, lw=1, where="post", label="the best so far")
    panel.axhline(tuned.before, color=ORANGE, lw=0.8, ls="--", label="as it was")
    panel.set_xlabel("recipes tried")


def _draw_parameter(
    panel: Any, number: int, parameter: Parameter, scores: Sequence[float], tuned: Tuned
) -> None:
    """The score by the value of one parameter; darker where all others are as they were."""
    points = [trial.point for trial in tuned.trials]
    alone = [set(tuned.space.changed(point)) <= {number} for point in points]
    places = [_place(parameter, point[number]) for point in points]
    for dark, colour, label in ((False, GREY, "others changed, too"), (True, BLUE, "it alone")):
        chosen = [(x, y) for x, y, is_alone in zip(places, scores, alone, strict=True) if is_alone is dark]
        panel.scatter([x for x, _ in chosen], [y for _, y in chosen], 8, colour, lw=0, label=label)
    panel.axvline(_place(parameter, parameter.default), color=ORANGE, lw=0.8, ls="--", label="as it was")
    if tuned.chosen[number] != parameter.default:
        panel.axvline(_place(parameter, tuned.chosen[number]), color=BLUE, lw=0.8, label="tuned")
    panel.set_xlabel(parameter.name)
    _mark_values(panel, parameter)


def _place(parameter: Parameter, value: Any) -> float:
    """Where a value is drawn: choices side by side, and 0 to the left of what has ratios for steps."""
    if parameter.choices:
        return float(parameter.choices.index(value)) if value in parameter.choices else -1.0
    if parameter.log and value <= 0:
        return parameter.low / 3
    return float(value)


def _mark_values(panel: Any, parameter: Parameter) -> None:
    if parameter.choices:
        panel.set_xticks(range(len(parameter.choices)), [str(choice) for choice in parameter.choices])
        panel.set_xlim(-0.5, len(parameter.choices) - 0.5)
    elif parameter.log:
        panel.set_xscale("log")
        if parameter.default <= 0:
            _mark_zero(panel, parameter)


def _mark_zero(panel: Any, parameter: Parameter) -> None:
    """Name the place where 0 is drawn, left of the decades."""
    first, last = math.ceil(math.log10(parameter.low)), math.floor(math.log10(parameter.high))
    decades = [10.0**n for n in range(first, last + 1, 1 + (last - first) // 6)]
    panel.set_xticks(
        [_place(parameter, 0), *decades], ["0", *(f"$10^{{{round(math.log10(d))}}}$" for d in decades)]
    )
    panel.set_xticks([], minor=True)


def _shown(scores: Sequence[float]) -> tuple[float, float]:
    """The range of scores that is worth looking at."""
    ordered = sorted(scores)
    best, middle = ordered[-1], ordered[len(ordered) // 2]
    low = max(ordered[0], best - MOST_STEPS * max(best - middle, 0.01))
    room = 0.05 * max(best - low, 0.01)
    return low - room, best + room
