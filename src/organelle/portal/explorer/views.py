"""Pages and files of the explorer. Everybody may see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from organelle.catalog import ClassEntry, Crop, describe_class, list_classes, list_crops
from organelle.catalog.listing import CLASS_KEYS, CROP_KEYS, DATASET_KEYS, Row
from organelle.classes import Kind, all_classes
from organelle.errors import NotFound, OrganelleError
from organelle.portal.explorer import collection
from organelle.portal.explorer.answers import csv_answer, file_answer, json_answer, kept
from organelle.portal.explorer.asked import Asked
from organelle.portal.explorer.charts import chart_of
from organelle.portal.explorer.drawing import THEMES
from organelle.portal.explorer.drawing import render as render_chart
from organelle.portal.explorer.hierarchy import class_tree, groups_of, parts_of
from organelle.portal.explorer.searching import search as find
from organelle.portal.explorer.statistics import STATISTICS, Statistic
from organelle.portal.explorer.thumbnails import thumbnail_of

GOOD_FOR_S = 300
PER_PAGE = 50
PER_SEARCH = 30
"""Crops that a search lists."""

TABLE_KEYS = {
    "datasets": (*DATASET_KEYS, *collection.DATASET_EXTRA),
    "crops": (*CROP_KEYS, "neuroglancer"),
    "classes": CLASS_KEYS,
}


@require_safe
@kept(GOOD_FOR_S)
def datasets(request: HttpRequest) -> HttpResponse:
    """All datasets, or those with a crop that passes the filters."""
    return _list(request, "datasets", collection.list_facts)


@require_safe
@kept(GOOD_FOR_S)
def dataset(request: HttpRequest, name: str) -> HttpResponse:
    """Everything about one dataset, and its crops."""
    facts = _or_404(lambda: collection.facts_of(name))
    crops = (*facts.entry.train_crops, *facts.entry.test_crops)
    pictured = [crop for crop in crops if thumbnail_of(crop)][:6]
    page = {
        "facts": facts,
        "crops": list(map(_crop_line, crops)),
        "pictured": pictured,
        "is_public": collection.is_public(name),
        "fetch": collection.fetch_line(name, name),
    }
    return render(request, "explorer/dataset.html", page)


@require_safe
@kept(GOOD_FOR_S)
def crops(request: HttpRequest) -> HttpResponse:
    """The crops that pass the filters, page by page."""
    return _list(
        request, "crops", lambda wanted: tuple(map(_crop_line, list_crops(collection.the_catalog(), wanted)))
    )


@require_safe
@kept(GOOD_FOR_S)
def crop(request: HttpRequest, number: int) -> HttpResponse:
    """Everything about one crop."""
    found = _or_404(lambda: collection.the_catalog().crop(number))
    page = _crop_line(found) | {
        "is_public": collection.is_public(found.dataset),
        "about": collection.the_catalog().dataset(found.dataset),
        "facts": collection.facts_of(found.dataset),
        "row": collection.crop_facts(found),
        "classes": [describe_class(name, ()) for name in found.classes],
        "fetch": collection.fetch_line(str(found.id), found.dataset),
    }
    return render(request, "explorer/crop.html", page)


@require_safe
def thumbnail(request: HttpRequest, number: int) -> HttpResponse:
    """The picture of a crop."""
    path = thumbnail_of(_or_404(lambda: collection.the_catalog().crop(number)))
    if path is None:
        raise Http404(f"no picture of crop {number} was made")
    return file_answer(request, path.read_bytes(), "image/png", seconds=GOOD_FOR_S)


@require_safe
@kept(GOOD_FOR_S)
def classes(request: HttpRequest) -> HttpResponse:
    """The classes as a tree, and as a table with the crops that hold them."""
    return _list(
        request,
        "classes",
        lambda wanted: list_classes(collection.the_catalog(), wanted),
        tree=class_tree(),
    )


@require_safe
@kept(GOOD_FOR_S)
def organelle_class(request: HttpRequest, name: str) -> HttpResponse:
    """Everything about one class."""
    entry = _or_404(lambda: describe_class(name, collection.the_catalog().crops.values()))
    return render(request, "explorer/class.html", _class_page(entry))


def _class_page(entry: ClassEntry) -> dict[str, Any]:
    train, test = (Counter(c.dataset for c in crops) for crops in (entry.train_crops, entry.test_crops))
    return {
        "entry": entry,
        "groups": groups_of(entry.organelle),
        "parts": parts_of(entry.organelle),
        "is_instance": entry.organelle.scored_as is Kind.INSTANCE,
        "held": [(name, train[name], test[name]) for name in {**train, **test}],
    }


@require_safe
@kept(GOOD_FOR_S)
def statistics(request: HttpRequest) -> HttpResponse:
    """All charts, each with its table."""
    found = [count(collection.the_catalog()) for count in STATISTICS.values()]
    return render(request, "explorer/statistics.html", {"statistics": found})


@require_safe
def statistic_chart(request: HttpRequest, name: str, theme: str) -> HttpResponse:
    """A chart as SVG."""
    statistic = _statistic(name)
    if theme not in THEMES:
        raise Http404(f"no theme {theme}")
    svg = render_chart(chart_of(statistic, theme), theme)
    return file_answer(request, svg, "image/svg+xml", seconds=GOOD_FOR_S)


@require_safe
def statistic_table(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """The table of a chart as CSV or JSON."""
    statistic = _statistic(name)
    return _table(request, kind, name, statistic.keys, statistic.rows)


@require_safe
def table(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """Datasets, crops or classes that pass the filters of the address, as CSV or JSON."""
    catalog = collection.the_catalog()
    try:
        wanted = Asked.read(request.GET).filter()
        rows: dict[str, Callable[[], list[Row]]] = {
            "datasets": lambda: [facts.row() for facts in collection.list_facts(wanted)],
            "crops": lambda: list(map(collection.crop_facts, list_crops(catalog, wanted))),
            "classes": lambda: [entry.row() for entry in list_classes(catalog, wanted)],
        }
        return _table(request, kind, name, TABLE_KEYS[name], rows[name]())
    except OrganelleError as error:
        return HttpResponse(f"{error}\n", status=400, content_type="text/plain; charset=utf-8")


@require_safe
@kept(GOOD_FOR_S)
def search(request: HttpRequest) -> HttpResponse:
    """Datasets, crops and classes by words."""
    text = request.GET.get("q", "").strip()[:100]
    found = find(text)
    page = {
        "q": text,
        "found": found,
        "crops": list(map(_crop_line, found.crops[:PER_SEARCH])),
        "more_crops": max(0, len(found.crops) - PER_SEARCH),
    }
    return render(request, "explorer/search.html", page)


def _list(request: HttpRequest, name: str, find: Callable[[Any], Sequence[Any]], **more: Any) -> HttpResponse:
    """A page with filters; what cannot be asked for is said in it, with status 400."""
    asked = Asked.read(request.GET)
    try:
        found, trouble = find(asked.filter()), ""
    except OrganelleError as error:
        found, trouble = (), str(error)
    per_page = PER_PAGE if name == "crops" else max(1, len(found))
    page = Paginator(found, per_page).get_page(request.GET.get("page"))
    query = urlencode({key: value for key, value in request.GET.items() if key != "page" and value})
    values = {
        "asked": asked,
        "trouble": trouble,
        "page": page,
        "query": query,
        "organisms": collection.organisms(),
        "dataset_names": collection.the_catalog().datasets,
        "class_names": [c.name for c in all_classes()],
        **more,
    }
    # a script puts only answers without fault into the page
    status = 400 if trouble and not request.htmx else 200
    response: HttpResponse = render(request, f"explorer/{name}.html", values, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _crop_line(crop: Crop) -> dict[str, Any]:
    """What a line about a crop says."""
    return {
        "crop": crop,
        "voxel_size": collection.sizes_text(crop.voxel_size_nm, "nm"),
        "shape": collection.sizes_text(crop.grid.shape),
        "size": collection.crop_size(crop),
        "link": collection.crop_link(crop),
        "has_picture": thumbnail_of(crop) is not None,
    }


def _statistic(name: str) -> Statistic:
    if name not in STATISTICS:
        raise Http404(f"no statistic {name}; there are: {', '.join(STATISTICS)}")
    return STATISTICS[name](collection.the_catalog())


def _table(
    request: HttpRequest, kind: str, name: str, keys: Sequence[str], rows: Sequence[Row]
) -> HttpResponse:
    if kind == "json":
        return json_answer(request, [{key: row.get(key) for key in keys} for row in rows], seconds=GOOD_FOR_S)
    return csv_answer(request, keys, rows, name, seconds=GOOD_FOR_S)


def _or_404(find: Callable[[], Any]) -> Any:
    try:
        return find()
    except NotFound as error:
        raise Http404(str(error)) from None
