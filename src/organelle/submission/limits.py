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
    json_bytes: int = MIB
    """Size of one `.zarray`, `.zattrs` or `.zgroup`."""
    axis_voxels: int = 1 << 16
    """Voxels along one axis; the largest test crop has 1000."""
    voxels: int = 1 << 32
    """Voxels of one array; the largest test crop has 10^9."""
    chunks: int = 1 << 16
    """Chunks of one array; 1000^3 in chunks of 32^3 make 32,768."""
    chunk_bytes: int = 512 * MIB
    """Decoded size of one chunk: 600^3 of 16 bit stored as a single chunk still passes."""
