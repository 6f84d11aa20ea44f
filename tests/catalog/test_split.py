from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.catalog import (
    Catalog,
    Crop,
    Dataset,
    crop_groups,
    load_catalog,
    make_datasplit,
    read_datasplit,
    write_datasplit,
)
from organelle.errors import (
    CatalogError,
    ClassNotFound,
    CropNotFound,
    DatasetNotFound,
    FileMissing,
    OutputExists,
    SettingsError,
)
from organelle.geometry import Grid


def crop(number: int, z: float, classes: str = "mito er", dataset: str = "d1", size: float = 8.0) -> Crop:
    grid = Grid((size, size, size), (z, 0.0, 0.0), (10, 10, 10))
    return Crop(number, dataset, grid, tuple(classes.split()))


def catalog_of(*crops: Crop, test: tuple[Crop, ...] = ()) -> Catalog:
    datasets = {c.dataset: Dataset(c.dataset) for c in (*crops, *test)}
    return Catalog("drawn", datasets, {c.id: c for c in crops}, {c.id: c for c in test})


def ids(crops: tuple[Crop, ...]) -> list[int]:
    return [c.id for c in crops]


def test_crops_hang_together_through_chains_but_not_across_datasets() -> None:
    chain = [crop(1, 0), crop(2, 150), crop(3, 75), crop(4, 300), crop(5, 0, dataset="d2")]
    groups = {tuple(sorted(c.id for c in group)) for group in crop_groups(chain)}
    assert groups == {(1, 2, 3), (4,), (5,)}


def test_crops_that_only_touch_are_apart() -> None:
    assert len(crop_groups([crop(1, 0), crop(2, 80)])) == 2


def test_the_challenge_has_40_overlapping_pairs_of_training_crops() -> None:
    crops = list(load_catalog().train_crops.values())
    pairs = {
        (a.id, b.id)
        for i, a in enumerate(crops)
        for b in crops[i + 1 :]
        if a.dataset == b.dataset and a.extent.overlaps(b.extent)
    }
    assert len(pairs) == 40
    assert {(173, 185), (101, 181), (126, 180), (171, 416), (240, 291)} <= pairs


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.25, 0.5]))
def test_no_volume_stands_on_both_sides_of_any_split_of_the_challenge(seed: int, ratio: float) -> None:
    split = make_datasplit(load_catalog(), validate_ratio=ratio, seed=seed)
    assert split.leaks == ()
    assert sorted(ids(split.train) + ids(split.validate)) == sorted(load_catalog().train_crops)
    assert abs(len(split.validate) - ratio * 289) <= 6
    assert ids(split.near_test) == [79, 179]


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    catalog = load_catalog()
    assert make_datasplit(catalog, seed=3) == make_datasplit(catalog, seed=3)
    assert make_datasplit(catalog, seed=3) != make_datasplit(catalog, seed=4)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=2, max_size=8),
    st.integers(0, 99),
    st.floats(0.01, 0.99),
)
def test_each_side_gets_a_group_wherever_there_are_two(places: list[int], seed: int, ratio: float) -> None:
    catalog = catalog_of(*(crop(n, 50.0 * z) for n, z in enumerate(places)))
    split = make_datasplit(catalog, validate_ratio=ratio, seed=seed)
    assert split.leaks == ()
    if len(crop_groups(catalog.train_crops.values())) > 1:
        assert split.train
        assert split.validate
    else:
        assert not split.validate


def test_of_two_groups_one_goes_to_each_side(shared: Path) -> None:
    sample = load_catalog(shared / "sample")
    for seed in range(5):
        split = make_datasplit(sample, datasets=["vnc-larva"], seed=seed)
        assert sorted(ids(split.train) + ids(split.validate)) == [911, 912]
        assert len(split.train) == len(split.validate) == 1


def test_nothing_is_held_out_at_ratio_0() -> None:
    assert make_datasplit(catalog_of(crop(1, 0), crop(2, 500)), validate_ratio=0).validate == ()


def test_filters_keep_what_fits() -> None:
    catalog = catalog_of(
        crop(1, 0, "mito"),
        crop(2, 500, "er"),
        crop(3, 0, "mito er", dataset="d2", size=2.0),
        crop(4, 500, "mito er", dataset="d2", size=8.00001),
    )

    def kept(**filters: object) -> list[int]:
        split = make_datasplit(catalog, validate_ratio=0, **filters)  # type: ignore[arg-type]
        return ids(split.train)

    assert kept(classes=["mito"]) == [1, 3, 4]
    assert kept(classes=["er", "mito"]) == [1, 2, 3, 4]
    assert kept(classes=["er", "mito"], force_all_classes="both") == [3, 4]
    assert kept(datasets=["d1"]) == [1, 2]
    assert kept(crops="2,3") == [2, 3]
    assert kept(max_voxel_size_nm=(8, 8, 8)) == [1, 2, 3, 4]
    assert kept(max_voxel_size_nm=(8, 4, 8)) == [3]


def test_forcing_all_classes_on_one_side_sends_the_rest_to_the_other() -> None:
    crops = [crop(n, 500.0 * n, "mito er" if n % 2 else "mito") for n in range(8)]
    for seed in range(5):
        train = make_datasplit(
            catalog_of(*crops), classes=["mito", "er"], seed=seed, force_all_classes="train"
        )
        assert all(c.id % 2 for c in train.train)
        assert len(train.train) == 4
        held = make_datasplit(
            catalog_of(*crops), classes=["mito", "er"], seed=seed, force_all_classes="validate"
        )
        assert all(c.id % 2 for c in held.validate)
        assert len(held.validate) == 1
    with pytest.raises(CropNotFound, match="annotates all of"):
        make_datasplit(catalog_of(*crops), classes=["mito", "ld"], force_all_classes="train")


def test_crops_near_test_crops_are_mentioned() -> None:
    tests = (Crop(9, "d1", Grid((8.0, 8.0, 8.0), (40.0, 0.0, 0.0), (5, 5, 5)), ("er",), True),)
    split = make_datasplit(catalog_of(crop(1, 0), crop(2, 500), test=tests), validate_ratio=0)
    assert ids(split.near_test) == [1]


def test_bad_input_is_explained() -> None:
    catalog = catalog_of(crop(1, 0))
    with pytest.raises(SettingsError, match="below 1, not 1"):
        make_datasplit(catalog, validate_ratio=1)
    with pytest.raises(ClassNotFound, match="nearest: mito"):
        make_datasplit(catalog, classes=["mitto"])
    with pytest.raises(CropNotFound, match="no training crop of drawn fits"):
        make_datasplit(catalog, classes=["ld"])
    with pytest.raises(DatasetNotFound, match="nearest: d1"):
        make_datasplit(catalog, datasets=["d11"])


def test_the_table_has_the_known_form_and_reads_back(tmp_path: Path) -> None:
    catalog = catalog_of(crop(1, 0, "pm mito er"), crop(2, 500, "er"))
    split = make_datasplit(catalog, classes=["er", "mito"])
    path = write_datasplit(split, "/data", tmp_path / "datasplit.csv")
    sides = {c.id: "train" for c in split.train} | {c.id: "validate" for c in split.validate}
    store = "/data/d1/d1.zarr"
    expected = {
        f'"{sides[n]}","{store}","recon-1/em/fibsem-uint8","{store}","recon-1/labels/groundtruth/crop{n}/[{names}]"'
        for n, names in ((1, "mito,er"), (2, "er"))
    }
    assert set(path.read_text().splitlines()) == expected
    assert read_datasplit(path, catalog) == split
    with pytest.raises(OutputExists):
        write_datasplit(split, "/data", path)


def test_tables_of_others_are_understood(tmp_path: Path) -> None:
    catalog = catalog_of(crop(1, 0), crop(2, 500))
    path = tmp_path / "old.csv"
    path.write_text(
        "train,s3://b/d1/d1.zarr,recon-1/em/fibsem-uint8,s3://b/d1/d1.zarr,recon-1/labels/groundtruth/crop1/mito\n"
        "train,s3://b/d1/d1.zarr,recon-1/em/fibsem-uint8,s3://b/d1/d1.zarr,recon-1/labels/groundtruth/crop1/er\n"
        "\n"
        'validate,x,y,z,"groundtruth/crop2/[mito, er]"\n'
    )
    split = read_datasplit(path, catalog)
    assert (ids(split.train), ids(split.validate), split.classes) == ([1], [2], ("mito", "er"))


def test_a_split_that_leaks_is_read_and_says_so(tmp_path: Path) -> None:
    catalog = catalog_of(crop(1, 0), crop(2, 40))
    path = tmp_path / "leaky.csv"
    path.write_text('train,a,b,c,"crop1/[er]"\nvalidate,a,b,c,"crop2/[er]"\n')
    assert read_datasplit(path, catalog).leaks == ((catalog.crop(1), catalog.crop(2)),)


def test_rows_that_cannot_be_understood_come_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(
        "train,a,b,c\n"
        'test,a,b,c,"crop1/[er]"\n'
        'train,a,b,c,"crop77/[er]"\n'
        'train,a,b,c,"crop1/[erx]"\n'
        'train,a,b,c,"crop1/[]"\n'
        'train,a,b,c,"elsewhere"\n'
        'train,a,b,c,"crop1/[er]"\n'
        'validate,a,b,c,"crop1/[er]"\n'
    )
    with pytest.raises(CatalogError) as caught:
        read_datasplit(path, catalog_of(crop(1, 0)))
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[2][:20] for line in lines] == [
        "4 columns, expected ",
        "usage 'test' is neit",
        "crop 77 is not in th",
        "'erx' is not an orga",
        "label path 'crop1/[]",
        "label path 'elsewher",
        "crop 1 stands on bot",
    ]
    assert "line 3" in lines[2]
    with pytest.raises(FileMissing, match="make-datasplit"):
        read_datasplit(tmp_path / "none.csv", catalog_of(crop(1, 0)))


def test_crops_per_class_counts_both_sides() -> None:
    catalog = catalog_of(crop(1, 0, "mito"), crop(2, 500, "mito er"))
    split = make_datasplit(catalog)
    assert split.classes == ("mito", "er")
    assert {sum(sides) for sides in split.crops_per_class().values()} == {1, 2}
    assert split.crops_per_class()["mito"] == (1, 1)
