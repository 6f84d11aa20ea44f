"""The configuration that holds, and where each value comes from; passwords are never shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from organelle.errors import OrganelleError
from organelle.portal.config import FILE, PREFIX, PortalConfig, load_config
from organelle.settings import read_toml

SECRETS = frozenset({"password", "secret", "key", "metrics_token"})
"""Last parts of the names of keys whose values nobody sees."""

HIDDEN = "set, not shown"
DEFAULT = "default"


@dataclass(frozen=True)
class Value:
    """One key as it holds.

    Attributes:
        key: `mail.host`.
        text: its value, as it may be shown.
        source: `default`, `portal.toml`, or the variable of the environment.
        coming: another value that holds from the next start on; empty when there is none.
    """

    key: str
    text: str
    source: str
    coming: str = ""


def effective(config: PortalConfig, folder: Path | None, environment: Mapping[str, str]) -> list[Value]:
    """All keys in the order of the configuration.

    Args:
        config: what this process works with.
        folder: of the portal; None: there is no `portal.toml`.
        environment: variables.
    """
    written = _written(folder)
    later = dict(_flat(_next(config, folder, environment)))
    return [
        Value(
            key,
            shown(key, value),
            _source(key, written, environment),
            shown(key, later[key]) if later[key] != value else "",
        )
        for key, value in _flat(config)
    ]


def shown(key: str, value: Any) -> str:
    """A value as organisers may see it: no secret, and no password in an address."""
    if key.split(".")[-1] in SECRETS:
        return HIDDEN if value else ""
    return _without_password(str(value)) if isinstance(value, str) else json.dumps(value, default=str)


def _without_password(text: str) -> str:
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
        password = parts.password
    except ValueError:  # it is no address, but may hold a password all the same
        return HIDDEN
    if password:
        parts = parts._replace(netloc=f"{parts.username}:...@{parts.netloc.rpartition('@')[2]}")
    if parts.query:  # a signature, say
        parts = parts._replace(query="...")
    return urlunsplit(parts) if password or parts.query else text


def _flat(config: BaseModel, before: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _written(folder: Path | None) -> dict[str, Any]:
    """What stands in `portal.toml` by now; nothing when it cannot be read."""
    place = folder / FILE if folder else None
    try:
        return read_toml(place) if place and place.exists() else {}
    except (OrganelleError, OSError):
        return {}


def _next(config: PortalConfig, folder: Path | None, environment: Mapping[str, str]) -> PortalConfig:
    """What would hold after a start now; what holds already, if that would not start."""
    try:
        return load_config(folder, environment)
    except (OrganelleError, OSError):
        return config


def _source(key: str, written: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    variable = PREFIX + key.replace(".", "__").upper()
    if variable in {name.upper() for name in environment}:
        return variable
    found: Any = written
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return DEFAULT if found is None else FILE


def of_this_process() -> list[Value]:
    """The configuration of this web server."""
    from django.conf import settings

    return effective(settings.PORTAL, settings.FOLDER and settings.FOLDER.root, os.environ)
