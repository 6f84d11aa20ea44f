"""Tables of splits as they come: from other machines, other systems, and the public bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from organelle.catalog import (
    PUBLIC_S3,
    Catalog,
    Crop,
    Dataset,
    labels_folder,
    load_catalog,
    make_datasplit,
    missing_stores,
    read_datasplit,
    split_place,
    write_datasplit,
)
from organelle.errors import CatalogError, FileMissing, SettingsError
from organelle.geometry import Grid
from organelle.stores import as_place


@pytest.fixture
def two() -> Catalog:
    """Two crops of one dataset, far apart."""
    crops = {
        n: Crop(n, "d1", Grid((8.0,) * 3, (500.0 * n, 0.0, 0.0), (10,) * 3), ("mito", "er")) for n in (1, 2)
    }
    test = Crop(3, "d1", Grid((8.0,) * 3, (5000.0, 0.0, 0.0), (10,) * 3), ("mito",), is_test=True)
    return Catalog("drawn", {"d1": Dataset("d1"), "d2": Dataset("d2")}, crops, {3: test})


def test_a_table_of_windows_with_a_byte_order_mark_reads_the_same(two: Catalog, tmp_path: Path) -> None:
    split = make_datasplit(two)
    table = write_datasplit(split, "/data", tmp_path / "a.csv")
    other = tmp_path / "b.csv"
    text = table.read_text().replace("/", "\\").replace("\n", "\r\n")
    other.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert read_datasplit(other, two) == split


def test_stores_that_are_gone_do_not_matter_and_are_named_with_their_lines(
    two: Catalog, tmp_path: Path
) -> None:
    (tmp_path / "here.zarr").mkdir()
    table = tmp_path / "old.csv"
    table.write_text(
        f'train,/gone/d1.zarr,em,{tmp_path}/here.zarr,"labels/crop1/[er]"\n'
        'validate,/gone/d1.zarr,em,s3://bucket/d1.zarr,"labels/crop2/[er]"\n'
    )
    split = read_datasplit(table, two)
    assert ([c.id for c in split.train], [c.id for c in split.validate]) == ([1], [2])
    assert missing_stores(table, two) == {"/gone/d1.zarr": (1, 2)}


def test_the_public_bucket_is_named_as_people_write_it(tmp_path: Path) -> None:
    challenge = load_catalog()
    split = make_datasplit(challenge, classes=["mito"], crops=[111, 113])
    table = write_datasplit(split, PUBLIC_S3, tmp_path / "s3.csv")
    store = "s3://janelia-cosem-datasets/jrc_hela-3/jrc_hela-3.zarr"
    em, labels = "recon-1/em/fibsem-uint8", "recon-1/labels/groundtruth/crop111/[mito]"
    row = next(row for row in table.read_text().splitlines() if "/crop111/" in row)
    assert row.partition(",")[2] == f'"{store}","{em}","{store}","{labels}"'
    assert read_datasplit(table, challenge) == split
    assert missing_stores(table, challenge) == {}


def test_datasets_of_others_are_not_in_the_public_bucket(two: Catalog, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not hold d1"):
        write_datasplit(make_datasplit(two), PUBLIC_S3, tmp_path / "s3.csv")
    assert not list(tmp_path.iterdir())
    table = write_datasplit(make_datasplit(two), "https://localhost/bucket/", tmp_path / "own.csv")
    assert '"https://localhost/bucket/d1/d1.zarr"' in table.read_text()


def labelled(root: Path, catalog: Catalog, *numbers: int) -> Path:
    """A folder that has the groups of labels of these crops."""
    for number in numbers:
        labels_folder(root, catalog.crop(number)).mkdir(parents=True)
    return root


def test_volumes_are_read_below_the_data_folder_or_where_the_table_says(two: Catalog, tmp_path: Path) -> None:
    here, there = labelled(tmp_path / "here", two, 1, 2), labelled(tmp_path / "there", two, 1, 2)
    table = write_datasplit(make_datasplit(two), there, tmp_path / "a.csv")
    assert split_place(table, two, here) == here
    assert split_place(table, two, tmp_path / "nowhere") == there
    assert split_place(table, two, "s3://drawn/x") == as_place("s3://drawn/x")
    for address in (
        "s3://drawn/x?endpoint=http://localhost:9&region=eu-west-1",
        "s3://drawn",
        "http://localhost:9/x",
    ):
        table = write_datasplit(make_datasplit(two), address, tmp_path / "b.csv", overwrite=True)
        assert split_place(table, two, tmp_path / "nowhere") == as_place(address)
        assert split_place(table, two, here) == here
        assert read_datasplit(table, two) == make_datasplit(two)


def test_volumes_that_are_nowhere_are_listed_row_by_row(two: Catalog, tmp_path: Path) -> None:
    there = labelled(tmp_path / "there", two, 1, 2)
    table = write_datasplit(make_datasplit(two), there, tmp_path / "a.csv")
    labels_folder(there, two.crop(2)).rmdir()
    with pytest.raises(FileMissing, match="the volumes of 2 of its 2 rows are not here") as told:
        split_place(table, two, tmp_path / "nowhere")
    assert '"csc fetch-data --crops 1,2 --dest' in str(told.value)
    assert "a.csv, line 2: crop" in str(told.value)
    # A folder with some of the crops is taken at its word: the others are missing, wherever rows point.
    with pytest.raises(FileMissing, match=r"1 of its 2 rows .*\n.*crop 2 is not below .*there") as told:
        split_place(table, two, there)
    assert "which does not exist" not in str(told.value)
    rows = table.read_text().replace(str(there), "/gone")
    table.write_text(rows)
    with pytest.raises(FileMissing, match=r"the row names /gone/d1/d1\.zarr, which does not exist"):
        split_place(table, two, tmp_path / "nowhere")


def test_rows_that_name_several_places_or_no_layout_are_no_place(two: Catalog, tmp_path: Path) -> None:
    labels = "recon-1/labels/groundtruth/crop{}/[er]"
    table = tmp_path / "mixed.csv"
    for stores in (
        ("s3://a/d1/d1.zarr", "s3://b/d1/d1.zarr"),
        ("gs://a/d1/d1.zarr",) * 2,
        ("s3://a/d1.zarr",) * 2,
    ):
        table.write_text("".join(f'train,{s},em,{s},"{labels.format(n)}"\n' for n, s in enumerate(stores, 1)))
        with pytest.raises(FileMissing, match="by --data"):
            split_place(table, two, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        ("train,a,b,c,crop1/[er]\n".encode("utf-16"), "not a CSV table in UTF-8"),
        (b"train;a;b;c;crop1/[er]\n", "1 columns, expected 5 with commas between"),
        (
            b"train,a,b,c,crop1/[er,mito]\n",
            "6 columns, expected 5 with commas between and the last in quotes",
        ),
        (b"train,a,b,c,crop3/[er]\n", "crop 3 is a test crop"),
        (b"train,a,b,x/d2/d2.zarr,crop1/[er]\n", "crop 1 is of d1, but its labels are said to be in x/d2"),
    ],
)
def test_what_is_no_table_is_explained(two: Catalog, tmp_path: Path, content: bytes, message: str) -> None:
    table = tmp_path / "bad.csv"
    table.write_bytes(content)
    with pytest.raises(CatalogError) as told:
        read_datasplit(table, two)
    assert message in str(told.value)
    assert str(table) in str(told.value)


def test_of_thousands_of_strange_rows_the_first_are_told(two: Catalog, tmp_path: Path) -> None:
    table = tmp_path / "long.csv"
    table.write_text("no table\n" * 3000)
    with pytest.raises(CatalogError) as told:
        read_datasplit(table, two)
    assert len(str(told.value).splitlines()) == 51
    assert str(told.value).endswith("and 2950 more problems")
