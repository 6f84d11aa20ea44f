from __future__ import annotations

import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from small_challenge import GRIDS, cubes

from organelle.catalog import em_path
from organelle.classes import Kind
from organelle.errors import FileMissing, OutputExists
from organelle.evaluate import PlannedRow, open_truth, write_report
from organelle.evaluate.slices import GREY, draw_planes, open_em
from organelle.geometry import Grid
from organelle.submission import open_submission
from organelle.volumes import write_multiscale

VOID = {"meta", "img"}


class Outline(HTMLParser):
    """Collects images and text, and insists that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def add_em(challenge, voxel_size_nm=(4.0, 4.0, 4.0)):
    """EM whose grey value is its z index, over the extent of crop 11."""
    grid = Grid.covering(GRIDS[11].extent, voxel_size_nm)
    ramp = np.arange(grid.shape[0], dtype=np.uint8)[:, None, None]
    data = challenge.root / "data"
    em = np.broadcast_to(ramp, grid.shape).copy()
    write_multiscale(em_path(data, "fly"), em, grid, kind=Kind.IMAGE)
    return data


def report(challenge, **options):
    path = challenge.root / "report.html"
    options = {"data": None, "baselines": None, "workers": 0, **options}
    write_report(
        challenge.evaluate(), path, catalog=challenge.catalog, truth=challenge.truth,
        submission=challenge.submission, overwrite=True, **options,
    )  # fmt: skip
    return path.read_text()


def test_the_page_needs_nothing_else_and_every_picture_is_described(challenge):
    text = report(challenge, data=add_em(challenge), title="Fly <1>")
    assert not re.search(r"<script|<link|url\(|src=.(?!data:)", text)
    assert "prefers-color-scheme: dark" in text
    page = Outline(text)
    assert len(page.images) == 3 * 3 * 3
    assert all(i["alt"] and i["src"].startswith("data:image/png;base64,") for i in page.images)
    assert "Fly <1>" in page.text
    assert "20 × 24 × 28 voxels" in page.text


def spoil(challenge):
    """Crop 11: the first mito is missed, a bar of er is invented."""
    mito, er = cubes(GRIDS[11].shape), (cubes(GRIDS[11].shape) > 0).astype(np.uint8)
    mito[mito == 1] = 0
    er[0] = 1
    for name, array in (("mito", mito), ("er", er)):
        shutil.rmtree(challenge.submission / "crop11" / name)
        challenge.hand_in(11, name, array)


def test_every_point_lost_is_explained_with_place_pictures_and_a_link(challenge):
    spoil(challenge)
    text = report(challenge, data=add_em(challenge))
    page = Outline(text)
    assert len(page.images) == 3 * 3 * 3 + 2 * 3 * 3
    assert "An object of mito is not in the prediction." in page.text
    assert "The prediction has er where there is none." in page.text
    assert "828, 1628, 2428 nm" in page.text  # voxel 3, 3, 3 is in the middle of the missed cube
    assert "125 voxels, 64,000 nm³" in page.text
    assert set(re.findall(r'href="(https?://[^/"]*)', text)) == {"https://neuroglancer-demo.appspot.com"}
    record = json.loads((challenge.root / "report_faults.json").read_text())
    assert [cost["class"] for cost in record["costliest"]] == ["er", "mito"]


def test_a_perfect_submission_has_nothing_to_explain(challenge):
    text = Outline(report(challenge)).text
    assert "Nowhere: everything is right." in text
    assert "The costliest faults" not in text


def test_many_specks_are_one_line_of_a_table(challenge):
    er = (cubes(GRIDS[11].shape) > 0).astype(np.uint8)
    er[::2, ::2, ::2] = 1
    shutil.rmtree(challenge.submission / "crop11" / "er")
    challenge.hand_in(11, "er", er)
    text = Outline(report(challenge, most_faults=2, most_pictures=0)).text
    assert re.search(r"small, but many .* invented er crop 11 1,\d\d\d ", text)


def test_faults_that_are_not_asked_for_are_not_drawn(challenge):
    spoil(challenge)
    page = Outline(report(challenge, most_faults=1))
    assert len(page.images) == 3 * 3 * 3 + 3 * 3


def test_baselines_stand_beside_each_class(challenge):
    page = Outline(report(challenge, baselines={"nothing": {"mito": 0.0}, "grey & plain": {"er": 0.4321}}))
    assert "grey & plain" in page.text
    assert "0.432" in page.text


def test_what_happened_is_told_on_the_page(challenge):
    shutil.rmtree(challenge.submission / "crop12")
    challenge.add_truth(13, "mito", cubes((10, 10, 10)), Grid((8.0,) * 3, (0.0,) * 3, (10, 10, 10)))
    text = Outline(report(challenge)).text
    assert "crop12/mito missing: not handed in, so every object counts as missed" in text
    assert "Prediction: not handed in" in text
    assert "crop 13 is not in the table of test crops" in text
    assert "no EM of this crop in the data folder" in text


def test_only_the_worst_rows_are_drawn_when_there_are_many(challenge):
    shutil.rmtree(challenge.submission / "crop11" / "er")
    page = Outline(report(challenge, most_pictures=1))
    assert len(page.images) == 9
    assert all("er in crop 11" in image["alt"] for image in page.images)
    assert "1 of 3 rows are shown as pictures" in page.text


def test_a_page_that_exists_stays_and_places_that_do_not_exist_are_named(challenge):
    path = challenge.root / "report.html"
    path.write_text("mine")
    inputs = {"catalog": challenge.catalog, "truth": challenge.truth, "submission": challenge.submission}
    with pytest.raises(OutputExists):
        write_report(challenge.evaluate(), path, data=None, **inputs)
    with pytest.raises(FileMissing, match="data folder"):
        write_report(challenge.evaluate(), path, data=challenge.root / "no", overwrite=True, **inputs)
    assert path.read_text() == "mine"


def planes(challenge, place, em):
    row, crop = challenge.row(place), challenge.catalog.crop(int(place[4:6]))
    planned = PlannedRow(row.crop_id, row.class_name, row.kind, crop.grid)
    with open_submission(challenge.submission) as handed_in:
        return draw_planes(planned, row.status, open_truth(challenge.truth), handed_in, em)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_slices_go_through_most_of_the_truth_on_the_crops_own_grid(challenge):
    truth = cubes(GRIDS[11].shape)
    truth[:10], truth[11:] = 0, 0
    shutil.rmtree(challenge.truth / "crop11" / "mito")
    challenge.add_truth(11, "mito", truth)
    em = open_em(add_em(challenge), "fly")
    z, y, x = planes(challenge, "crop11/mito", em)
    assert (z.axis, z.index, z.count, z.shape_nm) == ("z", 10, 20, (24 * 8.0, 28 * 8.0))
    assert (y.shape_nm, x.shape_nm) == ((20 * 8.0, 28 * 8.0), (20 * 8.0, 24 * 8.0))
    # voxel 10 of 8 nm covers the 4 nm voxels 20 and 21; 20.5 rounds half to even
    assert set(np.unique(pixels(z.em))) == {20}
    assert pixels(z.em).shape == (24, 28)
    assert pixels(z.truth).shape == (24, 28, 3)
    inside = truth[10] > 0
    assert (pixels(z.truth)[inside] != 20).any(axis=-1).all()
    assert (pixels(z.truth)[~inside] == 20).all()


def test_an_object_that_is_found_has_one_colour_in_truth_and_prediction(challenge):
    renamed = np.where(cubes(GRIDS[11].shape) > 0, 77 - cubes(GRIDS[11].shape), 0).astype(np.uint16)
    shutil.rmtree(challenge.submission / "crop11" / "mito")
    challenge.hand_in(11, "mito", renamed)
    for plane in planes(challenge, "crop11/mito", None):
        assert plane.truth == plane.prediction
        assert set(np.unique(pixels(plane.em))) == {GREY}


def test_anisotropic_crops_are_drawn_in_proportion(challenge):
    _, y, _ = planes(challenge, "crop12/mito", None)
    height, width = pixels(y.em).shape
    assert height / width == pytest.approx(10 * 50 / (20 * 4.6), rel=0.02)


def test_em_that_was_not_fetched_is_grey_and_not_black(challenge):
    data = add_em(challenge)
    em = em_path(data, "fly")
    shutil.rmtree(em / "s0" / "0")
    z, _, _ = planes(challenge, "crop11/mito", open_em(data, "fly"))
    assert set(np.unique(pixels(z.em))) == {GREY}
    shutil.rmtree(em)
    assert open_em(data, "fly") is None
