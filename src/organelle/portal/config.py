"""How a portal is set up: `portal.toml` in its folder, over which variables of the environment win."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from organelle.errors import SettingsError
from organelle.settings import Settings, parse_settings, read_toml

FILE = "portal.toml"
PREFIX = "CSC_PORTAL_"
"""A key `database` may be given as `CSC_PORTAL_DATABASE`, `mail.host` as `CSC_PORTAL_MAIL__HOST`."""

GIB = 1 << 30


class Mail(Settings):
    """How mail leaves; without a host it is written to the log of the web process."""

    host: str = ""
    """Name of the server."""
    port: int = 587
    """Where it listens."""
    user: str = ""
    """Empty: without signing in."""
    password: str = ""
    """Better given as `CSC_PORTAL_MAIL__PASSWORD`."""
    tls: bool = True
    """Encrypt by STARTTLS."""
    sender: str = "portal@localhost"
    """Whom mails are from."""


class GitHub(Settings):
    """Sign-in with GitHub; without a client there is none."""

    client: str = ""
    """Identifier of the OAuth application."""
    secret: str = ""
    """Better given as `CSC_PORTAL_GITHUB__SECRET`."""
    web_url: str = ""
    """Where people sign in, if on a server of one's own; empty: GitHub itself."""
    api_url: str = ""
    """Where that server is asked for mail addresses."""


class Bucket(Settings):
    """An S3-compatible bucket in which submissions are kept; the portal's folder is then a cache of it.

    Web servers and workers on several machines need it, unless they share a file system.
    """

    name: str = ""
    """Empty: submissions are kept in the folder alone."""
    prefix: str = "submissions"
    """Before the name of each file."""
    endpoint: str = ""
    """`https://storage.example`; empty: that of Amazon in `region`."""
    region: str = "us-east-1"
    """Where the bucket is."""
    key: str = ""
    """Access key; better given as `CSC_PORTAL_BUCKET__KEY`."""
    secret: str = ""
    """Better given as `CSC_PORTAL_BUCKET__SECRET`."""


class Limits(Settings):
    """What one team may hand in. Days are those of UTC; failures that are ours never count."""

    per_day: int = Field(default=3, ge=0)
    """Submissions of one day."""
    total: int = Field(default=100, ge=0)
    """Submissions in all."""
    concurrent: int = Field(default=2, ge=1)
    """Submissions that wait or are scored at a time."""
    submission_bytes: int = Field(default=20 * GIB, ge=1)
    """Size of one submission."""
    open_uploads: int = Field(default=3, ge=1)
    """Unfinished uploads of one person."""
    upload_hours: float = Field(default=72, gt=0)
    """An unfinished upload is dropped when nothing came for so long."""


class PortalConfig(Settings):
    """One portal."""

    title: str = "CellMap Segmentation Challenge"
    """Stands on top of every page."""
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    """Names under which it is reached; requests for others are refused."""
    url: str = ""
    """Its address for links in mails and feeds: `https://portal.example`. Empty: `http://localhost:PORT`."""
    production: bool = False
    """Behind https: secure cookies and HSTS."""
    proxies: int = Field(default=0, ge=0, le=5)
    """Proxies in front of it that set X-Forwarded-For and X-Forwarded-Proto."""
    database: str = ""
    """`postgresql://user:password@host:5432/name`. Empty: SQLite in the folder."""
    catalog: str = ""
    """Folder with the tables of another challenge; empty: the built-in one."""
    truth: str = ""
    """Where the truth of the test crops lies; empty: nothing is scored."""
    private_crops: tuple[int, ...] = ()
    """Test crops that count only in the final ranking: nothing of them is shown before the phase `final`."""
    metric: str = "2026-06"
    """Version of the metric that the leaderboard is about."""
    decimals: int = Field(default=3, ge=1, le=6)
    """Of every figure that participants see."""
    workers: int = Field(default=1, ge=0)
    """Workers that `csc portal` starts beside the web server."""
    scoring_processes: int | None = Field(default=None, ge=1)
    """Child processes of one worker; empty: what the machine gives."""
    lease_seconds: float = Field(default=60, gt=0)
    """A worker that is silent for so long is taken for dead."""
    web_processes: int = Field(default=1, ge=1)
    """Of the web server; each keeps pages, and counts requests of programs, for itself."""
    threads: int = Field(default=16, ge=2)
    """Of each of them."""
    metrics_token: str = ""
    """Who asks for `/metrics/` shows it as a bearer token. Empty: only this machine may ask, and nobody
    through a proxy."""
    bucket: Bucket = Bucket()
    """Keeps submissions, for web servers and workers on several machines."""
    mail: Mail = Mail()
    """How mail leaves."""
    github: GitHub = GitHub()
    """Sign-in with GitHub."""
    limits: Limits = Limits()
    """What one team may hand in."""

    @model_validator(mode="after")
    def _known_metric(self) -> PortalConfig:
        from organelle.metrics import METRIC_VERSIONS

        if self.metric not in METRIC_VERSIONS:
            raise ValueError(f"metric {self.metric!r} is not known; there are {', '.join(METRIC_VERSIONS)}")
        return self


def load_config(folder: Path | str | None, environment: Mapping[str, str]) -> PortalConfig:
    """The configuration of the portal in `folder` (None: defaults), and what the environment says instead.

    Raises:
        SettingsError: unknown keys with the nearest known one, values that cannot be.
    """
    place = Path(folder) / FILE if folder else None
    values: dict[str, Any] = read_toml(place) if place and place.exists() else {}
    for name, text in environment.items():
        if name.startswith(PREFIX) and (path := name.removeprefix(PREFIX).lower()) not in NOT_KEYS:
            _put(values, path.split("__"), _value(text))
    where = f"{place} and {PREFIX}..." if place else f"{PREFIX}..."
    return parse_settings(PortalConfig, values, where)


NOT_KEYS: frozenset[str] = frozenset({"folder", "port"})
"""Variables with this beginning that say where the portal is, not how."""


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise SettingsError(
                f"{FILE}: {part} is one value, and {PREFIX}{'__'.join(path).upper()} a key of it"
            )
    values[path[-1]] = value


def _value(text: str) -> Any:
    """JSON where it is some (numbers, true, lists), else the text itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return text if found is None or isinstance(found, dict) else found
