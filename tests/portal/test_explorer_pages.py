"""Datasets, crops and classes as pages and tables, with filters in the address."""

from __future__ import annotations

import csv
import io
import itertools
import re

import pytest
from django.test import Client
from django.utils.html import escape

from organelle.catalog import load_catalog, write_tables
from organelle.catalog.listing import list_crops
from organelle.classes import class_named
from organelle.portal.explorer import collection
from organelle.portal.explorer.hierarchy import class_tree, groups_of, parts_of

pytestmark = pytest.mark.django_db

MOST_BYTES = 300_000


def text_of(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status, address
    return answer.content.decode()


def table(client: Client, address: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(client, address))))


@pytest.fixture
def own_challenge(tmp_path, settings, tiny_challenge):
    """A portal that shows somebody else's tables."""
    write_tables(load_catalog(tiny_challenge), tmp_path / "tables")
    settings.PORTAL = settings.PORTAL.model_copy(update={"catalog": str(tmp_path / "tables")})


@pytest.mark.parametrize(
    "address",
    ["/datasets/", "/datasets/jrc_mus-liver-zon-1/", "/crops/", "/crops/1/", "/classes/", "/classes/mito/",
     "/statistics/", "/search/?q=kidney"],
)  # fmt: skip
def test_a_page_is_light_and_asks_nobody_else(client, address):
    page = text_of(client, address)
    assert len(page.encode()) < MOST_BYTES
    assert not re.search(r'(?:src|srcset|action)="(?:https?:)?//', page)
    assert " style=" not in page
    assert not re.search(r"<script(?! src=)", page)
    levels = [int(n) for n in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), levels


def test_a_dataset_tells_what_is_stated_and_what_is_not(client):
    page = text_of(client, "/datasets/jrc_ut21-1413-003/")
    assert re.search(r"<dt>Organism</dt><dd>not stated</dd>", page)
    assert re.search(r"<dt>Preparation</dt><dd>not stated</dd>", page)
    assert "CC BY 4.0" in page
    assert "10.25378/janelia.c.7456966</a> <span" in page
    assert "csc fetch-data --crops jrc_ut21-1413-003" in page
    assert "(of the collection)" not in text_of(client, "/datasets/jrc_hela-2/")  # has its own


def test_a_dataset_of_others_has_no_licence_that_we_know_of(client, own_challenge):
    name = next(iter(collection.the_catalog().datasets))
    page = text_of(client, f"/datasets/{name}/")
    assert "<dt>Licence</dt><dd>not stated</dd>" in page
    assert "<dt>DOI</dt><dd>not stated</dd>" in page
    assert "Neuroglancer" not in page
    assert f"csc fetch-data --catalog FOLDER --source ADDRESS --crops {name}" in page


def test_every_dataset_crop_and_class_has_a_page(client):
    catalog = collection.the_catalog()
    crops = [next(iter(catalog.train_crops)), next(iter(catalog.test_crops))]
    for address in [
        *(f"/datasets/{name}/" for name in catalog.datasets),
        *(f"/crops/{number}/" for number in crops),
    ]:
        text_of(client, address)


def test_links_of_crops(client):
    catalog = collection.the_catalog()
    training = text_of(client, "/crops/111/")
    assert f"neuroglancer-{catalog.crop(111).dataset}-crop111.json" in training
    test_crop = next(iter(catalog.test_crops.values()))
    link = collection.crop_link(test_crop)
    assert link is not None
    assert escape(link) in text_of(client, f"/crops/{test_crop.id}/")
    assert f"{test_crop.name}" in link
    assert "janelia-cosem-datasets" in link


def test_filters_stand_in_the_address(client):
    rows = table(client, "/crops.csv?organism=mouse&class=mito&coarsest=4&split=train")
    wanted = collection.the_catalog()
    expected = [
        crop.id
        for crop in wanted.train_crops.values()
        if "mito" in crop.classes
        and max(crop.voxel_size_nm) <= 4.0004
        and wanted.dataset(crop.dataset).organism == "mouse"
    ]
    assert expected
    assert [int(row["crop"]) for row in rows] == expected
    page = text_of(client, "/crops/?organism=mouse&class=mito&coarsest=4&split=train")
    assert f"{len(expected)} crops" in page
    assert re.search(r"<option selected>mouse</option>", page)
    assert "/crops.csv?organism=mouse&amp;class=mito&amp;coarsest=4&amp;split=train" in page


def test_pages_of_a_long_list_keep_the_filters_and_hold_every_crop_once(client):
    seen: list[int] = []
    for number in range(1, 8):
        page = text_of(client, f"/crops/?split=train&page={number}")
        seen += map(int, re.findall(r'<th scope="row"><a href="/crops/(\d+)/"', page))
        assert "?split=train&amp;page=" in page
        if 'rel="next"' not in page:
            break
    assert seen == [c.id for c in list_crops(load_catalog()) if not c.is_test]


@pytest.mark.parametrize(
    ("query", "told"),
    [("organism=humn", "human"), ("class=mitu", "mito"), ("coarsest=x", "no voxel size"),
     ("finest=-1", "no voxel size"), ("finest=nan", "no voxel size"), ("split=both", "none"),
     ("dataset=jrc_hela", "jrc_hela-2")],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(client, query, told):
    assert told in text_of(client, f"/crops/?{query}", 400)
    assert told in text_of(client, f"/crops.json?{query}", 400)
    assert told in client.get(f"/crops/?{query}", headers={"HX-Request": "true"}).content.decode()


def test_what_is_typed_is_shown_and_never_run(client):
    evil = '"><script>alert(1)</script>'
    for address in ("/crops/", "/datasets/", "/classes/"):
        page = client.get(address, {"organism": evil, "finest": evil, "class": evil}).content.decode()
        assert "<script>alert" not in page
    assert "<script>alert" not in client.get("/search/", {"q": evil}).content.decode()


def test_unknown_things_are_not_found(client):
    for address in ("/datasets/nothing/", "/crops/999999/", "/classes/mitu/", "/crops/111/thumbnail.png",
                    "/statistics/nothing.csv", "/statistics/nothing/light.svg"):  # fmt: skip
        text_of(client, address, 404)


def test_tables_agree_with_the_command_line(client):
    record = client.get("/datasets.json").json()
    assert len(record) == 22
    assert {"dataset", "organism", "em_doi", "licence", "doi"} <= set(record[0])
    assert len(client.get("/classes.json").json()) == 77
    assert [row["class"] for row in table(client, "/classes.csv?dataset=jrc_mus-heart-1")] == ["nuc"]


def test_the_tree_of_classes_is_that_of_the_members():
    names = {b.organelle.name: b for b in class_tree()}
    assert "cell" in names
    assert "ecs" in names
    for branch in class_tree():
        for part in branch.parts:
            assert part.organelle.implies(branch.organelle)
    assert {p.name for p in parts_of(class_named("er"))} == {"er_lum", "eres", "ne", "er_mem_all"}
    assert {g.name for g in groups_of(class_named("ne_mem"))} == {"er_mem_all", "ne_mem_all"}


@pytest.mark.parametrize(
    ("words", "found", "not_found"),
    [
        ("mitochondrial membrane", "/classes/mito_mem/", "/classes/mito_lum/"),
        ("crop 111", "/crops/111/", "/crops/112/"),
        ("zebrafish", "/datasets/jrc_zf-cardiac-1/", "/datasets/jrc_hela-2/"),
        ("kidney test", "/datasets/jrc_mus-kidney/", "/datasets/jrc_hela-2/"),
    ],
)
def test_search_wants_every_word(client, words, found, not_found):
    page = client.get("/search/", {"q": words}).content.decode()
    assert f'href="{found}"' in page
    assert f'href="{not_found}"' not in page


def test_a_number_finds_no_longer_number(client):
    page = client.get("/search/", {"q": "crop 11"}).content.decode()
    assert 'href="/crops/111/"' not in page


def test_an_anonymous_reader_may_keep_pages_and_ask_whether_they_changed(client, person):
    first = client.get("/datasets/")
    assert first["Cache-Control"] == "public, max-age=300"
    assert "Cookie" in first["Vary"]
    again = client.get("/datasets/", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert not again.content
    client.force_login(person)
    mine = client.get("/datasets/", headers={"If-None-Match": first["ETag"]})
    assert mine.status_code == 200
    assert mine["Cache-Control"] == "private, no-store"
    assert client.get("/crops.csv")["Cache-Control"].startswith("public")  # the same for everybody


def test_what_cannot_be_asked_has_no_list_and_no_files(client):
    html = client.get("/crops/?finest=abc").content.decode()
    assert "is no voxel size" in html
    assert "crops.csv" not in html
    assert "0 crops" not in html


def test_a_crop_tells_the_licence_and_what_one_may_do_next(client):
    catalog = load_catalog()
    test = next(iter(catalog.test_crops))
    html = client.get(f"/crops/{test}/").content.decode()
    assert "CC BY 4.0" in html
    assert f"csc fetch-data --crops {test}" in html
    assert 'href="/#take-part"' in html
