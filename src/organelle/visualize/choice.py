"""What may be looked at: the images of chosen datasets, crops and classes that are there, unopened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from organelle.catalog import (
    Catalog,
    Crop,
    CropFilter,
    em_path,
    label_path,
    prediction_path,
    processed_path,
)
from organelle.catalog.filters import select_crops
from organelle.classes import all_classes, class_named
from organelle.errors import EMMissing, FileMissing, NotFound, SettingsError, did_you_mean
from organelle.stores import Place, as_place, which_exist
from organelle.stores.places import NODE_FILES
from organelle.submission import Submission, open_submission


class ImageKind(Enum):
    """Where an image comes from; the order is that of the layers."""

    EM = "em"
    TRUTH = "truth"
    PREDICTION = "prediction"
    PROCESSED = "processed"
    SUBMISSION = "submission"


OTHER_NAMES = {"raw": ImageKind.EM, "gt": ImageKind.TRUTH, "groundtruth": ImageKind.TRUTH}
"""What people also call the kinds; each may stand in the plural, too."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted; a field that is None wants everything that is there.

    Attributes:
        datasets: Names of datasets.
        crops: Crops as `Catalog.select` takes them.
        classes: Names of classes.
        kinds: Of images.
    """

    datasets: Sequence[str] | None = None
    crops: str | Sequence[str | int] | None = None
    classes: Sequence[str] | None = None
    kinds: tuple[ImageKind, ...] = tuple(ImageKind)


@dataclass(frozen=True, slots=True)
class Image:
    """One image that is there: EM of a dataset, or one class of a crop. `place` is a multiscale or an array.

    A submitted image has no place of its own; it is found in `submission` by crop and class.
    """

    kind: ImageKind
    dataset: str
    crop: Crop | None = None
    class_name: str = ""
    place: Place | None = None
    submission: Submission | None = None

    @property
    def key(self) -> str:
        """Its name in addresses: `em/jrc_cos7-1a`, `truth/crop247/mito`."""
        if self.crop is None:
            return f"{self.kind.value}/{self.dataset}"
        return f"{self.kind.value}/{self.crop.name}/{self.class_name}"


def parse_kinds(names: Iterable[str] | None) -> tuple[ImageKind, ...]:
    """Kinds by their names, also `gt`, `raw` or a plural; None means all.

    Raises:
        SettingsError: another word, or none at all.
    """
    if names is None:
        return tuple(ImageKind)
    known = {kind.value: kind for kind in ImageKind} | OTHER_NAMES
    chosen = set()
    for name in names:
        word = name.casefold()
        if (kind := known.get(word) or known.get(word.removesuffix("s"))) is None:
            listed = ", ".join(kind.value for kind in ImageKind)
            raise SettingsError(
                f"{name!r} is no kind of image{did_you_mean(word, known)}; there are: {listed}"
            )
        chosen.add(kind)
    if not chosen:
        raise SettingsError("no kind of image was named; leave the option out to see all")
    return tuple(kind for kind in ImageKind if kind in chosen)


def find_images(
    catalog: Catalog,
    choice: Choice,
    *,
    data: Place | str,
    work: Path | str,
    submission_path: Path | str | None = None,
) -> tuple[Image, ...]:
    """The images of a choice that are there, in the order of datasets, then kinds, crops and classes.

    Args:
        catalog: Says which crops and classes there are.
        choice: Which of them.
        data: The volumes in the bucket's layout, a folder or an address.
        work: Predictions and processed volumes.
        submission_path: A zip or folder; default: `submission.zip` in `work`, if it is there.

    Raises:
        NotFound: a name that the catalog does not know, a submission that was named and is not there, or
            nothing is there; says where it was looked for.
        EMMissing: only EM was wanted, and none is there.
    """
    wanted = CropFilter(datasets=choice.datasets, classes=choice.classes, crops=choice.crops)
    crops = select_crops(catalog, wanted)
    submission = _open_submission(choice, Path(work), submission_path)
    search = _Search(as_place(data), Path(work), submission, choice)
    datasets = [name for name in catalog.datasets if name in _datasets(catalog, choice, crops)]
    found = tuple(image for name in datasets for image in search.images(name, crops))
    if not found:
        raise _nothing(choice, datasets, crops, data, work)
    return found


@dataclass(frozen=True)
class _Search:
    data: Place
    work: Path
    submission: Submission | None
    choice: Choice

    def images(self, dataset: str, crops: Iterable[Crop]) -> tuple[Image, ...]:
        """EM of a dataset, and what there is of its crops."""
        here = [crop for crop in crops if crop.dataset == dataset]
        stored = list(self._stored(dataset, here))
        there = _which_are_there([image.place for image in stored if image.place is not None])
        found = [image for image, is_there in zip(stored, there, strict=True) if is_there]
        return (*found, *self._submitted(here))

    def _stored(self, dataset: str, crops: Sequence[Crop]) -> Iterator[Image]:
        """What may be there, in the order of kinds and crops."""
        for kind in self.choice.kinds:
            if kind is ImageKind.EM:
                yield Image(kind, dataset, place=em_path(self.data, dataset))
            elif kind is not ImageKind.SUBMISSION:
                for crop in crops:
                    for name in self._classes(kind, crop):
                        yield Image(kind, dataset, crop, name, self._place(kind, crop, name))

    def _submitted(self, crops: Iterable[Crop]) -> Iterator[Image]:
        for crop in crops if self.submission is not None else ():
            for name in self._classes(ImageKind.SUBMISSION, crop):
                if self.submission is not None and self.submission.has(crop.id, name):
                    kind = ImageKind.SUBMISSION
                    yield Image(kind, crop.dataset, crop, name, submission=self.submission)

    def _classes(self, kind: ImageKind, crop: Crop) -> Iterable[str]:
        """A network may predict more classes than a crop is annotated for."""
        if kind is ImageKind.TRUTH:
            names: Iterable[str] = () if crop.is_test else crop.classes
        elif kind is ImageKind.SUBMISSION:
            names = crop.classes
        else:
            names = (c.name for c in all_classes())
        chosen = self.choice.classes
        return names if chosen is None else [n for n in names if n in chosen]

    def _place(self, kind: ImageKind, crop: Crop, name: str) -> Place:
        if kind is ImageKind.TRUTH:
            return label_path(self.data, crop, name)
        return (prediction_path if kind is ImageKind.PREDICTION else processed_path)(self.work, crop, name)


def _which_are_there(places: Sequence[Place]) -> list[bool]:
    """Whether a zarr node lies at each place; remote ones are asked for together."""
    asked = [place / name for place in places for name in NODE_FILES]
    found = which_exist(asked)
    width = len(NODE_FILES)
    return [any(found[i * width : (i + 1) * width]) for i in range(len(places))]


def _datasets(catalog: Catalog, choice: Choice, crops: Iterable[Crop]) -> set[str]:
    """Those of the crops; those that were named have EM to see even without a crop."""
    named = choice.datasets if choice.crops is None and choice.classes is None else ()
    if named is None:
        return set(catalog.datasets)
    return {crop.dataset for crop in crops} | {catalog.dataset(name).name for name in named}


def _open_submission(choice: Choice, work: Path, path: Path | str | None) -> Submission | None:
    if ImageKind.SUBMISSION not in choice.kinds:
        return None
    if path is None and not (work / "submission.zip").is_file():
        return None
    return open_submission(path if path is not None else work / "submission.zip")


def _nothing(
    choice: Choice, datasets: Sequence[str], crops: Sequence[Crop], data: Place | str, work: Path | str
) -> NotFound | EMMissing:
    for name in choice.classes or ():
        class_named(name)
    if not crops and not datasets:
        return NotFound("no crop of the catalog has all that was chosen; list crops with: csc catalog crops")
    where = f"{data} (EM, truth) or {work} (predictions, processed, submission)"
    some = ", ".join([c.name for c in crops[:3]] or datasets[:3]) + (" ..." if len(crops) > 3 else "")
    if choice.kinds == (ImageKind.EM,):
        return EMMissing(f"no EM of {', '.join(datasets[:3])} in {data}; get it with: csc fetch-data")
    kinds = ", ".join(kind.value for kind in choice.kinds)
    return FileMissing(
        f"nothing to show of {some}: no {kinds} in {where}; get data with csc fetch-data, "
        "or name other folders with --data and --work"
    )
