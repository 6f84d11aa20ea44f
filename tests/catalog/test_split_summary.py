"""What a split holds, and what it warns of."""

from __future__ import annotations

import pytest

from organelle.catalog import (
    Crop,
    Datasplit,
    Holding,
    class_holdings,
    dataset_holdings,
    holding_of,
    load_catalog,
    make_datasplit,
    split_notes,
)
from organelle.geometry import Grid


def crop(number: int, z: float, classes: str, dataset: str = "a") -> Crop:
    return Crop(
        number, dataset, Grid((10.0, 10.0, 20.0), (z, 0.0, 0.0), (100, 100, 50)), tuple(classes.split())
    )


SPLIT = Datasplit(
    train=(crop(1, 0, "mito er"), crop(2, 5000, "er nuc"), crop(3, 0, "er", "b")),
    validate=(crop(4, 9000, "mito ld"), crop(5, 9500, "ld")),
    classes=("mito", "er", "nuc", "ld", "pm"),
)


def test_crops_and_volumes_of_both_sides_are_added_up() -> None:
    assert class_holdings(SPLIT)[:2] == (Holding("mito", 1, 1, 1.0, 1.0), Holding("er", 3, 0, 3.0, 0.0))
    assert class_holdings(SPLIT)[-1] == Holding("pm", 0, 0, 0.0, 0.0)
    assert dataset_holdings(SPLIT) == (Holding("a", 2, 2, 2.0, 2.0), Holding("b", 1, 0, 1.0, 0.0))
    assert holding_of(SPLIT) == Holding("all", 3, 2, 3.0, 2.0)


def test_each_class_that_stands_on_one_side_is_named_with_its_reason() -> None:
    assert split_notes(SPLIT) == (
        "annotated in no crop that was taken: pm",
        "in one group of crops only, so trained and not validated: nuc",
        "in several groups of crops, but trained and not validated: er",
        "in one group of crops only, so held out and not trained: ld",
    )


def test_leaks_and_crops_near_test_crops_are_named() -> None:
    near, far = crop(1, 0, "er"), crop(2, 500, "er")
    assert split_notes(Datasplit((near,), (far,), ("er",), (near, far))) == (
        "training crops that share volume with test crops: 1",
        "held-out crops that share volume with test crops: 2",
        "crops that share volume but stand on both sides: 1 and 2",
    )
    assert split_notes(Datasplit((near,), (), ("er",))) == ("nothing is held out",)


def test_a_stratified_split_of_the_challenge_has_little_to_warn_of() -> None:
    split = make_datasplit(load_catalog(), stratify=True)
    notes = split_notes(split)
    assert all("share volume with test crops" in note for note in notes)
    assert {int(n) for note in notes for n in note.partition(": ")[2].split(", ")} == {79, 179}
    assert holding_of(split).train_um3 == pytest.approx(sum(h.train_um3 for h in dataset_holdings(split)))
