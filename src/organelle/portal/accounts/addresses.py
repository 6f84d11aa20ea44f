"""Where somebody may be sent after signing in: to pages of this portal, and nowhere else."""

from __future__ import annotations

from django.utils.http import url_has_allowed_host_and_scheme

LONGEST = 300
"""Characters, as many as a link keeps."""


def local(address: str | None, otherwise: str = "/account/") -> str:
    """`address` if it is a path of this portal, else `otherwise`."""
    text = address or ""
    here = (
        text.startswith("/")
        and text.isprintable()
        and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
    )
    return text if here and len(text) <= LONGEST else otherwise
