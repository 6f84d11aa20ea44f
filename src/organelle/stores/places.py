"""A place where data lies: a folder or file here, or the same in a bucket or on a web server.

A `Remote` answers the questions that a `Path` answers, as far as reading goes, so that whatever opens
volumes need not ask where they are.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from organelle.errors import FileMissing, SettingsError, require_folder
from organelle.stores.address import REGION, read_address
from organelle.stores.cache import ObjectCache
from organelle.stores.source import Retry, Source, open_source

KEPT_BYTES = 512 * 2**20
"""What remote reading keeps in the memory of one process: a gigavoxel of compressed EM or more."""

REQUESTS = 32
"""Requests at one time, over all remote places of a process: on two cores decoding is slower than that."""

TIMEOUT_S = 30.0
ATTEMPTS = 4
"""A stage that reads remotely gives up after two minutes of silence; a fetch can go on, and waits longer."""

LISTED_FROM = 5
"""So many objects of one folder are rather listed than asked for one by one."""

NODE_FILES = (".zattrs", ".zgroup", ".zarray", "zarr.json")

_objects = ObjectCache(KEPT_BYTES)
_present = ObjectCache(KEPT_BYTES // 8)


@dataclass(frozen=True, slots=True)
class Remote:
    """An object or folder of a store that is asked over the network; made by `as_place`.

    Objects are taken to stay as they are while the process lives: what was read, and what was found
    absent, is remembered (`KEPT_BYTES`; `forget_remote` asks anew). It can be pickled.

    Attributes:
        source: The store.
        key: Name within it, parts separated by `/`; empty for its root.
    """

    source: Source
    key: str = ""

    def __truediv__(self, other: str | Path) -> Remote:
        parts = [p for p in Path(other).as_posix().split("/") if p not in ("", ".")]
        return Remote(self.source, "/".join([*([self.key] if self.key else []), *parts]))

    def __str__(self) -> str:
        options = {"endpoint": self.source.endpoint, "region": self.source.region}
        told = [f"{k}={quote(v, safe=':/')}" for k, v in options.items() if v and v != REGION]
        where = f"{self.source.url}/{self.key}" if self.key else self.source.url
        return f"{where}?{'&'.join(told)}" if told and self.source.url.startswith("s3://") else where

    @property
    def name(self) -> str:
        """The last part."""
        return (self.key or self.source.url).rstrip("/").rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """What stands behind the last point of the name, with the point."""
        return Path(self.name).suffix

    @property
    def parent(self) -> Remote:
        """The folder that holds it; the root is its own."""
        return Remote(self.source, self.key.rpartition("/")[0])

    def resolve(self) -> Remote:
        """Itself: there are no links."""
        return self

    def exists(self) -> bool:
        """Whether there is such an object or folder."""
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        """Whether there is such an object."""
        return which_exist([self])[0]

    def is_dir(self) -> bool:
        """Whether something lies below it; where a server cannot list, whether it is a zarr node."""
        if any(which_exist([self / name for name in NODE_FILES])):
            return True
        return next(self.iterdir(), None) is not None

    def iterdir(self) -> Iterator[Remote]:
        """What lies directly below, folders first; nothing where a server cannot list."""
        if self.source.lists:
            yield from (Remote(self.source, key) for key in self.source.inside(self.key))

    def read_bytes(self) -> bytes:
        """All bytes of the object.

        Raises:
            FileMissing: there is no such object.
            TransferError: not allowed, or no whole answer after all attempts.
        """
        data = self.content()
        if data is None:
            raise FileMissing(f"nothing is stored at {self}")
        return data

    def content(self) -> bytes | None:
        """All bytes of the object, or None if there is none; `TransferError` as for `read_bytes`."""
        return _objects.get((self.source, self.key), self._load)

    def part(self, start: int, length: int) -> bytes | None:
        """`length` bytes from `start` on, counted from the end when negative; None if there is no object."""
        key = (self.source, self.key, start, length)
        return _objects.get(key, lambda: self._load_part(start, length))

    def _load(self) -> bytes | None:
        try:
            return self.source.get(self.key)[0]
        except FileMissing:
            return None

    def _load_part(self, start: int, length: int) -> bytes | None:
        try:
            return self.source.part(self.key, start, length)
        except FileMissing:
            return None


Place = Path | Remote
"""A folder or file, here or elsewhere."""


def as_place(text: Place | str) -> Place:
    """What people write as a place: a path, `file://`, `http(s)://`, or `s3://bucket/prefix` (anonymous).

    Another server that speaks S3, or another region, is named behind a question mark:
    `s3://bucket/prefix?endpoint=http://localhost:9000&region=eu-west-1`.

    Raises:
        SettingsError: an address of another kind, or one that names no bucket or server.
    """
    if isinstance(text, Remote):
        return text
    if "://" not in str(text):
        return Path(text)
    if str(text).lower().startswith("file://"):
        return Path(unquote(urlsplit(str(text)).path))
    address = read_address(str(text))
    scheme, _, path = address.url.partition("://")
    server, _, path = path.partition("/")
    bare = open_source(
        f"{scheme}://{server}",
        endpoint=address.endpoint,
        region=address.region or REGION,
        timeout_s=TIMEOUT_S,
        retry=Retry(attempts=ATTEMPTS),
    )
    return Remote(bare) / (path if scheme == "s3" else unquote(path))


def require_here(place: Place) -> Path:
    """`place` as a path of this machine; `SettingsError` if it is remote."""
    if isinstance(place, Remote):
        raise SettingsError(f"{place} is remote; this needs a folder of this machine")
    return place


def require_readable(place: Place | str, what: str) -> Place:
    """`place`, if it is an existing folder or an address (which is not asked yet), else `FileMissing`.

    The message names `what` it should have been.
    """
    found = as_place(place)
    return found if isinstance(found, Remote) else require_folder(found, what)


def which_exist(places: Sequence[Place]) -> list[bool]:
    """For each place whether an object or file is there; remote ones are asked in batches, each once."""
    unknown = [p for p in places if isinstance(p, Remote) and _known(p) is None]
    for source in dict.fromkeys(place.source for place in unknown):
        keys = [place.key for place in unknown if place.source == source]
        found = _ask(source, keys)
        for key in keys:
            _present.get((source, key), lambda there=key in found: b"" if there else None)  # type: ignore[misc]
    return [bool(_known(p)) if isinstance(p, Remote) else p.is_file() for p in places]


def beginning(place: Place, count: int) -> tuple[int, bytes] | None:
    """Size of an object and its first `count` bytes; None if there is none.

    A remote object is read whole and kept, since its content is what is wanted next.
    """
    if isinstance(place, Remote):
        data = place.content()
        return None if data is None else (len(data), data[:count])
    if not place.is_file():
        return None
    with place.open("rb") as stream:
        return place.stat().st_size, stream.read(count)


def stamps(places: Sequence[Place]) -> list[str | None]:
    """For each place what tells one version of an object from the next; None where there is no object.

    Size and time of change of a file; size and ETag of a remote object, asked for anew.
    """
    found: dict[Place, str] = {}
    for source in dict.fromkeys(place.source for place in places if isinstance(place, Remote)):
        keys = [place.key for place in places if isinstance(place, Remote) and place.source == source]
        found |= {Remote(source, key): str(entry) for key, entry in source.ask(keys).items()}
    for place in places:
        if not isinstance(place, Remote) and place.is_file():
            found[place] = _stamp(place)
    return [found.get(place) for place in places]


def stamps_below(folder: Place) -> dict[str, str] | None:
    """The same for every object below a folder, by its name; None where a server cannot list."""
    if not isinstance(folder, Remote):
        files = (Path(path, name) for path, _, names in os.walk(folder) for name in names)
        return {file.relative_to(folder).as_posix(): _stamp(file) for file in files}
    if not folder.source.lists:
        return None
    return {key: str(entry) for key, entry in folder.source.below(folder.key).items()}


def part(place: Place, start: int, length: int) -> bytes | None:
    """`length` bytes from `start` on, counted from the end when negative; fewer where the object is shorter.

    None if there is no such object.
    """
    if isinstance(place, Remote):
        return place.part(start, length)
    if not place.is_file():
        return None
    with place.open("rb") as stream:
        size = place.stat().st_size
        stream.seek(max(0, size + start) if start < 0 else start)
        return stream.read(length)


def ask_ahead(places: Iterable[Remote]) -> None:
    """Begin to load objects that will be wanted next; errors wait until they are really wanted."""
    for place in places:
        requests().submit(_load_quietly, place)


def forget_remote() -> None:
    """Forget what was read from remote places, because it has changed there."""
    _objects.clear()
    _present.clear()


@functools.cache
def requests() -> ThreadPoolExecutor:
    """The threads that wait for answers."""
    return ThreadPoolExecutor(REQUESTS, thread_name_prefix="remote")


def _ask(source: Source, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that exist: a folder is listed only if several of its objects are asked for."""
    folders: dict[str, list[str]] = {}
    for key in keys:
        folders.setdefault(key.rpartition("/")[0], []).append(key)
    single = [key for group in folders.values() if len(group) < LISTED_FROM for key in group]
    listed = [key for group in folders.values() if len(group) >= LISTED_FROM for key in group]
    heads = zip(single, source.each(single, source.head), strict=True)
    return {key for key, entry in heads if entry is not None}.union(source.ask(listed))


def _load_quietly(place: Remote) -> None:
    try:
        place.content()
    except Exception:  # noqa: BLE001  whoever reads the object asks again, and gets the error
        return


def _stamp(file: Path) -> str:
    facts = file.stat()
    return f"{facts.st_size} bytes of {facts.st_mtime_ns}"


def _known(place: Remote) -> bool | None:
    read = _objects.knows((place.source, place.key))
    return _present.knows((place.source, place.key)) if read is None else read
