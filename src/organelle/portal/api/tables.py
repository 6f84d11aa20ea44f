"""Datasets, crops and classes, under the names that `csc catalog ... --json` uses; open to everyone."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.errors import HttpError

from organelle.catalog import CropFilter, list_classes, list_crops, list_datasets
from organelle.catalog.listing import ClassEntry, DatasetEntry, Row, crop_row, describe_class
from organelle.errors import NotFound, SettingsError
from organelle.portal.explorer.collection import the_catalog

router = Router(tags=["catalog"])
TEXT: Any = Query("", max_length=100)
CLASS: Any = Query("", alias="class", max_length=100)


@router.get("/datasets", auth=None, response=list[dict[str, Any]], summary="All datasets")
def datasets(request: HttpRequest) -> list[Row]:  # noqa: ARG001
    """What nobody stated is null."""
    return [entry.row() for entry in list_datasets(the_catalog())]


@router.get("/datasets/{name}", auth=None, response=dict[str, Any], summary="One dataset and its crops")
def dataset(request: HttpRequest, name: str) -> Row:  # noqa: ARG001
    """`crops` are its crops as the list of crops shows them."""
    for entry in list_datasets(the_catalog()):
        if entry.dataset.name == name:
            return entry.row() | {"crops": _crops_of(entry)}
    raise HttpError(404, f"there is no dataset {name[:100]!r}; /api/datasets lists them")


@router.get("/crops", auth=None, response=list[dict[str, Any]], summary="Crops")
def crops(
    request: HttpRequest,  # noqa: ARG001
    dataset: str = TEXT,
    organism: str = TEXT,
    split: str = TEXT,
    class_name: str = CLASS,
) -> list[Row]:
    """`dataset`, `organism`, `class`, `split` (train or test) choose some. Sizes and places are z, y, x."""
    wanted = CropFilter(
        datasets=[dataset] if dataset else None,
        organisms=[organism] if organism else None,
        classes=[class_name] if class_name else None,
        split=split or "all",  # type: ignore[arg-type]
    )
    try:
        return [crop_row(crop) for crop in list_crops(the_catalog(), wanted)]
    except (NotFound, SettingsError) as error:
        raise HttpError(422, str(error)) from None


@router.get("/crops/{int:number}", auth=None, response=dict[str, Any], summary="One crop")
def crop(request: HttpRequest, number: int) -> Row:  # noqa: ARG001
    """A training crop or a test crop."""
    for found in list_crops(the_catalog()):
        if found.id == number:
            return crop_row(found)
    raise HttpError(404, f"there is no crop {number}; /api/crops lists them")


@router.get("/classes", auth=None, response=list[dict[str, Any]], summary="All classes")
def classes(request: HttpRequest) -> list[Row]:  # noqa: ARG001
    """What is not scored has no kind."""
    return [entry.row() for entry in list_classes(the_catalog())]


@router.get("/classes/{name}", auth=None, response=dict[str, Any], summary="One class and its crops")
def organelle_class(request: HttpRequest, name: str) -> Row:  # noqa: ARG001
    """`crops` are those in which it is annotated or asked for."""
    try:
        entry = describe_class(name, list_crops(the_catalog()))
    except NotFound as error:
        raise HttpError(404, str(error)) from None
    return entry.row() | {"crops": _crops_of(entry)}


def _crops_of(entry: DatasetEntry | ClassEntry) -> list[Row]:
    return [crop_row(crop) for crop in (*entry.train_crops, *entry.test_crops)]
