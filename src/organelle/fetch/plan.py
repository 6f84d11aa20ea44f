"""Which stored objects a crop needs, and how many bytes they are. Nothing is moved here.

A training crop needs the labels of its classes at all levels, and EM: from the level that serves the
labels' voxel size best upward to the coarsest (not the finer ones, which hold most of the bytes), and of
each level the chunks that touch the crop with its padding. A test crop needs EM alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from organelle.catalog import Catalog, Crop, em_path, label_path, labels_folder
from organelle.classes import sort_classes
from organelle.errors import EMMissing, FileMissing, NotFound, SettingsError, require_folder
from organelle.volumes import Multiscale, Volume, open_multiscale

METADATA_FILES = (".zgroup", ".zattrs", ".zarray", "zarr.json")


@dataclass(frozen=True, slots=True)
class FetchObject:
    """One stored file: its path below the bucket's root, and its size."""

    key: str
    bytes: int


@dataclass(frozen=True, slots=True)
class CropPlan:
    """What one crop needs.

    Attributes:
        crop: The crop.
        em_levels: Names of the EM levels, fine to coarse.
        em: Chunks and metadata of the EM.
        labels: Chunks and metadata of the labels; empty for a test crop.
        absent: Keys of EM chunks that the crop touches and the source does not have; they stay absent.
    """

    crop: Crop
    em_levels: tuple[str, ...]
    em: tuple[FetchObject, ...]
    labels: tuple[FetchObject, ...]
    absent: tuple[str, ...]

    @property
    def em_bytes(self) -> int:
        """Size of the EM, objects shared with other crops included."""
        return sum(o.bytes for o in self.em)

    @property
    def label_bytes(self) -> int:
        """Size of the labels."""
        return sum(o.bytes for o in self.labels)


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """Everything that is to be moved from `source`, crop by crop."""

    source: Path
    crops: tuple[CropPlan, ...]

    @property
    def objects(self) -> tuple[FetchObject, ...]:
        """Every object once; chunks before metadata, so that a volume appears after its voxels."""
        unique = {o.key: o for crop in self.crops for o in (*crop.em, *crop.labels)}
        return tuple(sorted(unique.values(), key=lambda o: o.key.rpartition("/")[2] in METADATA_FILES))

    @property
    def bytes(self) -> int:
        """Size of all objects, each counted once."""
        return sum(o.bytes for o in self.objects)

    @property
    def absent(self) -> tuple[str, ...]:
        """Keys of EM chunks that the source does not have, each once."""
        return tuple(dict.fromkeys(key for crop in self.crops for key in crop.absent))


def plan_fetch(
    source: Path | str,
    catalog: Catalog,
    crops: str | int | Iterable[str | int] = "all",
    *,
    padding_voxels: int = 0,
    all_resolutions: bool = False,
    classes: Iterable[str] | None = None,
) -> FetchPlan:
    """List what the crops need from `source`, a folder in the bucket's layout.

    Args:
        source: The folder that holds `{dataset}/{dataset}.zarr`.
        catalog: Where the crops are looked up.
        crops: As `Catalog.select` takes them.
        padding_voxels: EM around the crop, in voxels of the finest EM level that is taken; the same
            distance in nm at all levels.
        all_resolutions: Take the EM levels that are finer than the labels too.
        classes: Only the labels of these classes (default: all that are annotated).

    Raises:
        FileMissing: no such folder, or labels that the table promises are not in it.
        EMMissing: it holds no EM for a crop.
        SettingsError: the padding is negative, or the source is a URL.
    """
    if "://" in str(source):
        raise SettingsError(
            f"{source} is a URL; data can only be fetched from a folder in the bucket's layout"
        )
    root = require_folder(source, "source of the data")
    if padding_voxels < 0:
        raise SettingsError(f"the padding must be at least 0 voxels, not {padding_voxels}")
    wanted = None if classes is None else sort_classes(classes)
    images: dict[str, Multiscale] = {}
    plans = []
    for crop in catalog.select(crops):
        if crop.dataset not in images:
            images[crop.dataset] = _open_em(root, crop)
        image = images[crop.dataset]
        first = 0 if all_resolutions else image.levels.index(image.nearest_level(crop.voxel_size_nm))
        plans.append(_plan_crop(root, crop, image.levels[first:], padding_voxels, wanted))
    return FetchPlan(root, tuple(plans))


def _open_em(root: Path, crop: Crop) -> Multiscale:
    path = em_path(root, crop.dataset)
    try:
        return open_multiscale(path)
    except NotFound as error:
        raise EMMissing(f"{crop.name} of {crop.dataset} has no EM in {root}: {error}") from error


def _plan_crop(
    root: Path, crop: Crop, levels: tuple[Volume, ...], padding: int, classes: tuple[str, ...] | None
) -> CropPlan:
    files = list(_em_chunks(crop, levels, padding))
    chunks = [file for file in files if file.is_file()]
    if not chunks:
        raise EMMissing(
            f"{crop.name}: {levels[0].path.parent} holds no EM chunk at its place "
            f"({crop.extent.start_nm} to {crop.extent.stop_nm} nm); is the source complete?"
        )
    metadata = dict.fromkeys(file for level in levels for file in _metadata(root, level.path))
    labels = [] if crop.is_test else list(_labels(root, crop, classes))
    return CropPlan(
        crop,
        tuple(level.name for level in levels),
        em=_objects(root, [*chunks, *metadata]),
        labels=_objects(root, labels),
        absent=tuple(f.relative_to(root).as_posix() for f in files if not f.is_file()),
    )


def _em_chunks(crop: Crop, levels: tuple[Volume, ...], padding: int) -> Iterator[Path]:
    extent = crop.extent.grow([padding * size for size in levels[0].grid.voxel_size_nm])
    for level in levels:
        yield from level.files(level.grid.box_of(extent, snap="outer"))


def _labels(root: Path, crop: Crop, classes: tuple[str, ...] | None) -> Iterator[Path]:
    yield from _metadata(root, labels_folder(root, crop))
    for name in crop.classes:
        if classes is None or name in classes:
            folder = label_path(root, crop, name)
            if not folder.is_dir():
                raise FileMissing(
                    f"{crop.name}: the table says {name} is annotated, but there is no {folder}"
                )
            yield from sorted(file for file in folder.rglob("*") if file.is_file())


def _metadata(root: Path, node: Path) -> Iterator[Path]:
    """The metadata files of a node and of every group above it, top first."""
    for folder in (*reversed(node.parents), node):
        if root in folder.parents:
            yield from (folder / name for name in METADATA_FILES if (folder / name).is_file())


def _objects(root: Path, files: Iterable[Path]) -> tuple[FetchObject, ...]:
    return tuple(FetchObject(f.relative_to(root).as_posix(), f.stat().st_size) for f in files)
