"""A form with files as the body of a request, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from organelle.errors import SubmissionError

PIECE_BYTES = 1 << 20


class Multipart:
    """The body of the request, piece by piece."""

    def __init__(self, fields: Mapping[str, str], files: Mapping[str, Path]) -> None:
        self.boundary = f"organelle-{fields['sha256'][:40]}"
        texts = [self._head(name, "") + value.encode() + b"\r\n" for name, value in fields.items()]
        self._before = b"".join(texts)
        self._files = [
            (self._head(name, f'; filename="{name}"'), path, path.stat().st_size)
            for name, path in files.items()
        ]
        self._after = f"--{self.boundary}--\r\n".encode()

    @property
    def length(self) -> int:
        """All of it in bytes."""
        return len(self._before) + len(self._after) + sum(len(h) + n + 2 for h, _, n in self._files)

    def pieces(self) -> Iterator[bytes]:
        """The body; `SubmissionError` when a file has become shorter meanwhile."""
        yield self._before
        for head, path, size in self._files:
            yield head
            with path.open("rb") as stream:
                for start in range(0, size, PIECE_BYTES):
                    piece = stream.read(min(PIECE_BYTES, size - start))
                    if not piece:
                        raise SubmissionError(f"{path} changed while it was sent; wait until it is written")
                    yield piece
            yield b"\r\n"
        yield self._after

    def _head(self, name: str, more: str) -> bytes:
        disposition = f'Content-Disposition: form-data; name="{name}"{more}'
        kind = "\r\nContent-Type: application/octet-stream" if more else ""
        return f"--{self.boundary}\r\n{disposition}{kind}\r\n\r\n".encode()
