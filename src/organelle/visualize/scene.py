"""Everything that one server shows: its views, the state of each, and the bytes behind it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organelle.catalog import Catalog, Crop, CropFilter, em_folder
from organelle.catalog.filters import select_crops
from organelle.errors import FormatError, OrganelleError
from organelle.stores import Place, as_place
from organelle.visualize.choice import Choice, Image, ImageKind, find_images
from organelle.visualize.levels import NOT_STORED, ServedLevel, chunk_counts, serve_level
from organelle.visualize.opened import OpenImage, open_image
from organelle.visualize.states import dataset_state

READERS = 8
"""Images that are opened at one time: remote ones spend theirs waiting."""

GROUP = b'{"zarr_format": 2}'


@dataclass(frozen=True, slots=True)
class View:
    """A place to start from: a crop, or a whole dataset."""

    dataset: str
    crop: Crop | None = None

    @property
    def name(self) -> str:
        """In addresses: `crop247`, `jrc_cos7-1a`."""
        return self.dataset if self.crop is None else self.crop.name


class Scene:
    """The images that may be seen, opened when they are first asked for.

    `data` and `work` are the folders that local files may lie in. Images that cannot be opened are left out
    of the views; `problems` says why.
    """

    def __init__(self, images: tuple[Image, ...], crops: tuple[Crop, ...], data: Place, work: Place) -> None:
        self.images: Mapping[str, Image] = {image.key: image for image in images}
        self.views: Mapping[str, View] = {view.name: view for view in _views(images, crops)}
        self.problems: dict[str, str] = {}
        self._data, self._work = data, work
        self._open = functools.cache(self._open_anew)
        self._level = functools.cache(self._level_anew)

    def of_dataset(self, dataset: str) -> tuple[Image, ...]:
        """The images of one dataset."""
        return tuple(image for image in self.images.values() if image.dataset == dataset)

    def opened(self, image: Image) -> OpenImage:
        """An image, opened once; errors as those of `open_image`."""
        return self._open(image.key)

    def state(self, name: str, base_url: str) -> dict[str, Any]:
        """The viewer's state for one of the views; images are read from below `base_url`.

        Raises:
            FormatError: none of the images can be read.
        """
        view = self.views[name]
        usable = self.usable(view.dataset)
        if not usable and self.problems:
            raise FormatError(f"no image of {view.dataset} can be read: {'; '.join(self.problems.values())}")
        return dataset_state(usable, view.crop, base_url)

    def usable(self, dataset: str, crop: Crop | None = None) -> list[OpenImage]:
        """The images of a dataset (with `crop`: its EM and those of the crop) that can be opened."""
        wanted = [i for i in self.of_dataset(dataset) if crop is None or i.crop in (None, crop)]
        with ThreadPoolExecutor(READERS) as pool:
            usable = list(pool.map(self._is_usable, wanted))
        return [self.opened(image) for image, good in zip(wanted, usable, strict=True) if good]

    def stored(self, key: str, level: str | None, name: str) -> bytes | None:
        """What is stored under a name: metadata, or a chunk by its three numbers `z/y/x`; None for nothing.

        Args:
            key: Of an image.
            level: `s0`, ...; None for the group that holds the levels.
            name: `.zgroup`, `.zattrs`, `.zarray` or `0/0/0`.
        """
        if key not in self.images:
            return None
        if level is None:
            attributes = self._open(key).attributes if name == ".zattrs" else None
            return json.dumps(attributes).encode() if attributes else GROUP if name == ".zgroup" else None
        if level not in self._open(key).names:
            return None
        served = self._level(key, level)
        if name == ".zarray":
            return json.dumps(served.zarray).encode()
        return None if name.startswith(".") else _chunk(served, name)

    def _is_usable(self, image: Image) -> bool:
        try:
            self.opened(image)
        except OrganelleError as error:
            self.problems[image.key] = str(error)
            return False
        return True

    def _root(self, image: Image) -> Place:
        """The folder beyond which no file of an image is opened.

        EM that a text of the data folder names (`csc catalog register` writes it) may lie anywhere.
        """
        if image.kind is ImageKind.EM and image.place is not None and isinstance(self._data, Path):
            is_linked = image.place != em_folder(self._data, image.dataset)
            return image.place if is_linked else self._data
        return self._data if image.kind in (ImageKind.EM, ImageKind.TRUTH) else self._work

    def _open_anew(self, key: str) -> OpenImage:
        image = self.images[key]
        return open_image(image, self._root(image))

    def _level_anew(self, key: str, level: str) -> ServedLevel:
        opened = self._open(key)
        array, root = opened.names[level], self._root(opened.image)
        is_grey = opened.image.kind is ImageKind.EM and array.dtype == "uint8"
        missing = NOT_STORED if is_grey else None
        return serve_level(array, root, labels=opened.encoding is not None, missing=missing)


def visualize(
    catalog: Catalog,
    choice: Choice | None = None,
    *,
    data: Place | str,
    work: Path | str,
    submission_path: Path | str | None = None,
) -> Scene:
    """The images of a choice as a scene: hand it to `serve`, or draw it with `write_sheets`.

    Raises:
        NotFound: nothing to show, or a name that is not known; see `find_images`.
    """
    choice = choice or Choice()
    images = find_images(catalog, choice, data=data, work=work, submission_path=submission_path)
    crops = select_crops(
        catalog, CropFilter(datasets=choice.datasets, classes=choice.classes, crops=choice.crops)
    )
    return Scene(images, crops, as_place(data), Path(work))


def _views(images: tuple[Image, ...], crops: tuple[Crop, ...]) -> list[View]:
    """One for each crop with an image of its own or EM around it; a dataset without one is a view itself."""
    datasets = dict.fromkeys(image.dataset for image in images)
    with_em = {image.dataset for image in images if image.kind is ImageKind.EM}
    labelled = {image.crop.id for image in images if image.crop is not None}
    found = []
    for name in datasets:
        here = [c for c in crops if c.dataset == name and (c.id in labelled or name in with_em)]
        found += [View(name, crop) for crop in here] or [View(name)]
    return found


def _chunk(level: ServedLevel, name: str) -> bytes | None:
    z, y, x = (int(part) for part in name.split("/"))
    inside = all(i < n for i, n in zip((z, y, x), chunk_counts(level.zarray), strict=True))
    return level.chunk((z, y, x)) if inside else None
