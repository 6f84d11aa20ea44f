"""Charts as SVG files, drawn on the server: Vega-Lite by Altair, rendered by vl-convert without a browser.

A chart stands in a page as a picture, light and dark, so that no script and no inline style is needed.
"""

from __future__ import annotations

import json
import threading
from functools import lru_cache
from typing import Any

from organelle.errors import require_module

THEMES = ("light", "dark")

INK = {"light": "#1b1e24", "dark": "#e9eaed"}
SOFT = {"light": "#535a65", "dark": "#a9b0bb"}
LINE = {"light": "#d5d7da", "dark": "#3a3f4a"}

SERIES = {
    "light": ("#0072b2", "#c65400", "#007a5a", "#a8548a", "#806000", "#4d4d4d", "#8a3ffc", "#2b7fa8"),
    "dark": ("#56b4e9", "#ff9447", "#2fc79b", "#e79cc9", "#e6c229", "#bfc4cc", "#c4a1ff", "#a3d8f4"),
}
"""Colours that people of every colour vision tell apart (after Okabe and Ito 2008), for each background."""

SHADES = {"light": ("#e3eef8", "#0b3d66"), "dark": ("#22394f", "#8fd0ff")}
"""From few to many."""

FONT = "system-ui, sans-serif"

PADDING = {"left": 40, "right": 40, "top": 30, "bottom": 8}
"""The reader's font may be wider than the one that is here when a chart is laid out."""

_one_at_a_time = threading.Lock()


def altair() -> Any:
    """The library, loaded when the first chart is drawn."""
    return require_module("altair", "portal")


def render(chart: Any, theme: str) -> bytes:
    """An Altair chart as SVG in the colours of a theme, without a background; always the same bytes."""
    spec = chart.to_dict() | {"background": None, "padding": PADDING}
    spec["config"] = {**spec.get("config", {}), **_config(theme)}
    return _svg(json.dumps(spec, sort_keys=True))


@lru_cache(maxsize=64)
def _svg(spec: str) -> bytes:
    convert = require_module("vl_convert", "portal")
    with _one_at_a_time:
        svg: str = convert.vegalite_to_svg(json.loads(spec), allowed_base_urls=[])
    return svg.encode()


def _config(theme: str) -> dict[str, Any]:
    text = {"labelColor": INK[theme], "titleColor": SOFT[theme], "labelFont": FONT, "titleFont": FONT}
    axis = text | {
        "domainColor": LINE[theme], "tickColor": LINE[theme], "gridColor": LINE[theme], "gridOpacity": 0.6,
        "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 260,
    }  # fmt: skip
    return {
        "aria": False,  # the page says what a chart shows
        "axis": axis,
        "legend": text
        | {"columnPadding": 24, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
        "view": {"stroke": None},
        "range": {"category": list(SERIES[theme])},
    }
