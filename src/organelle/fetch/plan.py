"""Which stored objects a crop needs, and how many bytes they are. Nothing is moved here.

A training crop needs the labels of its classes at all levels, and EM: from the level that serves the
labels' voxel size best upward to the coarsest (not the finer ones, which hold most of the bytes), and of
each level the chunks that touch the crop with its padding. A test crop needs EM alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from organelle.catalog import Catalog, Crop, em_folder, label_path, labels_folder
from organelle.classes import sort_classes
from organelle.errors import EMMissing, FileMissing, NotFound, OrganelleError
from organelle.fetch.padding import Padding
from organelle.fetch.survey import FetchObject, Survey
from organelle.geometry import Box, Nm
from organelle.stores import Source, open_source, require_here
from organelle.volumes import Multiscale, Volume, open_multiscale


@dataclass(frozen=True, slots=True)
class CropPlan:
    """What one crop needs.

    Attributes:
        crop: The crop.
        em_levels: Names of the EM levels, fine to coarse.
        em: Chunks and metadata of the EM.
        labels: Chunks and metadata of the labels; empty for a test crop.
        absent: Keys of EM chunks that the crop touches and the source does not have; they stay absent.
        is_cut: Whether the EM ends inside the padding, or inside the crop itself.
        labels_absent: How many label chunks the source does not have; they hold only zeros.
    """

    crop: Crop
    em_levels: tuple[str, ...]
    em: tuple[FetchObject, ...]
    labels: tuple[FetchObject, ...]
    absent: tuple[str, ...]
    is_cut: bool = False
    labels_absent: int = 0

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

    source: Source
    crops: tuple[CropPlan, ...]

    @property
    def origin(self) -> str:
        """What the manifest names as the place that objects came from."""
        return self.source.url

    @property
    def objects(self) -> tuple[FetchObject, ...]:
        """Every object once; chunks before metadata, so that a volume appears after its voxels."""
        unique = {o.key: o for crop in self.crops for o in (*crop.em, *crop.labels)}
        return tuple(sorted(unique.values(), key=lambda o: o.is_metadata))

    @property
    def bytes(self) -> int:
        """Size of all objects, each counted once."""
        return sum(o.bytes for o in self.objects)

    @property
    def absent(self) -> tuple[str, ...]:
        """Keys of EM chunks that the source does not have, each once."""
        return tuple(dict.fromkeys(key for crop in self.crops for key in crop.absent))


def plan_fetch(
    source: Source | Path | str,
    catalog: Catalog,
    crops: str | int | Iterable[str | int] = "all",
    *,
    padding_voxels: int = 0,
    padding_nm: float = 0.0,
    all_resolutions: bool = False,
    classes: Iterable[str] | None = None,
) -> FetchPlan:
    """List what the crops need from `source`, a bucket in the challenge's layout.

    Metadata is read first; which chunks are needed follows from it, and their sizes are asked for in
    listings, or one by one where the server cannot list. No voxel is read.

    Args:
        source: The root that holds `{dataset}/{dataset}.zarr`: what `open_source` takes or gives.
        catalog: Where the crops are looked up.
        crops: As `Catalog.select` takes them.
        padding_voxels: EM around the crop, in voxels of the finest EM level that is taken; the same
            distance in nm at all levels.
        padding_nm: The same in nanometres; both add up.
        all_resolutions: Take the EM levels that are finer than the labels too.
        classes: Only the labels of these classes (default: all that are annotated).

    Raises:
        FileMissing: no such folder, or labels that the table promises are not in it.
        EMMissing: it holds no EM for a crop.
        FormatError: what lies there is not an OME-NGFF image.
        TransferError: the source cannot be reached, or does not allow to read.
        SettingsError: the padding is negative, or the source is a URL of an unknown kind.
    """
    bucket = source if isinstance(source, Source) else open_source(source)
    padding = Padding(padding_voxels, padding_nm)
    wanted = None if classes is None else sort_classes(classes)
    chosen = tuple(catalog.select(crops))
    with tempfile.TemporaryDirectory(prefix="organelle-plan-") as scratch:
        try:
            planning = _Planning(Survey(bucket, Path(scratch)), padding, all_resolutions, wanted)
            return FetchPlan(bucket, planning.crops(chosen))
        except OrganelleError as error:
            raise type(error)(str(error).replace(scratch, bucket.url)) from error


@dataclass(frozen=True)
class _Planning:
    """The plan in the making: `survey.root` holds the metadata of the source, and nothing else."""

    survey: Survey
    padding: Padding
    all_resolutions: bool
    classes: tuple[str, ...] | None

    def crops(self, chosen: tuple[Crop, ...]) -> tuple[CropPlan, ...]:
        images = self._images(chosen)
        labels = {crop: self._labels(crop) for crop in chosen}
        self._read_labels(labels)
        levels = {crop: self._levels(images[crop.dataset], crop) for crop in chosen}
        chunks = {crop: list(_em_chunks(crop, levels[crop], self.padding)) for crop in chosen}
        self.survey.ask(file for files in chunks.values() for file in files)
        stored = {crop: list(self._label_files(crop, folders)) for crop, folders in labels.items()}
        self.survey.ask(file for files in stored.values() for file in files)
        return tuple(self._crop(crop, levels[crop], chunks[crop], stored[crop]) for crop in chosen)

    def _images(self, chosen: tuple[Crop, ...]) -> dict[str, Multiscale]:
        """The EM of each dataset, by its metadata."""
        first = {crop.dataset: crop for crop in reversed(chosen)}
        self.survey.read_images([em_folder(self.survey.root, name) for name in first])
        return {name: self._open_em(crop) for name, crop in first.items()}

    def _open_em(self, crop: Crop) -> Multiscale:
        try:
            return open_multiscale(em_folder(self.survey.root, crop.dataset))
        except NotFound as error:
            raise EMMissing(
                f"{crop.name} of {crop.dataset} has no EM in {self.survey.url}: {error}; is that the root "
                f"that holds {crop.dataset}/{crop.dataset}.zarr, or a store that is not zarr?"
            ) from error

    def _levels(self, image: Multiscale, crop: Crop) -> tuple[Volume, ...]:
        if self.all_resolutions:
            return image.levels
        return image.levels[image.levels.index(image.nearest_level(crop.voxel_size_nm)) :]

    def _labels(self, crop: Crop) -> list[Path]:
        """The label images that are wanted of a crop."""
        names = [] if crop.is_test else [n for n in crop.classes if self.classes is None or n in self.classes]
        return [label_path(self.survey.root, crop, name) for name in names]

    def _read_labels(self, labels: dict[Crop, list[Path]]) -> None:
        self.survey.list_below([folder for folders in labels.values() for folder in folders])
        groups = [labels_folder(self.survey.root, crop) for crop in labels if not crop.is_test]
        self.survey.read([node for group in groups for node in self.survey.upward(group)])
        self.survey.read_images([folder for folders in labels.values() for folder in folders])

    def _label_files(self, crop: Crop, folders: list[Path]) -> Iterator[Path]:
        for folder in folders:
            if not folder.is_dir():
                raise FileMissing(
                    f"{crop.name}: the table says {folder.name} is annotated, but there is no {folder}"
                )
            for level in open_multiscale(folder).levels:
                yield from map(require_here, level.files(level.grid.box))

    def _crop(
        self, crop: Crop, levels: tuple[Volume, ...], chunks: list[Path], stored: list[Path]
    ) -> CropPlan:
        em, labels = self.survey.objects(chunks), self.survey.objects(stored)
        place = f"its place ({crop.extent.start_nm} to {crop.extent.stop_nm} nm); is the source complete?"
        if not em:
            raise EMMissing(f"{crop.name}: {levels[0].path.parent} holds no EM chunk at {place}")
        if not self.survey.objects(_em_chunks(crop, levels[:1], self.padding)):
            raise EMMissing(f"{crop.name}: {levels[0].path} is listed, but has no EM chunk at {place}")
        nodes = [level.folder for level in levels]
        images = [] if crop.is_test else [labels_folder(self.survey.root, crop), *self._labels(crop)]
        images += [level.folder for folder in images[1:] for level in open_multiscale(folder).levels]
        return CropPlan(
            crop,
            tuple(level.name for level in levels),
            em=(*em, *self.survey.metadata(nodes)),
            labels=(*self.survey.metadata(images), *labels),
            absent=tuple(map(self.survey.key, self.survey.missing(chunks))),
            is_cut=not levels[0].grid.box.contains(
                _box(crop, levels[0], self.padding.reach_nm(levels[0].grid.voxel_size_nm))
            ),
            labels_absent=len(self.survey.missing(stored)),
        )


def _em_chunks(crop: Crop, levels: tuple[Volume, ...], padding: Padding) -> Iterator[Path]:
    reach = padding.reach_nm(levels[0].grid.voxel_size_nm)
    for level in levels:
        yield from map(require_here, level.files(_box(crop, level, reach)))


def _box(crop: Crop, level: Volume, reach_nm: Nm) -> Box:
    """What a crop and `reach_nm` around it touch of a level."""
    return level.grid.box_of(crop.extent.grow(reach_nm), snap="outer")
