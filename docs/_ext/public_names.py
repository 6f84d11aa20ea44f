"""Links to where a name is documented.

Annotations name the module that a class is written in, `organelle.volumes.volume.Volume`; it is documented
as what the room hands out, `organelle.volumes.Volume`.
"""

from __future__ import annotations

import re
from typing import Any

from docutils.nodes import Element, TextElement
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

INSIDE_A_ROOM = re.compile(r"(organelle\.\w+)\.\w+\.(\w+)")


def resolve(app: Sphinx, env: BuildEnvironment, node: Element, text: TextElement) -> Element | None:
    """The link that `node` stands for, if it names a class by the module inside its room."""
    match = INSIDE_A_ROOM.fullmatch(node.get("reftarget", ""))
    if match is None or node.get("refdomain") != "py":
        return None
    public = ".".join(match.groups())
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], public, node, text
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Announce the hook to Sphinx."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
