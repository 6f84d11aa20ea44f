"""Datasets, crops and classes, under the names that `csc catalog ... --json` uses; open to everyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from ninja.errors import HttpError

from organelle.catalog import describe_class, list_classes, list_crops
from organelle.errors import NotFound, OrganelleError
from organelle.portal.api.answers import public_answers
from organelle.portal.api.catalogued import (
    BranchRecord,
    ClassRecord,
    CropRecord,
    DatasetRecord,
    Filters,
    FoundRecord,
    StatisticRecord,
    WholeClass,
    WholeDataset,
    branch_record,
    crop_record,
    dataset_record,
    statistic_record,
    whole_class,
    whole_dataset,
)
from organelle.portal.explorer.answers import json_answer
from organelle.portal.explorer.collection import facts_of, list_facts, the_catalog
from organelle.portal.explorer.hierarchy import class_tree
from organelle.portal.explorer.searching import search as find
from organelle.portal.explorer.statistics import STATISTICS
from organelle.portal.explorer.views import GOOD_FOR_S, PER_SEARCH

router = Router(tags=["catalog"], auth=None)
FILTERS: Any = Query(...)
WORDS: Any = Query("", max_length=100, description="words, all of which are to be found")
MOST_CROPS: Any = Query(PER_SEARCH, ge=0, le=1000, description="of so many crops all is told")


@router.get("/datasets", response=public_answers(list[DatasetRecord], 422), summary="Datasets")
def datasets(request: HttpRequest, filters: Filters = FILTERS) -> HttpResponse:
    """All, or those with a crop that passes the filters."""
    return _told(request, lambda: list(map(dataset_record, list_facts(filters.wanted()))))


@router.get(
    "/datasets/{name}", response=public_answers(WholeDataset, 404), summary="One dataset and its crops"
)
def dataset(request: HttpRequest, name: str) -> HttpResponse:
    """`crops` are its crops as the list of crops shows them."""
    return _told(request, lambda: whole_dataset(facts_of(name)), 404)


@router.get("/crops", response=public_answers(list[CropRecord], 422), summary="Crops")
def crops(request: HttpRequest, filters: Filters = FILTERS) -> HttpResponse:
    """All, or those that pass the filters. Sizes and places are z, y, x."""
    return _told(request, lambda: list(map(crop_record, list_crops(the_catalog(), filters.wanted()))))


@router.get("/crops/{int:number}", response=public_answers(CropRecord, 404), summary="One crop")
def crop(request: HttpRequest, number: int) -> HttpResponse:
    """A training crop or a test crop."""
    return _told(request, lambda: crop_record(the_catalog().crop(number)), 404)


@router.get("/classes", response=public_answers(list[ClassRecord], 422), summary="Classes")
def classes(request: HttpRequest, filters: Filters = FILTERS) -> HttpResponse:
    """All, or those that a crop which passes the filters holds; what is not scored has no kind."""
    return _told(request, lambda: [e.row() for e in list_classes(the_catalog(), filters.wanted())])


@router.get("/classes/{name}", response=public_answers(WholeClass, 404), summary="One class and its crops")
def organelle_class(request: HttpRequest, name: str) -> HttpResponse:
    """`crops` are those in which it is annotated or asked for."""
    return _told(request, lambda: whole_class(describe_class(name, list_crops(the_catalog()))), 404)


@router.get("/hierarchy", response=public_answers(list[BranchRecord]), summary="The classes as a tree")
def hierarchy(request: HttpRequest) -> HttpResponse:
    """What is made of what. A class that belongs to several groups stands below each."""
    return _told(request, lambda: list(map(branch_record, class_tree())))


@router.get("/search", response=public_answers(FoundRecord, 422), summary="Search the catalog")
def search(request: HttpRequest, q: str = WORDS, limit: int = MOST_CROPS) -> HttpResponse:
    """Datasets, crops and classes in whose names and facts all words stand; without a word there are none."""
    found = find(q)
    record = {
        "words": list(found.words),
        "total": found.total,
        "more_crops": max(0, len(found.crops) - limit),
        "datasets": list(map(dataset_record, found.datasets)),
        "crops": list(map(crop_record, found.crops[:limit])),
        "classes": [entry.row() for entry in found.classes],
    }
    return json_answer(request, record, seconds=GOOD_FOR_S)


@router.get(
    "/statistics", response=public_answers(list[StatisticRecord]), summary="The numbers behind the charts"
)
def statistics(request: HttpRequest) -> HttpResponse:
    """All charts of the page of statistics, each with its table."""
    return _told(request, lambda: [statistic_record(count(the_catalog())) for count in STATISTICS.values()])


@router.get(
    "/statistics/{name}", response=public_answers(StatisticRecord, 404), summary="One table of numbers"
)
def statistic(request: HttpRequest, name: str) -> HttpResponse:
    """By the name that the list of statistics gives."""
    if name not in STATISTICS:
        raise HttpError(404, f"there is no such statistic; there are: {', '.join(STATISTICS)}")
    return _told(request, lambda: statistic_record(STATISTICS[name](the_catalog())))


def _told(request: HttpRequest, look: Callable[[], object], status: int = 422) -> HttpResponse:
    """What `look` finds, as the pages' JSON files say it; or why there is none, with `status`."""
    try:
        return json_answer(request, look(), seconds=GOOD_FOR_S)
    except NotFound as error:
        raise HttpError(status, str(error)) from None
    except OrganelleError as error:
        raise HttpError(422, str(error)) from None
