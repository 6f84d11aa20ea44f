"""Dataset, Crop, Region and the Catalog that holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from organelle.errors import CropNotFound, DatasetNotFound, SettingsError, did_you_mean
from organelle.geometry import Extent, Grid, Nm


@dataclass(frozen=True, slots=True)
class Dataset:
    """One imaged sample. `None` means that the table does not say, and nobody should guess.

    Attributes:
        em_voxel_size_nm: As reported, z y x; the metadata of the stored EM decides.
        extent_um_xyz: Imaged extent in micrometres as published, in x, y, z order.
        em_doi: The dataset's own DOI; without one the collection's applies (doi:10.25378/janelia.c.7456966).
    """

    name: str
    organism: str | None = None
    sample: str | None = None
    kind: str | None = None
    preparation: str | None = None
    em_voxel_size_nm: Nm | None = None
    extent_um_xyz: Nm | None = None
    em_doi: str | None = None


@dataclass(frozen=True, slots=True)
class Crop:
    """A box of one dataset with annotations (training) or to be predicted (test).

    All classes of a crop share `grid`. `classes` are those annotated (or asked for), in the table's order.
    """

    id: int
    dataset: str
    grid: Grid
    classes: tuple[str, ...]
    is_test: bool = False

    @property
    def name(self) -> str:
        """The folder's name: `crop111`."""
        return f"crop{self.id}"

    @property
    def voxel_size_nm(self) -> Nm:
        """Voxel size of the labels, z y x."""
        return self.grid.voxel_size_nm

    @property
    def extent(self) -> Extent:
        """From corner to corner in nm."""
        return self.grid.extent


@dataclass(frozen=True, slots=True)
class Region:
    """Any box of a dataset that is to be predicted, in nm; without `extent` all that was imaged."""

    dataset: str
    asked: Extent | None = None

    @property
    def name(self) -> str:
        """The folder's name: `whole`, or `nm_0-800_0-800_400-1200` in z, y, x."""
        if self.asked is None:
            return "whole"
        pairs = zip(self.asked.start_nm, self.asked.stop_nm, strict=True)
        return "_".join(["nm", *(f"{a:g}-{b:g}" for a, b in pairs)])

    @classmethod
    def parse(cls, text: str) -> Region:
        """`DATASET`, or `DATASET:Z0-Z1,Y0-Y1,X0-X1` in nm from the dataset's origin.

        Raises:
            SettingsError: anything else, or a box without volume.
        """
        dataset, colon, box = text.partition(":")
        if not colon:
            return cls(dataset)
        number = r"(-?\d+(?:\.\d+)?)"
        found = re.fullmatch(",".join([f"{number}-{number}"] * 3), box.replace(" ", ""))
        sides = [float(v) for v in found.groups()] if found else []
        if not sides or any(a >= b for a, b in zip(sides[0::2], sides[1::2], strict=True)):
            raise SettingsError(
                f"{text!r} is no region; write DATASET, or DATASET:Z0-Z1,Y0-Y1,X0-X1 in nm, each from the "
                "smaller to the larger number"
            )
        z, y, x = (b - a for a, b in zip(sides[0::2], sides[1::2], strict=True))
        return cls(dataset, Extent((sides[0], sides[2], sides[4]), (z, y, x)))


@dataclass(frozen=True, slots=True)
class Catalog:
    """All datasets and crops of one challenge, in the order of its tables."""

    name: str
    datasets: Mapping[str, Dataset]
    train_crops: Mapping[int, Crop]
    test_crops: Mapping[int, Crop]

    @property
    def crops(self) -> dict[int, Crop]:
        """Training crops, then test crops."""
        return {**self.train_crops, **self.test_crops}

    def crop(self, number: int) -> Crop:
        """The crop with this number; `CropNotFound` names the nearest."""
        crops = self.crops
        if number not in crops:
            raise CropNotFound(
                f"crop {number} is not in the catalog {self.name}{did_you_mean(number, crops)}; "
                f"it holds {len(self.train_crops)} training and {len(self.test_crops)} test crops, which "
                '"csc catalog crops" lists'
            )
        return crops[number]

    def dataset(self, name: str) -> Dataset:
        """The dataset called `name`; `DatasetNotFound` names the nearest."""
        if name not in self.datasets:
            raise DatasetNotFound(
                f"{name!r} is not a dataset of the catalog {self.name}{self._nearest(name)}"
            )
        return self.datasets[name]

    def rows(self) -> tuple[tuple[Crop, str], ...]:
        """Every (test crop, class) that a submission must hold, in the table's order."""
        return tuple((crop, name) for crop in self.test_crops.values() for name in crop.classes)

    def select(self, spec: str | int | Iterable[str | int]) -> tuple[Crop, ...]:
        """Crops as people name them, each once, in the order named.

        `all` (or `train`) means every training crop, `test` every test crop, `*` both; a number or
        `crop111` is one crop; a dataset's name means all of its crops. Names are separated by commas or
        blanks, or come as a list.

        Raises:
            CropNotFound: numbers that are not in the catalog, or are none, or nothing was named.
            DatasetNotFound: other words that it does not know.
        """
        chosen = {crop.id: crop for word in _words(spec) for crop in self._named(word)}
        if not chosen:
            raise CropNotFound(
                f'no crop was named by {spec!r}; say "all", "test", "*" or crop numbers. The catalog '
                f"{self.name} holds {len(self.train_crops)} training and {len(self.test_crops)} test crops"
            )
        return tuple(chosen.values())

    def _named(self, word: str) -> Iterable[Crop]:
        groups = {
            "all": self.train_crops,
            "train": self.train_crops,
            "test": self.test_crops,
            "*": self.crops,
        }
        if word in groups:
            return groups[word].values()
        number = word.removeprefix("crop")
        if number.isascii() and number.isdigit():
            return (self.crop(int(number)),)
        if word[0].isdigit():
            raise CropNotFound(f"{word!r} is no number of a crop; write them one by one: 1,2,3")
        dataset = self.dataset(word)
        return (crop for crop in self.crops.values() if crop.dataset == dataset.name)

    def _nearest(self, name: str) -> str:
        return did_you_mean(name, self.datasets) or f"; it holds: {', '.join(self.datasets)}"


def _words(spec: str | int | Iterable[str | int]) -> Iterator[str]:
    if isinstance(spec, str):
        yield from spec.replace(",", " ").split()
    elif isinstance(spec, int):
        yield str(spec)
    else:
        for part in spec:
            yield from _words(part)
