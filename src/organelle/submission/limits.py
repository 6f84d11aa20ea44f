"""How much a stranger's file may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that hold for any submission; a full one of the real challenge stays far below each."""

    members: int = 800_000
    """Entries in the zip: all 413 rows in chunks of 64^3 make 386,000."""
    directory_bytes: int = 128 * MIB
    """Size of the zip's directory; it is checked before the directory is read."""
    names_bytes: int = 128 * MIB
    """Memory of all names of members; 386,000 honest ones take 36 MiB."""
    json_bytes: int = MIB
    """Size of one `.zarray`, `.zattrs` or `.zgroup`."""
    axis_voxels: int = 1 << 16
    """Voxels along one axis; the largest test crop has 1000."""
    voxels: int = 1 << 32
    """Voxels of one array; the largest test crop has 10^9."""
    chunks: int = 1 << 16
    """Chunks of one array; 1000^3 in chunks of 32^3 make 32,768."""
    chunk_bytes: int = 416 * MIB
    """Decoded size of one chunk: 600^3 of 16 bit stored as a single chunk still passes. Twice that, the
    chunk as it is stored and as it is read, stays below 1 GiB."""
    padded_chunk_bytes: int = 128 * MIB
    """Decoded size of a chunk that is more than 8 times as large as its whole array: 512^3 of 8 bit."""
    levels: int = 64
    """Levels of one multiscale group."""
