"""Where data comes from: the root of a bucket as a folder, on S3, or behind a plain HTTP server.

Everything goes through obstore. Its own retries are off: `Retry` waits with jitter, and covers bodies
that end early, too.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from organelle.errors import FileMissing, SettingsError, TransferError, require_folder
from organelle.stores.address import REGION, read_address, require_server

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
R = TypeVar("R")

PIECE_BYTES = 8 << 20
"""The most of an object that is held at once: with 16 requests at a time that is 128 MB."""


def _generator() -> np.random.Generator:
    import numpy as np  # only where something is read: places are named by commands that need none of it

    return np.random.default_rng()


@dataclass(frozen=True, slots=True)
class Entry:
    """What a store says of one object: its size, and its ETag if it has one."""

    bytes: int
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again after a failure that may pass: at most `attempts` times, waiting longer each time.

    The wait after failure n is drawn evenly from 0 to `first_s * 2**(n - 1)` seconds, at most `longest_s`
    ("full jitter"), so that many workers do not come back at the same moment.
    """

    attempts: int = 6
    first_s: float = 0.2
    longest_s: float = 10.0
    rng: np.random.Generator = field(default_factory=_generator)

    def pause(self, failed: int) -> None:
        """Wait after the failure number `failed`, counted from 1."""
        time.sleep(self.rng.uniform(0, min(self.longest_s, self.first_s * 2.0 ** (failed - 1))))


@dataclass(frozen=True)
class Source:
    """The root of a bucket; made by `open_source`. It can be pickled.

    Attributes:
        url: As it is shown: a folder's path, or a URL.
        endpoint: A server that speaks S3, if not Amazon's; `region` that of the bucket.
        timeout_s: The longest time for one request.
        workers: The most requests at one time.
        retry: When and how often to ask again.
    """

    url: str
    endpoint: str | None = None
    region: str = REGION
    timeout_s: float = 60.0
    workers: int = 16
    retry: Retry = field(default_factory=Retry, compare=False)

    @property
    def folder(self) -> Path | None:
        """The folder, if the source is one."""
        return None if "://" in self.url else Path(self.url)

    @property
    def lists(self) -> bool:
        """Whether the store can say what lies below a prefix."""
        return not self.url.startswith(("http://", "https://"))

    def get(self, key: str) -> tuple[bytes, Entry]:
        """All bytes of an object, as many as the store announced.

        Raises:
            FileMissing: the store has no such object.
            TransferError: not allowed, or no complete answer after all attempts.
        """
        return self._asked(key, self._get)

    def head(self, key: str) -> Entry | None:
        """Size and ETag of an object, or None if there is none; errors as those of `get`."""
        try:
            return self._asked(key, lambda k: _entry(self._store().head(k)))
        except FileMissing:
            return None

    def below(self, prefix: str) -> dict[str, Entry]:
        """Every object below `prefix`, at any depth; empty if there is none."""
        return self._asked(prefix, self._list) if self.lists else {}

    def beside(self, prefix: str) -> dict[str, Entry]:
        """The objects directly in the folder `prefix`."""
        return self._asked(prefix, self._list_flat)

    def inside(self, folder: str) -> list[str]:
        """The names directly in `folder`, folders first; none where none can be listed."""
        return self._asked(folder, self._names) if self.lists else []

    def part(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes of an object from `start` on, counted from its end when negative.

        Fewer come where the object ends before; errors as those of `get`.
        """
        return self._asked(key, lambda k: self._get_part(k, start, length))

    def pieces(self, key: str, entry: Entry) -> Iterator[Any]:
        """The bytes of the object that `entry` describes, in order: buffers of about `PIECE_BYTES` at most.

        Each piece is a request of its own, and asked for again alone. A server that gives no parts sends all
        from the beginning whenever it was cut off; what is known is passed over.

        Raises:
            FileMissing: the store has no such object.
            TransferError: not allowed, no complete answer after all attempts, or another object than
                `entry` describes.
        """
        for start in range(0, max(1, entry.bytes), PIECE_BYTES):
            try:
                yield self.span(key, entry, start, min(start + PIECE_BYTES, entry.bytes))
            except _NoPartsError:
                yield from self._stream(key, entry)
                return

    def span(self, key: str, entry: Entry, start: int, stop: int) -> Any:
        """The bytes from `start` to `stop` of the object that `entry` describes, in a buffer.

        Errors as those of `pieces`; a `TransferError`, too, when the server gives no parts.
        """
        return self._asked(key, functools.partial(self._get_span, entry=entry, start=start, stop=stop))

    def ask(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Those of `keys` that exist: folder by folder where the store lists, else one by one."""
        wanted = list(keys)
        if not self.lists:
            heads = zip(wanted, self.each(wanted, self.head), strict=True)
            return {key: entry for key, entry in heads if entry is not None}
        folders = dict.fromkeys(key.rpartition("/")[0] for key in wanted)
        found: dict[str, Entry] = {}
        for listed in self.each(folders, self.beside):
            found.update(listed)
        return {key: found[key] for key in wanted if key in found}

    def each(self, items: Iterable[T], work: Callable[[T], R]) -> Iterator[R]:
        """`work` on every item, `workers` at a time, results in order; the rest is dropped on an error."""
        pool = ThreadPoolExecutor(self.workers)
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _get_span(self, key: str, entry: Entry, start: int, stop: int) -> Any:
        """A buffer, not copied."""
        from obstore.exceptions import GenericError

        length = stop - start
        part: Any = {"range": (start, stop)} if length < entry.bytes else None
        answer = self._store().get(key, options=part)
        _require_same(entry, answer.meta)
        data = answer.bytes()
        if len(data) != length:
            raise GenericError(f"{len(data)} of {length} bytes arrived")
        return data

    def _stream(self, key: str, entry: Entry) -> Iterator[Any]:
        from obstore import exceptions

        arrived, attempt = 0, 1
        while arrived < entry.bytes:
            try:
                answer, at = self._store().get(key), 0
                _require_same(entry, answer.meta)
                for piece in answer.stream(min_chunk_size=PIECE_BYTES):
                    fresh = memoryview(piece)[max(0, arrived - at) :]
                    at += len(piece)
                    arrived = max(arrived, at)
                    yield fresh
                if arrived < entry.bytes:
                    raise exceptions.GenericError(f"{at} of {entry.bytes} bytes arrived")
            except (exceptions.BaseError, OSError) as error:
                if final := self._final(key, error, attempt):
                    raise final from error
                self.retry.pause(attempt)
                attempt += 1

    def _get(self, key: str) -> tuple[bytes, Entry]:
        from obstore.exceptions import GenericError

        answer = self._store().get(key)
        entry, data = _entry(answer.meta), bytes(answer.bytes())
        if len(data) != entry.bytes:
            raise GenericError(f"{len(data)} of {entry.bytes} bytes arrived")
        return data, entry

    def _get_part(self, key: str, start: int, length: int) -> bytes:
        from obstore.exceptions import NotSupportedError

        try:
            if start >= 0:
                return bytes(self._store().get_range(key, start=start, length=length))
            answer = self._store().get(key, options={"range": {"suffix": -start}})
            return bytes(answer.bytes())[:length]
        except NotSupportedError:  # a plain server that only gives whole objects
            return self._get(key)[0][start:][:length]

    def _names(self, folder: str) -> list[str]:
        listed = self._store().list_with_delimiter(folder or None)
        return [*listed["common_prefixes"], *(meta["path"] for meta in listed["objects"])]

    def _list(self, prefix: str) -> dict[str, Entry]:
        pages = self._store().list(prefix)
        return {meta["path"]: _entry(meta) for page in pages for meta in page}

    def _list_flat(self, prefix: str) -> dict[str, Entry]:
        listed = self._store().list_with_delimiter(prefix)["objects"]
        return {meta["path"]: _entry(meta) for meta in listed}

    def _asked(self, key: str, request: Callable[[str], R]) -> R:
        """`request(key)` with retries, and with errors that say what next."""
        from obstore import exceptions

        for attempt in range(1, self.retry.attempts + 1):
            try:
                return request(key)
            except (exceptions.BaseError, OSError) as error:
                if final := self._final(key, error, attempt):
                    raise final from error
            self.retry.pause(attempt)
        raise AssertionError("unreachable")

    def _final(self, key: str, error: Exception, attempt: int) -> FileMissing | TransferError | None:
        """What to raise for `error`; None if the request may be tried once more."""
        from obstore import exceptions

        if isinstance(error, exceptions.NotSupportedError):
            return _NoPartsError(
                f"{self.url} gives no parts of {key}, only the whole; use a server with range requests"
            )
        if "NoSuchBucket" in str(error):
            return TransferError(f"{self.url}: there is no such bucket; is its name right?")
        if isinstance(error, (exceptions.NotFoundError, FileNotFoundError)):
            return FileMissing(f"{self.url} has no {key}")
        denied = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)
        if isinstance(error, denied) or "403 Forbidden" in str(error):
            return TransferError(
                f"{self.url} does not allow to read {key}; is it public, and the name right? ({_why(error)})"
            )
        if attempt < self.retry.attempts:
            return None
        return TransferError(
            f"{self.url} gave no whole answer for {key} in {attempt} attempts ({_why(error)}); "
            "check the address and the network, then run the same line again"
        )

    def _store(self) -> Any:
        return _open_store(self.url, self.endpoint, self.region, self.timeout_s)


def open_source(
    root: Path | str,
    *,
    endpoint: str | None = None,
    region: str = REGION,
    workers: int = 16,
    timeout_s: float = 60.0,
    retry: Retry | None = None,
) -> Source:
    """The bucket whose root is a folder, `file://`, `http(s)://` or `s3://bucket/prefix` (anonymous).

    Args:
        root: Folder or URL; what is fetched lies at `{dataset}/{dataset}.zarr` below it.
        endpoint: URL of a server that speaks S3, if it is not Amazon's. An address may name it itself, with
            the region: `s3://bucket/prefix?endpoint=URL&region=R`.
        region: The bucket's region.
        workers: The most requests at one time.
        timeout_s: The longest time for one request.
        retry: When and how often to ask again.

    Raises:
        FileMissing: no such folder.
        SettingsError: a URL of another kind, or one that names no bucket or server.
    """
    if workers < 1:
        raise SettingsError(f"at least 1 worker is needed, not {workers}")
    url, endpoint = str(root), require_server(endpoint)
    if url.lower().startswith("file://"):
        url = unquote(urlsplit(url).path)
    if "://" in url:
        address = read_address(url)
        url, endpoint, region = address.url, endpoint or address.endpoint, address.region or region
    else:
        url = str(require_folder(url, "source of the data").resolve())
    return Source(url.rstrip("/") or "/", endpoint, region, timeout_s, workers, retry or Retry())


class _NoPartsError(TransferError):
    """A server that answers a request for a part with the whole."""


def _require_same(entry: Entry, meta: Any) -> None:
    if _entry(meta) != entry:
        raise TransferError("it changed in the source after the plan was made; plan again")


@functools.lru_cache(maxsize=8)
def _open_store(url: str, endpoint: str | None, region: str, timeout_s: float) -> Any:
    from datetime import timedelta

    from obstore.store import HTTPStore, LocalStore, S3Store

    if "://" not in url:
        return LocalStore(url)
    client: Any = {"allow_http": True, "timeout": timedelta(seconds=timeout_s)}
    once: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=timeout_s)}
    if not url.startswith("s3://"):
        return HTTPStore(url, client_options=client, retry_config=once)
    parts = urlsplit(url)
    address: Any = {"endpoint": endpoint} if endpoint else {}
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        skip_signature=True,
        region=region,
        virtual_hosted_style_request=False,
        client_options=client,
        retry_config=once,
        **address,
    )


def _entry(meta: Any) -> Entry:
    etag = meta.get("e_tag")
    return Entry(meta["size"], etag.strip('"') if etag else None)


def _why(error: Exception) -> str:
    """The first line of what the store said, without the layers of its client."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) < 300 else f"{text[:300]}..."
