"""Files that are no zip: named by their first bytes, with what to do about it."""

from __future__ import annotations

from pathlib import Path

from organelle.submission.problems import Problem

HEAD_BYTES = 512
END_BYTES = 22 + 0xFFFF
"""The end record of a zip lies within these last bytes."""

_UNPACK = "Unpack it and zip the inside of the zarr folder, or pack with csc pack-results."
_CONVERT = "Write the labels as zarr format 2: csc pack-results does it from processed volumes."

_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x1f\x8b", "a gzip file (.gz, .tar.gz)", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (.7z)", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive (.rar)", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz file (.xz, .tar.xz)", _UNPACK),
    (0, b"BZh", "a bzip2 file (.bz2, .tar.bz2)", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file (.zst, .tar.zst)", _UNPACK),
    (257, b"ustar", "a tar archive (.tar)", _UNPACK),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5)", _CONVERT),
    (0, b"\x93NUMPY", "a numpy array (.npy)", _CONVERT),
    (0, b"II*\0", "a TIFF image", _CONVERT),
    (0, b"MM\0*", "a TIFF image", _CONVERT),
    (0, b"II+\0", "a TIFF image", _CONVERT),
    (0, b"MM\0+", "a TIFF image", _CONVERT),
    (0, b"\x89PNG\r\n", "a PNG image", _CONVERT),
)


def name_foreign(path: Path) -> Problem | None:
    """What the file at `path` is, if it is no zip; None when it has a zip's end record.

    At most the first 512 bytes and the last 64 KiB are read.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(max(0, path.stat().st_size - END_BYTES))
        if b"PK\5\6" in stream.read(END_BYTES):
            return None
    expected = "a zip of one zarr-2 hierarchy"
    if head.startswith(b"PK\3\4"):
        remedy = "Copy it again: it was cut off on the way."
        return Problem("truncated-zip", ".", "a damaged zip: its end is missing", expected, remedy)
    found, remedy = _what_is(head)
    return Problem("not-a-zip", ".", f"{found}, not a zip", expected, remedy)


def _what_is(head: bytes) -> tuple[str, str]:
    if not head:
        return "an empty file", "Copy or pack it again; an upload or a full disk may have cut it off."
    for at, signature, name, remedy in _SIGNATURES:
        if head.startswith(signature, at):
            return name, remedy
    if _is_text(head):
        first = head.decode(errors="replace").strip().splitlines() or [""]
        return f"a text file that begins with {first[0][:40]!r}", "Name the zip or the zarr folder itself."
    return f"a file of unknown kind, first bytes {head[:8].hex(' ')}", "Pack with csc pack-results."


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else only the last character was cut in two
            return False
        text = head[: error.start].decode()
    return all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)
