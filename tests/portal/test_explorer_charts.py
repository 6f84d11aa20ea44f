"""Charts drawn on the server, the tables behind them, and pictures of crops."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from organelle.catalog import load_catalog
from organelle.errors import SettingsError
from organelle.portal.explorer.charts import CHARTS, chart_of
from organelle.portal.explorer.drawing import INK, render
from organelle.portal.explorer.statistics import STATISTICS, crops_per_class, crops_per_dataset
from organelle.portal.explorer.thumbnails import make_thumbnails, thumbnail_folder
from organelle.portal.folder import PortalFolder

CATALOG = load_catalog()
CSC = str(Path(sys.executable).with_name("csc"))


def test_every_statistic_has_a_chart():
    assert list(CHARTS)
    assert set(CHARTS) == set(STATISTICS)


@pytest.mark.parametrize("name", STATISTICS)
def test_a_chart_is_an_svg_that_needs_nothing_else(client, db, name):
    dark = client.get(f"/statistics/{name}/dark.svg")
    assert dark["Content-Type"] == "image/svg+xml"
    assert dark["ETag"]
    picture = ElementTree.fromstring(dark.content)
    assert picture.tag.endswith("svg")
    text = dark.content.decode()
    assert INK["dark"] in text
    assert INK["light"] not in text
    assert not re.search(r"<script|<image|href=|url\((?!#)", text)


def test_a_chart_shows_every_row():
    statistic = crops_per_dataset(CATALOG)
    svg = render(chart_of(statistic, "light"), "light").decode()
    assert all(str(row["dataset"]) in svg for row in statistic.rows)
    assert svg == render(chart_of(statistic, "light"), "light").decode()


def test_axes_that_count_have_whole_steps(tiny_challenge):
    catalog = load_catalog(tiny_challenge)
    for name in ("crops-per-class", "crops-per-dataset", "classes-by-dataset"):
        svg = render(chart_of(STATISTICS[name](catalog), "light"), "light").decode()
        assert not re.search(r">\d+\.\d+</text>", svg), name


def test_tables_count_what_the_catalog_holds(client, db):
    text = client.get("/statistics/crops-per-class.csv").content.decode()
    rows = {row["class"]: row for row in csv.DictReader(io.StringIO(text))}
    held = sum("mito" in crop.classes for crop in CATALOG.train_crops.values())
    assert int(rows["mito"]["training crops"]) == held
    grid = {row["class"]: row for row in client.get("/statistics/classes-by-dataset.json").json()}
    assert sum(n for n in grid["mito"].values() if isinstance(n, int)) == held
    assert f"Most training: {crops_per_class(CATALOG).rows[0]['class']}" in crops_per_class(CATALOG).told


def test_the_page_holds_each_chart_in_light_and_dark_with_its_table(client, db):
    page = client.get("/statistics/").content.decode()
    for name in STATISTICS:
        assert f'srcset="/statistics/{name}/dark.svg"' in page
        alt = re.search(rf'src="/statistics/{name}/light.svg" alt="([^"]+)"', page)
        assert alt is not None
        assert len(alt.group(1)) > 30
        assert f'href="/statistics/{name}.csv"' in page
    assert page.count("<table") == len(STATISTICS)


def test_a_catalog_without_a_crop_has_empty_statistics():
    from organelle.catalog import Catalog

    empty = Catalog("empty", {}, {}, {})
    for count in STATISTICS.values():
        statistic = count(empty)
        assert statistic.rows == ()
        assert statistic.told
        render(chart_of(statistic, "light"), "light")


@pytest.fixture
def pictures(tmp_path, settings, tiny_challenge):
    """A portal with pictures of a synthetic challenge."""
    settings.FOLDER = PortalFolder(tmp_path)
    settings.PORTAL = settings.PORTAL.model_copy(update={"catalog": str(tiny_challenge)})
    folder = thumbnail_folder(settings.FOLDER)
    return make_thumbnails(load_catalog(tiny_challenge), tiny_challenge / "bucket", folder)


def test_pictures_are_drawn_of_local_volumes_and_served(client, db, pictures, tiny_challenge):
    catalog = load_catalog(tiny_challenge)
    assert {p.stem for p in pictures} == {crop.name for crop in catalog.crops.values()}
    number = next(iter(catalog.train_crops))
    assert f'src="/crops/{number}/thumbnail.png"' in client.get(f"/crops/{number}/").content.decode()
    assert f'src="/crops/{number}/thumbnail.png"' in client.get("/datasets/").content.decode()
    answer = client.get(f"/crops/{number}/thumbnail.png")
    assert answer["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    again = make_thumbnails(catalog, tiny_challenge / "bucket", pictures[0].parent)
    assert again == ()  # what is there stays


def test_no_picture_is_fetched(tmp_path, tiny_challenge):
    catalog = load_catalog(tiny_challenge)
    with pytest.raises(SettingsError, match="address"):
        make_thumbnails(catalog, "http://volumes.example/bucket", tmp_path)
    name = next(iter(catalog.datasets))
    link = tmp_path / "data" / name / f"{name}.zarr" / "recon-1" / "em" / "fibsem-uint8.link"
    link.parent.mkdir(parents=True)
    link.write_text("http://volumes.example/em")
    assert make_thumbnails(catalog, tmp_path / "data", tmp_path / "pictures") == ()


def test_an_organiser_draws_pictures_from_the_command_line(portal_of_its_own, tiny_challenge):
    folder = portal_of_its_own.root
    environment = os.environ | {"CSC_PORTAL_CATALOG": str(tiny_challenge)}
    run = [CSC, "portal", "thumbnails", "--volumes", str(tiny_challenge / "bucket"), "--data", str(folder)]
    first, again = (
        subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    drawn = len(list(thumbnail_folder(PortalFolder(folder)).glob("crop*.png")))
    assert f"{drawn} pictures drawn" in first
    assert drawn == len(load_catalog(tiny_challenge).crops)
    assert "nothing new" in again
