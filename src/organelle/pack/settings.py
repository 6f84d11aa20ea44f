"""The section [pack] of an experiment."""

from __future__ import annotations

from pydantic import Field

from organelle.settings import Settings
from organelle.submission.zarr_zip import CHUNK_VOXELS, COMPRESSION_LEVEL


class PackSettings(Settings):
    """How the submission is stored."""

    chunk_voxels: int = Field(default=CHUNK_VOXELS, ge=32, le=512)
    """Edge of a chunk: 128 makes 54,000 files of the challenge's 413 rows, 64 would make 386,000."""
    compression_level: int = Field(default=COMPRESSION_LEVEL, ge=1, le=19)
    """Level of zstd, which the evaluator's old reader knows; labels hardly get smaller beyond 5."""
