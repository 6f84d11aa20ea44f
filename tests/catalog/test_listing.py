"""Lists of what exists, against the tables read by hand, and the forms for programs."""

from __future__ import annotations

import csv
import io
import json

import pytest

from organelle.catalog import (
    Crop,
    CropFilter,
    describe_class,
    list_classes,
    list_crops,
    list_datasets,
    load_catalog,
)
from organelle.catalog.export import as_csv, as_json
from organelle.catalog.listing import CLASS_KEYS, CROP_KEYS, DATASET_KEYS, crop_row
from organelle.classes import all_classes
from organelle.errors import ClassNotFound, CropNotFound, DatasetNotFound, NotFound, SettingsError

CATALOG = load_catalog()
CROPS = tuple(CATALOG.crops.values())


def ids(crops: tuple[Crop, ...]) -> list[int]:
    return [crop.id for crop in crops]


def test_without_a_filter_everything_is_listed() -> None:
    assert list_crops(CATALOG) == CROPS
    assert [e.dataset.name for e in list_datasets(CATALOG)] == list(CATALOG.datasets)
    assert [e.organelle for e in list_classes(CATALOG)] == list(all_classes())


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (CropFilter(datasets=["jrc_hela-2"]), lambda c: c.dataset == "jrc_hela-2"),
        (CropFilter(classes=["ld", "tbar"]), lambda c: "ld" in c.classes),
        (CropFilter(max_voxel_size_nm=4), lambda c: max(c.voxel_size_nm) <= 4),
        (CropFilter(max_voxel_size_nm=(8, 2, 2)), lambda c: max(c.voxel_size_nm[1:]) <= 2),
        (CropFilter(min_voxel_size_nm=8), lambda c: min(c.voxel_size_nm) >= 8),
        (CropFilter(min_voxel_size_nm=4, max_voxel_size_nm=4), lambda c: c.voxel_size_nm == (4, 4, 4)),
        (CropFilter(organisms=["Monkey"]), lambda c: c.dataset.startswith("jrc_cos7")),
        (CropFilter(split="test"), lambda c: c.is_test),
        (CropFilter(split="train"), lambda c: not c.is_test),
        (CropFilter(crops=[111, "crop113"]), lambda c: c.id in (111, 113)),
        (CropFilter(split="test", classes=["mito"]), lambda c: c.is_test and "mito" in c.classes),
    ],
)
def test_a_filter_lets_through_what_fits_and_nothing_else(wanted: CropFilter, fits) -> None:  # type: ignore[no-untyped-def]
    by_hand = [crop.id for crop in CROPS if fits(crop)]
    assert 0 < len(by_hand) < len(CROPS)
    assert ids(list_crops(CATALOG, wanted)) == by_hand


@pytest.mark.parametrize(
    ("wanted", "error", "told"),
    [
        (CropFilter(classes=["mitos"]), ClassNotFound, "nearest: mito"),
        (CropFilter(datasets=["jrc_hela2"]), DatasetNotFound, "nearest: jrc_hela-2"),
        (CropFilter(crops="999"), CropNotFound, "nearest: 989"),
        (CropFilter(organisms=["mosue"]), NotFound, "nearest: mouse"),
        (CropFilter(organisms=[""]), NotFound, "no organism"),
        (CropFilter(max_voxel_size_nm=0), SettingsError, "above 0"),
        (CropFilter(min_voxel_size_nm=(8, 8)), SettingsError, "above 0"),
        (CropFilter(split="validate"), SettingsError, "train"),  # type: ignore[arg-type]
    ],
)
def test_a_name_that_is_not_known_is_an_error_even_where_other_filters_leave_nothing(
    wanted: CropFilter, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        list_crops(CATALOG, wanted)


def test_filters_that_exclude_each_other_give_an_empty_list() -> None:
    nothing = CropFilter(crops=[111], split="test")
    assert (
        list_crops(CATALOG, nothing)
        == list_datasets(CATALOG, nothing)
        == list_classes(CATALOG, nothing)
        == ()
    )


def test_datasets_are_listed_with_the_crops_that_fit() -> None:
    (entry,) = list_datasets(CATALOG, CropFilter(datasets=["jrc_mus-nacc-1"]))
    assert (len(entry.train_crops), ids(entry.test_crops)) == (1, [561, 982])
    tested = list_datasets(CATALOG, CropFilter(split="test"))
    assert {e.dataset.name for e in tested} == {c.dataset for c in CATALOG.test_crops.values()}
    assert not any(e.train_crops for e in tested)


def test_the_class_filter_chooses_classes_and_the_others_what_is_counted() -> None:
    mito, tbar = list_classes(CATALOG, CropFilter(classes=["tbar", "mito"]))
    assert (mito.organelle.name, tbar.organelle.name) == ("mito", "tbar")
    assert len(mito.train_crops) == sum("mito" in c.classes for c in CATALOG.train_crops.values())
    assert (tbar.train_crops, tbar.kind) == ((), None)
    held = list_classes(CATALOG, CropFilter(classes=["tbar", "mito"], datasets=["jrc_hela-2"]))
    assert [(e.organelle.name, e.datasets) for e in held] == [("mito", ("jrc_hela-2",))]


def test_a_class_implies_the_groups_around_it_and_excludes_what_it_shares_nothing_with() -> None:
    mito = describe_class("mito", ())
    assert (mito.kind, mito.members) == ("instance", ("mito_mem", "mito_lum", "mito_ribo"))
    assert mito.implies == ("cell",)
    assert {"mito", "cell", "mito_mem"}.isdisjoint(mito.excludes)
    assert {"er", "ecs", "pm"} <= set(mito.excludes)
    assert set(describe_class("ne_mem", ()).implies) == {
        "nuc",
        "er",
        "ne",
        "cell",
        "er_mem_all",
        "ne_mem_all",
    }


LISTS = [
    ([crop_row(crop) for crop in list_crops(CATALOG)], CROP_KEYS),
    ([entry.row() for entry in list_datasets(CATALOG)], DATASET_KEYS),
    ([entry.row() for entry in list_classes(CATALOG)], CLASS_KEYS),
]


@pytest.mark.parametrize(("rows", "keys"), LISTS, ids=["crops", "datasets", "classes"])
def test_rows_come_back_from_json_and_csv(rows: list[dict[str, object]], keys: tuple[str, ...]) -> None:
    assert json.loads(as_json(rows)) == rows
    table = csv.DictReader(io.StringIO(as_csv(rows, keys)))
    assert tuple(table.fieldnames or ()) == keys == tuple(rows[0])
    for row, cells in zip(rows, table, strict=True):
        for key, value in row.items():
            assert read_back(cells[key], value) == value, key


def read_back(cell: str, like: object) -> object:
    """A CSV cell as a value of the kind of `like`."""
    if isinstance(like, list):
        return [read_back(word, one) for word, one in zip(cell.split(), like, strict=True)]
    return None if like is None and cell == "" else type(like)(cell)  # type: ignore[call-arg]


def test_empty_lists_still_have_their_form() -> None:
    assert as_json([]) == "[]\n"
    assert as_csv([], CROP_KEYS) == ",".join(CROP_KEYS) + "\n"


def test_places_and_sizes_of_a_row_are_those_of_the_table() -> None:
    row = crop_row(CATALOG.crop(111))
    assert (row["voxel_size_nm"], row["shape"]) == ([1.62, 2.0, 2.0], [1000, 500, 1000])
    assert (row["extent_um"], row["volume_um3"], row["voxels"]) == ([1.62, 1.0, 2.0], 3.24, 500_000_000)
