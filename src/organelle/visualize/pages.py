"""The start page: the way into the viewer, for each crop that is here."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from organelle.visualize.scene import Scene, View

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #222; background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem }
ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .4rem }
a { color: #0b57a4 }
li a { display: block; padding: .2rem .6rem; border: 1px solid #ccc; border-radius: .3rem;
  text-decoration: none }
li a:hover, li a:focus { background: #eef4fb }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } a { color: #8ab8ea }
  li a { border-color: #444 } li a:hover, li a:focus { background: #24303d } }
"""


def index_page(scene: Scene) -> str:
    """A list of all views by dataset; a single view is opened at once."""
    views = list(scene.views.values())
    ahead = (
        f'<meta http-equiv="refresh" content="0; url=view/{quote(views[0].name)}">' if len(views) == 1 else ""
    )
    datasets = dict.fromkeys(view.dataset for view in views)
    sections = [_section(name, [v for v in views if v.dataset == name]) for name in datasets]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>csc visualize</title>{ahead}'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>Open in Neuroglancer</h1>{''.join(sections)}</body></html>"
    )


def _section(dataset: str, views: list[View]) -> str:
    links = "".join(f'<li><a href="view/{quote(v.name)}">{escape(_words(v))}</a></li>' for v in views)
    return f"<h2>{escape(dataset)}</h2><ul>{links}</ul>"


def _words(view: View) -> str:
    if view.crop is None:
        return "whole volume"
    return f"{view.crop.name} (test)" if view.crop.is_test else view.crop.name
