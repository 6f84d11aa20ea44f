from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from organelle.errors import FormatError, GridMismatch
from organelle.scenes import (
    Overlay,
    busiest_slice,
    colour_of,
    comparison,
    label_colours,
    legend,
    mosaic,
    png_bytes,
    scale_line,
    side_by_side,
    slice_picture,
    stacked,
    write_text,
)


@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_another_reader_sees_the_same_pixels(height: int, width: int, rgb: bool, seed: int) -> None:
    shape = (height, width, 3) if rgb else (height, width)
    picture = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    with Image.open(io.BytesIO(png_bytes(picture))) as opened:
        assert np.array_equal(np.asarray(opened), picture)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros(3, np.uint8), np.zeros((0, 2), np.uint8)],
)
def test_what_is_not_a_picture_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(FormatError, match="uint8 of shape"):
        png_bytes(bad)


def test_plain_em_is_its_own_grey() -> None:
    em = np.arange(20, dtype=np.uint8).reshape(4, 5)
    assert np.array_equal(slice_picture(em), np.repeat(em[..., None], 3, axis=2))


def test_floating_grey_is_stretched_to_black_and_white() -> None:
    picture = slice_picture(np.array([[-1.0, 0.0, 3.0]]))
    assert picture[0, :, 0].tolist() == [0, 64, 255]
    assert not slice_picture(np.full((2, 2), 7.5)).any()


def test_labels_have_a_crisp_outline_and_a_translucent_inside() -> None:
    em = np.full((9, 9), 100, np.uint8)
    labels = np.zeros((9, 9), int)
    labels[2:7, 2:7] = 1
    picture = slice_picture(em, Overlay("pm", labels), opacity=0.5)
    colour = np.array(colour_of("pm"))
    assert np.array_equal(picture[2, 4], colour)
    assert np.abs(picture[4, 4] - (100 + colour) / 2).max() <= 0.5
    assert picture[1, 4].tolist() == [100, 100, 100]


def test_touching_objects_are_told_apart() -> None:
    labels = np.array([[7, 7, 8, 8]] * 4)
    picture = slice_picture(np.zeros((4, 4), np.uint8), Overlay("cell", labels))
    assert np.array_equal(picture[1, 1], label_colours([7])[0])
    assert np.array_equal(picture[1, 2], label_colours([8])[0])


def test_objects_may_be_painted_alike() -> None:
    labels = np.array([[7, 7, 8, 8]] * 4)
    picture = slice_picture(np.zeros((4, 4), np.uint8), Overlay("mito", labels, colour_of("mito")))
    assert (picture[1, 1:3] == colour_of("mito")).all()


def test_anisotropic_voxels_keep_their_proportions() -> None:
    em = np.zeros((20, 100), np.uint8)
    labels = np.zeros((20, 100), int)
    labels[10:] = 1
    picture = slice_picture(em, Overlay("cyto", labels), voxel_size_nm=(50, 5))
    assert picture.shape == (200, 100, 3)
    assert not picture[:100].any()
    assert picture[100:].any(axis=-1).all()
    assert slice_picture(em, voxel_size_nm=(50, 5), width=50).shape == (100, 50, 3)


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    em = np.zeros((60, 100), np.uint8)
    picture = slice_picture(em, voxel_size_nm=(8, 8), scale_bar=True)
    rows = picture[..., 0].astype(bool).sum(axis=1)
    assert rows[-8:-5].tolist() == [25, 25, 25]  # 200 nm of the 266 nm that a third of the width would hold
    assert slice_picture(em[:3, :3], scale_bar=True).shape == (3, 3, 3)


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(GridMismatch, match="labels of mito"):
        slice_picture(np.zeros((4, 4), np.uint8), Overlay("mito", np.zeros((4, 5))))
    with pytest.raises(GridMismatch, match="two axes"):
        slice_picture(np.zeros((4, 4, 4), np.uint8))


def test_panels_stand_side_by_side_under_their_captions() -> None:
    left, right = np.zeros((10, 40, 3), np.uint8), np.full((20, 30, 3), 9, np.uint8)
    sheet = side_by_side([left, right], ["EM", "truth"])
    head = len(sheet) - 20
    assert sheet.shape == (head + 20, 74, 3)
    assert np.array_equal(sheet[head : head + 10, :40], left)
    assert np.array_equal(sheet[head:, 44:], right)
    assert (sheet[:head, :40] == 0).any()
    assert side_by_side([left]).shape == left.shape
    with pytest.raises(GridMismatch):
        side_by_side([])


def test_comparison_shows_em_truth_and_prediction() -> None:
    em = np.full((30, 40), 50, np.uint8)
    truth = np.zeros((30, 40), np.uint8)
    truth[10:20, 10:20] = 1
    sheet = comparison(em, "pm", truth, np.zeros_like(truth))
    alone = [slice_picture(em, Overlay("pm", truth)), slice_picture(em, Overlay("pm", 0 * truth))]
    assert np.array_equal(sheet[-30:, 44:84], alone[0])
    assert np.array_equal(sheet[-30:, 88:], alone[1])


def test_the_busiest_slice_is_found_on_every_axis() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    assert busiest_slice(labels) == 2
    labels[3, :, 1] = 1
    assert [busiest_slice(labels, axis) for axis in range(3)] == [3, 0, 1]


def test_letters_differ_and_anything_else_is_a_question_mark() -> None:
    shapes = {write_text(chr(c)).tobytes() for c in range(32, 127)}
    assert len(shapes) == 95
    assert np.array_equal(write_text("µ"), write_text("?"))
    assert write_text("ab", scale=2).shape == (18, 24)


def test_a_mosaic_shows_the_last_class_and_tells_objects_apart() -> None:
    cell, mito = np.ones((6, 8), np.uint8), np.zeros((6, 8), np.uint16)
    mito[2:4, 1:3], mito[2:4, 3:5] = 7, 300
    tiles = mosaic({"cell": cell, "mito": mito})
    colours = tiles.colours(tiles.labels)
    assert (colours[mito == 0] == colour_of("cell")).all()
    assert (colours[mito != 0] == colour_of("mito")).all()
    assert len(np.unique(tiles.labels)) == 3


def test_a_scale_is_as_long_as_it_says() -> None:
    line = scale_line(8.0, 200, most_pixels=60)
    assert (line[4] == 0).all(axis=1)[:25].all()
    assert not (line[4, 25:29] == 0).any()
    assert np.array_equal(line[:, 29 : 29 + 6 * 6, 0] == 0, write_text("200 nm"))


def test_a_legend_has_a_swatch_and_a_name_for_each_class() -> None:
    names = ["mito", "er", "nuc"]
    lines = legend(names, 200)
    for name in names:
        (rows, columns) = np.nonzero((lines == colour_of(name)).all(axis=2))
        assert np.ptp(rows) == np.ptp(columns) == 9
        word = write_text(name)
        at = (rows.min() + 1, columns.max() + 5)
        ink = lines[at[0] : at[0] + word.shape[0], at[1] : at[1] + word.shape[1], 0] == 0
        assert np.array_equal(ink, word)
    assert len(legend(names, 60)) == 3 * len(legend(names, 400))


def test_pictures_below_each_other() -> None:
    sheet = stacked([np.zeros((2, 3, 3), np.uint8), np.zeros((4, 1, 3), np.uint8)], gap=1)
    assert sheet.shape == (7, 3, 3)
    assert (sheet[..., 0] == 0).sum() == 2 * 3 + 4
    with pytest.raises(GridMismatch):
        stacked([])
