"""Where bytes lie: folders, S3 buckets and web servers, read alike; with retries, and whole or not at all."""

from organelle.stores.places import (
    Place,
    Remote,
    as_place,
    beginning,
    forget_remote,
    part,
    require_here,
    require_readable,
    which_exist,
)
from organelle.stores.source import Entry, Retry, Source, open_source

__all__ = [
    "Entry",
    "Place",
    "Remote",
    "Retry",
    "Source",
    "as_place",
    "beginning",
    "forget_remote",
    "open_source",
    "part",
    "require_here",
    "require_readable",
    "which_exist",
]
