"""What browsers are called by people, out of what they call themselves."""

from __future__ import annotations

BROWSERS = (
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
"""The more special first: most of them claim to be Chrome and Safari, too."""
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(agent: str) -> str:
    """`Firefox on Linux`, out of the header User-Agent; nothing is promised of it."""
    browser = next((name for mark, name in BROWSERS if mark in agent), "another program")
    system = next((name for mark, name in SYSTEMS if mark in agent), "an unknown system")
    return f"{browser} on {system}"
