"""All labels of a crop in one small array: each voxel holds the number of its combination of classes.

A crop has millions of voxels and dozens of classes, but few combinations of them. So what the classes are
at a voxel is written once per combination, in a table, and relations between classes are worked out there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.classes import all_classes
from organelle.geometry import Voxels
from organelle.sampling import relations

ABSENT, PRESENT, UNKNOWN = 0, 1, 2
OUTSIDE = 0
"""The combination of voxels without any label: outside of the crop, or without EM."""
ANCHORS = 2048
"""Voxels remembered per combination, to draw patches around."""


@dataclass(frozen=True, eq=False)
class Palette:
    """Labels of the wanted classes; combination 0 is always `OUTSIDE`, with everything unknown."""

    codes: NDArray[Any]
    """Combination per voxel, shape z, y, x; in the smallest unsigned type that holds their number."""
    present: NDArray[np.bool_]
    """Shape [combination, class]: the class is there."""
    known: NDArray[np.bool_]
    """Shape [combination, class]: annotated, or inferred, to be there or not."""
    counts: NDArray[np.int64]
    """Voxels of each combination."""
    anchors: tuple[NDArray[np.int64], ...]
    """Flat indices of up to `ANCHORS` voxels per combination, drawn evenly from all of them."""

    @cached_property
    def words(self) -> NDArray[np.uint64]:
        """Shape [combination, n]: bit 2 (c % 32) of word c // 32 tells class c present, the next known."""
        combinations, classes = self.present.shape
        words = np.zeros((combinations, -(-classes // 32)), np.uint64)
        for c in range(classes):
            bits = self.present[:, c] | self.known[:, c].astype(np.uint64) << np.uint64(1)
            words[:, c // 32] |= bits << np.uint64(2 * (c % 32))
        return words

    def class_counts(self) -> NDArray[np.int64]:
        """Shape [2, class]: voxels where the class is present, and where it is known."""
        return np.stack([self.counts @ self.present, self.counts @ self.known])


def build_palette(
    layers: Iterable[tuple[str, NDArray[np.uint8]]],
    shape: Voxels,
    wanted: tuple[str, ...],
    without_em: NDArray[np.bool_] | None = None,
    *,
    infer: bool = True,
) -> Palette:
    """Gather the annotated classes of a crop.

    Args:
        layers: class name and states (`ABSENT`, `PRESENT`, `UNKNOWN`; uint8) of `shape`, one class after
            the other, so that only one need be in memory.
        shape: voxels of the crop, z, y, x.
        wanted: classes of the result, in this order.
        without_em: where labels are of no use because the EM is missing.
        infer: fill wanted classes from all others by exclusion and implication.
    """
    codes, names, states = _combine(layers, shape)
    present, known = _tables(names, states)
    if infer:
        present, known = relations.infer(present, known)
    columns = relations.columns(wanted)
    return _reduce(codes, present[:, columns], known[:, columns], without_em)


def _combine(
    layers: Iterable[tuple[str, NDArray[np.uint8]]], shape: Voxels
) -> tuple[NDArray[Any], list[str], NDArray[np.uint8]]:
    """Codes, the classes in order, and the state of each class in each combination."""
    from organelle.sampling.palette_kernels import count_pairs, relabel_pairs

    codes: NDArray[Any] = np.zeros(shape, np.uint8)
    states = np.zeros((1, 0), np.uint8)
    names: list[str] = []
    for name, layer in layers:
        counts = np.zeros((len(states), 3), np.int64)
        count_pairs(codes.ravel(), layer.ravel(), counts)
        used = np.argwhere(counts)
        number = np.zeros(counts.shape, np.uint32)
        number[used[:, 0], used[:, 1]] = np.arange(len(used))
        codes = codes.astype(_code_type(len(used)), copy=False)
        relabel_pairs(codes.ravel(), layer.ravel(), number)
        states = np.column_stack([states[used[:, 0]], used[:, 1].astype(np.uint8)])
        names.append(name)
    return codes, names, states


def _tables(names: list[str], states: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """`present` and `known` over all classes of the challenge; those without a layer are unknown."""
    present = np.zeros((len(states), len(all_classes())), bool)
    known = np.zeros_like(present)
    columns = relations.columns(tuple(names))
    present[:, columns] = states == PRESENT
    known[:, columns] = states != UNKNOWN
    return present, known


def _reduce(
    codes: NDArray[Any],
    present: NDArray[np.bool_],
    known: NDArray[np.bool_],
    without_em: NDArray[np.bool_] | None,
) -> Palette:
    """Join combinations that the wanted classes do not tell apart, and number them after `OUTSIDE`."""
    from organelle.sampling.palette_kernels import relabel

    unknown = np.zeros((1, 2 * present.shape[1]), bool)
    rows = np.vstack([unknown, np.hstack([present, known])])
    _, first, number = np.unique(np.packbits(rows, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # by first appearance, so that all unknown is number 0
    codes = codes.astype(_code_type(len(order)), copy=False)
    relabel(codes.ravel(), np.argsort(order)[number[1:]].astype(np.uint32))
    if without_em is not None:
        codes[without_em] = OUTSIDE
    present, known = np.hsplit(rows[first[order]], 2)
    counts, anchors = _draw_anchors(codes, len(order))
    return Palette(codes, present.copy(), known.copy(), counts, anchors)


def _draw_anchors(
    codes: NDArray[Any], combinations: int
) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], ...]]:
    """Voxels per combination, and flat indices of some of them."""
    from organelle.sampling.palette_kernels import count_codes, draw_anchors

    counts = np.zeros(combinations, np.int64)
    count_codes(codes.ravel(), counts)
    stops = np.minimum(counts, ANCHORS).cumsum()
    places = np.empty(stops[-1], np.int64)
    draw_anchors(codes.ravel(), stops, places)
    return counts, tuple(np.split(places, stops[:-1]))


def _code_type(combinations: int) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if combinations <= 256 else np.uint16 if combinations <= 65536 else np.uint32
