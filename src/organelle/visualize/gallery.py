"""A page with a thumbnail of every crop."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from organelle.catalog import Crop
from organelle.scenes import colour_of, png_bytes, web_colour
from organelle.scenes.pictures import Picture
from organelle.visualize.pages import STYLE

GALLERY_STYLE = """
body { max-width: 80rem }
.crops { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1rem }
figure { margin: 0 } figcaption { font-size: .85rem }
img { display: block; max-width: 200px; max-height: 200px; background: #777 }
.class { display: inline-block; margin-right: .5em; white-space: nowrap }
.class::before { content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .25em;
  background: var(--colour) }
"""


@dataclass(frozen=True)
class Thumbnail:
    """One crop of the page."""

    crop: Crop
    classes: tuple[str, ...]
    picture: Picture


def gallery_page(thumbnails: Sequence[Thumbnail]) -> str:
    """One HTML file with all pictures in it; each leads to the contact sheet `{crop}.png` beside it."""
    datasets = dict.fromkeys(t.crop.dataset for t in thumbnails)
    sections = "".join(
        f'<h2>{escape(name)}</h2><div class="crops">'
        + "".join(_figure(t) for t in thumbnails if t.crop.dataset == name)
        + "</div>"
        for name in datasets
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Crops</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{GALLERY_STYLE}</style></head>'
        f"<body><h1>{len(thumbnails)} crops</h1>{sections}</body></html>"
    )


def _figure(thumbnail: Thumbnail) -> str:
    crop = thumbnail.crop
    data = base64.b64encode(png_bytes(thumbnail.picture)).decode()
    z, y, x = (round(n) for n in crop.extent.shape_nm)
    classes = "".join(
        f'<span class="class" style="--colour: {web_colour(colour_of(name))}">{escape(name)}</span>'
        for name in thumbnail.classes
    )
    words = f"{crop.name}{' (test)' if crop.is_test else ''}"
    return (
        f'<figure><a href="{crop.name}.png"><img src="data:image/png;base64,{data}" '
        f'alt="a slice of {words} with its labels"></a>'
        f"<figcaption><b>{words}</b><br>{z} x {y} x {x} nm<br>{classes}</figcaption></figure>"
    )
