"""The text of an address, checked before anything is asked: at some that are no URLs the client panics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from organelle.errors import SettingsError

SCHEMES = ("s3", "http", "https")
REGION = "us-east-1"

_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """What an address says.

    Attributes:
        url: Scheme, bucket or server, and path as it was written; nothing behind them.
        endpoint: The server that speaks S3, if one was named behind a question mark; so is `region`.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None


def read_address(text: str) -> Address:
    """`s3://bucket/prefix?endpoint=URL&region=R`, `http://...` or `https://...`.

    Raises:
        SettingsError: of another kind, without a bucket or server, or with other options.
    """
    parts = _split(text, text)
    if parts.scheme not in SCHEMES:
        raise SettingsError(
            f"{text}: an address begins with s3://, http://, https:// or file://, not {parts.scheme}://"
        )
    options = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if unknown := options.keys() - {"endpoint", "region"}:
        raise SettingsError(f"{text}: {', '.join(sorted(unknown))} is no part of an address that can be read")
    url = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return Address(url, require_server(options.get("endpoint")), options.get("region"))


def require_server(endpoint: str | None) -> str | None:
    """`endpoint`, if it is the URL of a server or None; else `SettingsError`."""
    if endpoint is None or _split(endpoint, f"endpoint {endpoint!r}").scheme in ("http", "https"):
        return endpoint
    raise SettingsError(f"endpoint {endpoint!r} is no URL of a server; write http://localhost:9000")


def _split(text: str, shown: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"{shown} is no address that can be read: {error}") from error
    if parts.scheme in SCHEMES and not (host and _HOST.fullmatch(host)):
        raise SettingsError(f"{shown} names no bucket or server")
    return parts
