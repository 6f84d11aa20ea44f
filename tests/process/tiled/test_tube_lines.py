"""Centre-lines of microtubules: found in pieces, linked over gaps, drawn as tubes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from read_arrays import each, reader, whole
from scipy import ndimage

from organelle.process.objects import Cut
from organelle.process.tiled import (
    Line,
    TubeCells,
    TubePieces,
    find_lines,
    gather_cells,
    link_lines,
    tube_cells,
)

SIZE = (8.0, 8.0, 8.0)


def line(*points):
    return Line(np.array(points, float))


def drawn_slowly(lines, radius, shape, size):
    """Every voxel asks every piece of every line."""
    places = np.moveaxis(np.indices(shape), 0, -1) * size
    best, labels = np.full(shape, np.inf), np.zeros(shape, np.uint32)
    for number, points in enumerate((item.points_nm for item in lines), 1):
        for a, b in pairwise(points):
            t = np.clip(((places - a) @ (b - a)) / max((b - a) @ (b - a), 1e-12), 0, 1)
            away = np.linalg.norm(places - a - t[..., None] * (b - a), axis=-1)
            nearer = (away <= radius + 1e-3) & (away < best - 1e-3)
            best[nearer], labels[nearer] = away[nearer], number
    return labels


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), block=st.tuples(*[st.integers(2, 12)] * 3))
def test_tubes_are_the_same_in_any_blocks(seed, block):
    rng = np.random.default_rng(seed)
    shape, size = (9, 10, 11), (10.0, 8.0, 6.0)
    lines = [Line(rng.uniform(-20, 100, (int(rng.integers(2, 5)), 3))) for _ in range(3)]
    labels = whole(shape, each(Cut(shape, block), TubePieces.of(lines, 17.03, size).draw))
    np.testing.assert_array_equal(labels, drawn_slowly(lines, 17.03, shape, size))


def drawn(lines, shape, block=None):
    """Blocks of tubes of 17 nm."""
    return each(Cut(shape, block or shape), TubePieces.of(lines, 17, SIZE).draw)


def found(labels, block, first=(0, 0, 0), radius=17):
    blocks = each(Cut(labels.shape, block), tube_cells(reader(labels), (2, 2, 2), first))
    cells = gather_cells(blocks, SIZE)
    return find_lines(cells, radius, 40)


def bent_tube(shape=(30, 30, 60)):
    bend = [(8 * 8, 8 * (6 + 0.004 * (x - 5) ** 2), 8 * x) for x in range(5, 55, 3)]
    return line(*bend), whole(shape, drawn([line(*bend)], shape))


@settings(max_examples=10, deadline=None)
@given(block=st.tuples(*[st.integers(6, 60)] * 3))
def test_lines_do_not_depend_on_blocks(block):
    _, labels = bent_tube()
    (once,), (again,) = found(labels, labels.shape, (1, 2, 0)), found(labels, block, (1, 2, 0))
    np.testing.assert_array_equal(once.points_nm, again.points_nm)


def test_a_tube_is_found_and_drawn_again():
    truth, labels = bent_tube()
    (mine,) = found(labels, (10, 10, 10))
    assert mine.length_nm == pytest.approx(truth.length_nm, rel=0.1)
    again = whole(labels.shape, drawn([mine], labels.shape, (16, 16, 16)))
    assert 2 * ((again > 0) & (labels > 0)).sum() / ((again > 0).sum() + (labels > 0).sum()) > 0.9


def test_two_that_cross_are_two_lines():
    tubes = [line((100, 100, 0), (100, 100, 400)), line((100, 0, 200), (100, 240, 200))]
    shape = (25, 30, 50)
    mask = whole(shape, drawn(tubes, shape)) > 0
    assert ndimage.label(mask)[1] == 1
    lines = found(mask.astype(np.uint32), shape)
    assert 2 <= len(lines) <= 3  # the second lies on both sides of the first
    assert len(link_lines(lines, 100, 30)) == 2


def test_a_line_goes_on_after_a_gap_but_not_around_a_corner():
    first, second = line((0, 0, 0), (0, 0, 200)), line((0, 5, 240), (0, 10, 400))
    (joined,) = link_lines([first, second], 60, 30)
    assert joined.points_nm[[0, -1]].tolist() == [[0, 0, 0], [0, 10, 400]]
    assert len(link_lines([first, second], 30, 30)) == 2
    corner = line((0, 0, 240), (0, 200, 240))
    assert len(link_lines([first, corner], 60, 30)) == 2
    beside = line((0, 30, 200), (0, 30, 0))
    assert len(link_lines([first, beside], 60, 30)) == 2


def test_the_nearest_ends_are_linked_in_any_order_of_the_lines():
    parts = [line((0, 0, a), (0, 0, a + 100)) for a in (0, 130, 270)] + [line((0, 8, 160), (0, 8, 260))]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        linked = link_lines([parts[i] for i in order], 60, 30)
        ends = {tuple(sorted((p.points_nm[0, 2], p.points_nm[-1, 2]))) for p in linked}
        assert ends == {(0, 370), (160, 260)}


def test_lines_never_become_a_ring():
    angles = np.linspace(0, 2 * np.pi, 13)
    circle = np.column_stack([np.zeros(13), 100 * np.sin(angles), 100 * np.cos(angles)])
    arcs = [Line(circle[i : i + 4]) for i in (0, 3, 6, 9)]
    (joined,) = link_lines(arcs, 10, 60)
    assert len(joined.points_nm) == 16


def test_without_voxels_there_are_no_lines():
    empty = np.zeros((4, 5, 6), np.uint32)
    assert found(empty, (2, 2, 2)) == ()
    assert link_lines((), 50, 30) == ()
    assert not whole(empty.shape, drawn((), empty.shape, (2, 2, 2))).any()
    empty[1, 1, 1] = 1
    assert found(empty, (2, 2, 2)) == ()


def test_crumbs_beside_a_thick_line_are_taken_once():
    """Heavy neighbours draw the way through the two crumbs so far that it ends beyond their reach."""
    thick = [(0, 42, 20 * step) for step in range(-10, 11)]
    centres = np.array([*thick, (0, 20, 10), (0, 0, 0), (0, 0, 20)], float)
    cells = TubeCells(np.ones(24, np.int64), centres, np.array([100] * 22 + [1, 1]))
    lines = find_lines(cells, 12.5)
    assert [len(line.points_nm) for line in lines] == [21, 2]
