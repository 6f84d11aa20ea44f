"""A remote place as zarr wants to see it: read only, through the cache that all remote places share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from organelle.errors import SettingsError
from organelle.stores import Remote
from organelle.stores.places import requests

_NO_KEYS: tuple[str, ...] = ()


class RemoteStore(Store):
    """The array or group at `place`. It does not list: zarr learns keys from metadata."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, place: Remote) -> None:
        super().__init__(read_only=True)
        self.place = place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteStore) and self.place == other.place

    def __str__(self) -> str:
        return str(self.place)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The bytes of an object or of a part of it; None if there is none."""
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(requests(), _read, self.place / key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Parts of several objects."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(requests(), (self.place / key).is_file)

    async def set(self, key: str, value: Buffer) -> None:  # noqa: ARG002
        """Refused."""
        raise SettingsError(f"{self.place / key}: remote places are only read; name a folder")

    async def delete(self, key: str) -> None:
        """Refused."""
        raise SettingsError(f"{self.place / key}: remote places are only read; name a folder")

    async def list(self) -> AsyncIterator[str]:
        """Nothing."""
        for key in _NO_KEYS:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:  # noqa: ARG002
        """Nothing."""
        for key in _NO_KEYS:
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:  # noqa: ARG002
        """Nothing."""
        for key in _NO_KEYS:
            yield key


def _read(place: Remote, asked: ByteRequest | None) -> bytes | None:
    match asked:
        case None:
            return place.content()
        case RangeByteRequest(start=start, end=end):
            return place.part(start, end - start)
        case SuffixByteRequest(suffix=count):
            return place.part(-count, count)
        case OffsetByteRequest(offset=start):
            data = place.content()
            return None if data is None else data[start:]
    raise SettingsError(f"{place}: a part of the form {asked} cannot be read")
