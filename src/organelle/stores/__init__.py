"""Where bytes lie: folders, S3 buckets and web servers, read alike; with retries, and whole or not at all."""

from organelle.stores.source import Entry, Retry, Source, open_source

__all__ = ["Entry", "Retry", "Source", "open_source"]
