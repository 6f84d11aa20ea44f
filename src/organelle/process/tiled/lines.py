"""Centre-lines of thin long objects, from small records: found, linked over gaps, put in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.geometry import Box, Nm, Voxels
from organelle.process.objects import Labels

Points = NDArray[np.float64]
CENTRE = 2.0
"""Voxels within so many radii of a way draw it to their middle."""
OWN = 2.0
"""Voxels within so many radii of a way belong to it."""


@dataclass(frozen=True)
class TubeCells:
    """The voxels of each piece, gathered in small cells of the dataset's lattice.

    Attributes:
        pieces: which piece, (n,).
        centres_nm: mean place of the piece's voxels in the cell, (n, 3), from the volume's first voxel.
        voxels: how many, (n,).
    """

    pieces: NDArray[np.int64]
    centres_nm: Points
    voxels: NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """A centre-line.

    Attributes:
        points_nm: (n, 3), n >= 2, in order, from the centre of the volume's first voxel.
    """

    points_nm: Points

    @property
    def length_nm(self) -> float:
        """Along the line."""
        return float(_steps(self.points_nm).sum())

    def end(self, last: bool, over_nm: float) -> tuple[Points, Points]:
        """An end, and the direction in which the line leaves there (unit vector), over its last stretch."""
        points = self.points_nm[::-1] if last else self.points_nm
        along = np.cumsum(_steps(points))
        behind = points[1 + min(int(np.searchsorted(along, over_nm)), len(along) - 1)]
        way = points[0] - behind
        return points[0], way / max(float(np.linalg.norm(way)), 1e-9)


Rows = NDArray[np.int64]
"""Piece, cell (z, y, x), voxels, and the sums of their places (z, y, x)."""


def tube_cells(
    read_labels: Callable[[Any], Labels], cell: Voxels, first_voxel: Voxels
) -> Callable[[Box], Rows]:
    """A function that gives the cells of all pieces in a block."""

    def cells_in(box: Box) -> Rows:
        labels = read_labels(box)
        where = np.argwhere(labels)
        if not len(where):
            return np.empty((0, 8), np.int64)
        place = where + box.start
        keys = np.column_stack([labels[labels > 0], (place + first_voxel) // cell])
        return _summed(keys, np.column_stack([np.ones(len(place), np.int64), place]))

    return cells_in


def gather_cells(blocks: Iterable[tuple[Box, Rows]], voxel_size_nm: Nm) -> TubeCells:
    """The cells of all blocks; the same for any blocks.

    Cost: 56 bytes for each cell that holds a piece.
    """
    table = np.concatenate([np.empty((0, 8), np.int64), *(rows for _, rows in blocks)])
    table = _summed(table[:, :4], table[:, 4:])
    return TubeCells(table[:, 0], table[:, 5:] / table[:, 4:5] * voxel_size_nm, table[:, 4])


def find_lines(cells: TubeCells, radius_nm: float, min_length_nm: float = 0) -> tuple[Line, ...]:
    """The centre-lines of all pieces: the longest way through each, then through what it leaves over.

    Ways lead through the centres of neighbouring cells; what lies within twice `radius_nm` of a way
    belongs to it. A piece too short for a way of two cells has none. Lines come in the order of their pieces.
    """
    starts = np.flatnonzero(np.diff(cells.pieces, prepend=-1))
    lines = []
    ends = [*starts[1:], len(cells.pieces)]
    for a, b in zip(starts, ends, strict=False):
        found = _lines_of(cells.centres_nm[a:b], cells.voxels[a:b], radius_nm)
        lines += [line for line in found if line.length_nm >= min_length_nm]
    return tuple(lines)


def link_lines(lines: Sequence[Line], gap_nm: float, angle_degrees: float) -> tuple[Line, ...]:
    """Lines that go on after a gap become one.

    Two ends are linked if they are at most `gap_nm` apart and neither line turns by more than
    `angle_degrees` on its way to the other end. The nearest ends first; each end is linked once, and no
    line becomes a ring.
    """
    if not lines:
        return ()
    places, ways = zip(*(line.end(last, 3 * gap_nm) for line in lines for last in (False, True)), strict=True)
    partner: dict[int, int] = {}
    chain = list(range(len(lines)))
    for a, b in _possible_links(np.array(places), np.array(ways), gap_nm, angle_degrees):
        if a in partner or b in partner or _root(chain, a // 2) == _root(chain, b // 2):
            continue
        partner[a], partner[b] = b, a
        chain[_root(chain, b // 2)] = _root(chain, a // 2)
    return tuple(_chains(lines, partner))


def _lines_of(points: Points, voxels: NDArray[np.int64], radius_nm: float) -> Iterator[Line]:
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    tree = cKDTree(points)
    left = np.ones(len(points), bool)
    graph = _graph(points, tree.query_pairs(2.5 * radius_nm, output_type="ndarray"))
    groups = [np.arange(len(points))]
    while groups:
        group = groups.pop()
        way = group[_longest_way(graph[group][:, group])]
        if len(way) < 2:
            continue
        middle = points[way]
        for _ in range(2):
            middle = _centred(middle, points, voxels, tree, CENTRE * radius_nm)
        yield Line(middle)
        left[way] = False  # however far they were moved: what was a way is none again
        for near in tree.query_ball_point(middle, OWN * radius_nm):
            left[near] = False
        rest = group[left[group]]
        count, part = connected_components(graph[rest][:, rest], directed=False)
        groups += [rest[part == i] for i in reversed(range(count))]


def _graph(points: Points, pairs: NDArray[np.int64]) -> Any:
    """A sparse matrix of the pairs, by their distance."""
    from scipy.sparse import csr_array

    away = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    # Squared, so that ways lead from cell to cell instead of around bends.
    squared = np.maximum(away, 1e-6) ** 2
    return csr_array((squared, (pairs[:, 0], pairs[:, 1])), (len(points), len(points)))


def _longest_way(graph: Any) -> NDArray[np.int64]:
    """The way between the two ends of a piece: from anywhere to the furthest, and from there again."""
    from scipy.sparse.csgraph import dijkstra

    start = _furthest(dijkstra(graph, directed=False, indices=np.zeros(1, np.int64))[0])
    away, before = (
        rows[0]
        for rows in dijkstra(graph, directed=False, indices=np.array([start]), return_predecessors=True)
    )
    way = [_furthest(away)]
    while before[way[-1]] >= 0:
        way.append(int(before[way[-1]]))
    return np.array(way)


def _furthest(away: Points) -> int:
    return int(np.argmax(np.where(np.isfinite(away), away, -1)))


def _centred(way: Points, points: Points, voxels: NDArray[np.int64], tree: Any, reach_nm: float) -> Points:
    """A way moved, across its direction, to the middle of the voxels within reach of each of its places."""
    if len(way) > 2:
        way = np.concatenate([way[:1], (way[:-2] + way[1:-1] + way[2:]) / 3, way[-1:]])
    along = np.gradient(way, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    near = tree.query_ball_point(way, reach_nm, return_sorted=True)
    shift = np.array([np.average(points[i], axis=0, weights=voxels[i]) for i in near]) - way
    return np.asarray(way + shift - (shift * along).sum(1, keepdims=True) * along)


def _possible_links(
    places: Points, ways: Points, gap_nm: float, angle_degrees: float
) -> Iterator[tuple[int, int]]:
    """Pairs of ends that may be linked, nearest first."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(places).query_pairs(gap_nm, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2]
    across = places[pairs[:, 1]] - places[pairs[:, 0]]
    away = np.linalg.norm(across, axis=1)
    # Ends at one place: the first goes straight on.
    across = np.where(away[:, None] > 1e-6, across / np.maximum(away, 1e-6)[:, None], ways[pairs[:, 0]])
    straight = math.cos(math.radians(angle_degrees))
    goes_on = (ways[pairs[:, 0]] * across).sum(1) >= straight
    goes_on &= (-ways[pairs[:, 1]] * across).sum(1) >= straight
    order = np.lexsort((pairs[:, 1], pairs[:, 0], away))
    yield from pairs[order[goes_on[order]]].tolist()


def _chains(lines: Sequence[Line], partner: dict[int, int]) -> Iterator[Line]:
    """Linked lines as one, each from its free end that comes first."""
    seen: set[int] = set()
    for end in range(2 * len(lines)):
        if end in partner or end // 2 in seen:
            continue
        points, at = [], end
        while True:
            line = lines[at // 2].points_nm
            points.append(line if at % 2 == 0 else line[::-1])
            seen.add(at // 2)
            if at ^ 1 not in partner:
                break
            at = partner[at ^ 1]
        yield Line(np.concatenate(points))


def _root(chain: list[int], a: int) -> int:
    while chain[a] != a:
        a = chain[a]
    return a


def _steps(points: Points) -> Points:
    return np.asarray(np.linalg.norm(np.diff(points, axis=0), axis=1))


def _summed(keys: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """One row for each distinct key, with the sums of its values."""
    distinct, index = np.unique(keys, axis=0, return_inverse=True)
    sums = np.zeros((len(distinct), values.shape[1]), np.int64)
    np.add.at(sums, index.ravel(), values)
    return np.column_stack([distinct, sums]).astype(np.int64)
