from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import pytest

from organelle.classes import (
    Kind,
    all_classes,
    class_named,
    kind_of,
    members_of,
    scored_classes,
    sort_classes,
)
from organelle.errors import ClassNotFound


def test_the_table_is_that_of_the_challenge(shared: Path) -> None:
    with (shared / "facts" / "classes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(all_classes()) == 77
    for row, ours in zip(rows, all_classes(), strict=True):
        assert (ours.name, ours.id, ours.long_name) == (row["name"], int(row["id"]), row["long_name"])
        assert ours.members == {int(word) for word in row["members"].split()}
        assert (ours.scored_as.value if ours.scored_as else "") == row["scored_as"]


def test_48_classes_are_scored_and_10_of_them_as_instances() -> None:
    scored = scored_classes()
    assert len(scored) == 48
    objects = {c.name for c in scored if c.scored_as is Kind.INSTANCE}
    assert objects == {"nuc", "ves", "endo", "lyso", "ld", "perox", "mito", "np", "mt", "cell"}


def test_exclusion_is_sharing_no_id_and_goes_both_ways() -> None:
    for a, b in product(all_classes(), repeat=2):
        assert a.excludes(b) == (not ({a.id} | a.members) & ({b.id} | b.members))
        assert a.excludes(b) == b.excludes(a)
    assert class_named("mito").excludes(class_named("er"))
    assert not class_named("mito").excludes(class_named("mito_mem"))
    assert not class_named("er_mem_all").excludes(class_named("ne_mem_all"))


def test_a_part_implies_the_whole_and_never_what_it_excludes() -> None:
    for a, b in product(all_classes(), repeat=2):
        if a.implies(b):
            assert not a.excludes(b)
            assert all(a.implies(c) for c in all_classes() if b.implies(c))
        if not a.is_group:
            assert a.implies(b) == (a.id in b.ids)
    assert class_named("mito_mem").implies(class_named("mito"))
    assert class_named("np").implies(class_named("ne"))
    assert class_named("ne").implies(class_named("er"))
    assert class_named("er").implies(class_named("cell"))
    assert not class_named("mito").implies(class_named("mito_mem"))
    assert not class_named("ecs").implies(class_named("cell"))
    assert class_named("ecs").implies(class_named("ecs"))


def test_members_are_leaves_in_the_order_of_the_table() -> None:
    assert [c.name for c in members_of(class_named("mito"))] == ["mito_mem", "mito_lum", "mito_ribo"]
    assert members_of(class_named("ecs")) == ()
    for group in all_classes():
        assert all(not leaf.is_group for leaf in members_of(group))


def test_kinds_say_what_may_be_interpolated() -> None:
    assert Kind.IMAGE.interpolatable
    assert not Kind.SEMANTIC.interpolatable
    assert not Kind.INSTANCE.interpolatable
    assert kind_of("mito") is Kind.INSTANCE
    assert kind_of("er") is Kind.SEMANTIC
    assert kind_of("actin") is Kind.SEMANTIC


def test_names_are_put_into_the_order_of_the_table_once() -> None:
    assert sort_classes(["mito", "ecs", "mito", "er_mem"]) == ("ecs", "er_mem", "mito")
    assert sort_classes([]) == ()


def test_an_unknown_class_names_its_nearest() -> None:
    with pytest.raises(ClassNotFound, match="'mitoo' is not an organelle class; nearest: mito"):
        class_named("mitoo")
    with pytest.raises(ClassNotFound):
        sort_classes(["mito", "golgy"])
