from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from drawn_challenge import CATALOG, CROP, EM_GRID, GRID, MITO, write_drawn
from PIL import Image

from organelle.catalog import em_folder, label_path
from organelle.errors import FileMissing, OutputExists, SettingsError
from organelle.geometry import Box
from organelle.scenes import colour_of
from organelle.visualize import Choice, ImageKind, Scene, contact_sheet, parse_kinds, visualize, write_sheets
from organelle.visualize.drawing import THUMBNAIL, Drawing
from organelle.visualize.levels import NOT_STORED
from organelle.visualize.planes import busiest_position, grey_in, labels_in, three_planes
from organelle.volumes import open_multiscale

ZOOM = THUMBNAIL // 40
"""Pixels of a voxel in a thumbnail."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn(tmp_path_factory.mktemp("drawn"))


def scene_of(data: Path, *kinds: str, classes=None) -> Scene:
    choice = Choice(classes=classes, kinds=parse_kinds(kinds or None))
    return visualize(CATALOG, choice, data=data, work=data.parent / "work")


def drawing(data: Path, *kinds: str, **choice) -> Drawing:
    return Drawing.of(scene_of(data, *kinds, **choice), CROP)


def pixels_of(picture: np.ndarray, colour) -> np.ndarray:
    return (picture == np.array(colour, np.uint8)).all(axis=2)


def test_planes_show_the_stored_voxels(data):
    """With a pixel per voxel each plane is a slice of the array."""
    drawn = drawing(data)
    z, y, x = MITO.start
    planes = three_planes(CROP, GRID.to_nm((z, y, x)), pixels=40)
    mito = open_multiscale(label_path(data, CROP, "mito")).levels[0].read()
    em = open_multiscale(em_folder(data, "drawn")).levels[0]
    grey = em.read(em.grid.box_of(GRID.extent))
    image = next(o for found in drawn.labels.values() for o in found if o.image.class_name == "mito")
    for plane, pick in zip(planes, (lambda a: a[z], lambda a: a[:, :, x].T, lambda a: a[:, y]), strict=True):
        assert np.array_equal(labels_in(image, plane), pick(mito))
        assert np.array_equal(grey_in(drawn.em, plane), pick(grey))
    assert [plane.name for plane in planes] == ["x y", "z y", "x z"]


def test_the_planes_meet_where_a_class_is(data):
    """The cell is everywhere and draws the planes nowhere; the mitochondrion fills 0.2 % of the crop."""
    found = busiest_position(CROP, [o for images in drawing(data).labels.values() for o in images])
    assert MITO.contains(Box(tuple(round(i) for i in GRID.to_index(found)), (1, 1, 1)))


def test_a_crop_without_labels_is_cut_in_the_middle():
    assert busiest_position(CROP, []) == GRID.to_nm((20, 20, 20))


def test_an_object_lies_at_its_pixels_in_the_colour_of_its_class(data):
    picture = drawing(data).thumbnail()
    assert picture.shape == (THUMBNAIL, THUMBNAIL, 3)
    rows, columns = np.nonzero(pixels_of(picture, colour_of("mito")))
    (_, top, left), (_, bottom, right) = MITO.start, MITO.stop
    assert (rows.min(), rows.max() + 1) == (top * ZOOM, bottom * ZOOM)
    assert (columns.min(), columns.max() + 1) == (left * ZOOM, right * ZOOM)


def test_inside_of_the_outline_the_grey_values_shine_through(data):
    drawn = drawing(data)
    grey = drawn.grey(three_planes(CROP, drawn.position_nm, THUMBNAIL)[0])
    _, y, x = (a + n // 2 for a, n in zip(MITO.start, MITO.shape, strict=True))
    here = (y * ZOOM + 2, x * ZOOM + 2)
    mixed = 0.65 * float(grey[here]) + 0.35 * np.array(colour_of("mito"))
    assert drawn.thumbnail()[here] == pytest.approx(mixed, abs=1)


def test_what_is_unknown_is_not_painted(data):
    plain, er = drawing(data, "em").thumbnail(), drawing(data, classes=["er"]).thumbnail()
    assert np.array_equal(plain, er)


def test_grey_values_have_the_contrast_of_the_viewer(data):
    plain = drawing(data, "em").thumbnail()
    assert plain.min() == 0
    assert plain.max() == 255


def test_without_em_labels_lie_on_plain_grey(data):
    picture = drawing(data, "truth", classes=["mito"]).thumbnail()
    assert tuple(picture[0, 0]) == (NOT_STORED,) * 3
    assert pixels_of(picture, colour_of("mito")).any()


def test_em_that_was_not_fetched_is_not_black(tmp_path):
    """Neither in a picture nor in the viewer, where it is the fill value."""
    data = write_drawn(tmp_path / "data", chunks=(20, 20, 20))
    for z in "012":
        (em_folder(data, "drawn") / "s0" / z / "0" / "0").unlink()
    scene = scene_of(data, "em")
    picture = Drawing.of(scene, CROP).thumbnail()
    first = 10 * ZOOM  # the chunk of the EM ends ten voxels after the crop begins
    assert (picture[:first, 0] == NOT_STORED).all()
    assert np.ptp(picture[first:, 0]) > 100
    assert json.loads(scene.stored("em/drawn", "s0", ".zarray"))["fill_value"] == NOT_STORED
    labels = scene_of(data, "truth").stored("truth/crop7/mito", "s0", ".zarray")
    assert json.loads(labels)["fill_value"] == 0


def test_the_legend_names_what_is_seen_and_nothing_else(data):
    sheet = contact_sheet(scene_of(data), CROP)
    swatches = sheet[-40:]
    assert pixels_of(swatches, colour_of("mito")).sum() >= 100
    assert pixels_of(swatches, colour_of("cell")).sum() >= 100
    assert not pixels_of(sheet, colour_of("er")).any()


def test_each_kind_has_a_row_of_its_own(data, tmp_path):
    em = contact_sheet(scene_of(data, "em"), CROP)
    both = contact_sheet(scene_of(data), CROP)
    assert len(both) > len(em) + 300
    assert both.shape[1] == em.shape[1] >= 3 * 300


def test_sheets_and_a_page_of_them_are_files(data, tmp_path):
    out = tmp_path / "pictures"
    sheet, page = write_sheets(scene_of(data), out)
    with Image.open(sheet) as opened:
        assert np.array_equal(np.asarray(opened), contact_sheet(scene_of(data), CROP))
    text = page.read_text()
    assert 'href="crop7.png"' in text
    assert "160 x 160 x 160 nm" in text
    embedded = text.split("data:image/png;base64,")[1].split('"')[0]
    with Image.open(io.BytesIO(base64.b64decode(embedded))) as opened:
        assert np.array_equal(np.asarray(opened), drawing(data).thumbnail())


def test_nothing_is_overwritten_unasked(data, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(OutputExists):
        write_sheets(scene_of(data), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    write_sheets(scene_of(data), tmp_path, overwrite=True)
    assert (tmp_path / "index.html").read_text() != "mine"


def test_one_crop_may_be_one_file(data, catalog, bucket, tmp_path):
    assert write_sheets(scene_of(data), tmp_path / "a.png") == [tmp_path / "a.png"]
    with pytest.raises(SettingsError, match="name a folder"):
        write_sheets(visualize(catalog, data=bucket, work=tmp_path), tmp_path / "b.png")


def test_a_whole_volume_is_no_crop(data, tmp_path):
    bare = Scene(tuple(i for i in scene_of(data).images.values() if i.kind is ImageKind.EM), (), data, data)
    with pytest.raises(FileMissing, match="no crop"):
        write_sheets(bare, tmp_path)


def test_the_em_reaches_beyond_the_crop():
    """Else the planes could be right by chance."""
    assert EM_GRID.shift_to(GRID) == (10, 10, 10)
