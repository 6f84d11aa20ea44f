"""What an inspection finds: levels, chunks, grey values, uses and problems, as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from organelle.geometry import Nm
from organelle.volumes.labels import LabelEncoding


class Severity(StrEnum):
    """How much a problem matters."""

    ERROR = "error"
    """It cannot be used as it is."""
    WARNING = "warning"
    """It can be used, but a result may be wrong."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do about it.

    Attributes:
        severity: how much it matters.
        code: a short name that stays the same from version to version.
        where: the file, folder or level.
        what: the problem in words.
        next: what to do about it.
    """

    severity: Severity
    code: str
    where: str
    what: str
    next: str

    def __str__(self) -> str:
        return f"{self.severity.value} [{self.code}] {self.where}: {self.what}; {self.next}"


@dataclass(frozen=True, slots=True)
class ChunkCount:
    """How many pieces of an array are stored; in a sharded array a piece is a shard.

    Attributes:
        total: pieces that the shape asks for.
        asked: pieces whose presence was asked: fewer than `total` where counting them all takes too long.
        stored: those of the asked that are there.
        bytes: size of the stored ones that were asked, compressed.
        cut: whether counting ended early, so that `stored` and `bytes` are the least there can be.
        strange: files that belong to no piece of this array, a few of their names.
    """

    total: int
    asked: int
    stored: int
    bytes: int
    cut: bool = False
    strange: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether every piece was asked for."""
        return self.asked == self.total and not self.cut

    def __str__(self) -> str:
        if self.cut:
            return f"at least {self.stored:,} of {self.total:,} (counting stopped there)"
        if not self.is_exact:
            return f"{self.stored:,} of {self.asked:,} that were asked for, of {self.total:,}"
        return f"{self.stored:,} of {self.total:,}"


@dataclass(frozen=True, slots=True)
class ValueSample:
    """Values of a few stored chunks, which stand for the whole.

    Attributes:
        voxels: how many voxels were read.
        low: the smallest value; None if every voxel is NaN.
        high: the largest value; None if every voxel is NaN.
        mean: of all that are finite; None if there is none.
        zeros: share of voxels that are 0.
        nans: share of voxels that are NaN or infinite.
        distinct: number of different values, counted up to 1000.
    """

    voxels: int
    low: float | None
    high: float | None
    mean: float | None
    zeros: float
    nans: float
    distinct: int


@dataclass(frozen=True, slots=True)
class LevelReport:
    """One array, as its metadata describes it; None where that says nothing or nothing usable.

    Attributes:
        name: the level's path below its group; the array's own name if it stands alone.
        is_here: whether the array is stored.
        zarr_format: 2 or 3.
        shape: voxels, in the order of the axes.
        voxel_size_nm: z, y, x.
        origin_nm: centre of the first voxel, z, y, x.
        dtype: type of the voxels, as in numpy.
        chunks: shape of what is compressed together.
        shards: shape of what one file holds, in a sharded array.
        codecs: names of the codecs, in the order in which they are applied.
        separator: what stands between the indices in the name of a chunk.
        key_prefix: what stands before them: `c` in zarr v3, mostly.
        fill_value: what a chunk that is not stored reads as.
        count: how many chunks (or shards) are stored.
        sample: values of a few chunks.
    """

    name: str
    is_here: bool
    zarr_format: int | None = None
    shape: tuple[int, ...] | None = None
    voxel_size_nm: Nm | None = None
    origin_nm: Nm | None = None
    dtype: str | None = None
    chunks: tuple[int, ...] | None = None
    shards: tuple[int, ...] | None = None
    codecs: tuple[str, ...] = ()
    separator: str | None = None
    key_prefix: str = ""
    fill_value: Any = None
    count: ChunkCount | None = None
    sample: ValueSample | None = None

    @property
    def voxel_bytes(self) -> int:
        """Bytes of one voxel; 0 if the type is not known."""
        import numpy as np

        return np.dtype(self.dtype).itemsize if self.dtype else 0


@dataclass(frozen=True, slots=True)
class Use:
    """Whether some stages can use a volume, and why or why not."""

    stages: str
    role: str
    is_possible: bool
    why: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that is known of what is stored at one place.

    Attributes:
        place: path or address.
        what: `image` (with levels), `array` (a single one), `group` (holds others), `nothing` of zarr.
        ngff_version: as its metadata says.
        axes: names of the axes in stored order, with their units in brackets: `z [nanometer]`.
        levels: fine to coarse, as listed.
        inside: for a group the images, arrays and groups in it, each with a word on what it is.
        encoding: what label values mean, if these are labels.
        uses: which stages can use it.
        problems: the gravest first.
    """

    place: str
    what: str
    ngff_version: str | None = None
    axes: tuple[str, ...] = ()
    levels: tuple[LevelReport, ...] = ()
    inside: tuple[tuple[str, str], ...] = ()
    encoding: LabelEncoding | None = None
    uses: tuple[Use, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether it is an image without an error."""
        return self.what in ("image", "array") and not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems for which it cannot be used."""
        return tuple(p for p in self.problems if p.severity is Severity.ERROR)
