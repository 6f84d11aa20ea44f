"""Google-style sections in docstrings, as `sphinx.ext.napoleon` reads them.

Napoleon itself takes "Steps: how many" under an attribute for a type and a text. Here the docstring of an
attribute is prose, colons included.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

STYLE = Config(napoleon_numpy_docstring=False, napoleon_use_rtype=False)
PROSE = ("attribute", "data", "property")


def read_sections(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn `Args:`, `Returns:` and `Raises:` into reStructuredText, in place."""
    if what not in PROSE:
        lines[:] = GoogleDocstring(list(lines), STYLE, app, what, name, obj, options).lines()


def setup(app: Sphinx) -> dict[str, Any]:
    """Announce the reader to autodoc."""
    app.connect("autodoc-process-docstring", read_sections)
    return {"parallel_read_safe": True}
