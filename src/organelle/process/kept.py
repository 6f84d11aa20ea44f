"""What steps find, in files: small results of blocks, and tables that are read where they lie.

Values are records of numbers and arrays, as `pickle` stores them. They are read back by workers of the same
job alone, out of its own folder.
"""

from __future__ import annotations

import mmap
import os
import pickle
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ALIGNED = 64
"""Arrays of a table begin at multiples of so many bytes."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` that replaces it in the end, whoever else writes the same at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        os.replace(part, path)  # noqa: PTH105
    finally:
        part.unlink(missing_ok=True)


def save_result(path: Path, value: Any) -> None:
    """Keep a small value, compressed."""
    with replacing(path) as part:
        part.write_bytes(zlib.compress(pickle.dumps(value, protocol=5), 1))


def load_result(path: Path) -> Any:
    """What `save_result` kept."""
    return pickle.loads(zlib.decompress(path.read_bytes()))


def save_table(path: Path, value: Any) -> None:
    """Keep a value whose arrays may be large."""
    arrays: list[pickle.PickleBuffer] = []
    frame = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(frame), *(array.raw() for array in arrays)]
    head = np.array([len(parts), *map(len, parts)], np.int64).tobytes()
    with replacing(path) as part, part.open("wb") as file:
        for data in (memoryview(head), *parts):
            file.write(data)
            file.write(bytes(-data.nbytes % ALIGNED))


def load_table(path: Path) -> Any:
    """What `save_table` kept; arrays are read when they are looked at, and cannot be changed."""
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    count = int.from_bytes(data[:8], "little")
    sizes = np.frombuffer(data, np.int64, count, 8).tolist()
    at, parts = 8 * (1 + count), []
    for size in sizes:
        at += -at % ALIGNED
        parts.append(data[at : at + size])
        at += size
    return pickle.loads(parts[0], buffers=parts[1:])
