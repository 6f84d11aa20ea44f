"""What annotated classes say about the others, and what they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.classes import all_classes, class_named
from organelle.sampling import infer

NAMES = [c.name for c in all_classes()]


def inferred(**facts: int) -> dict[str, int]:
    """All that is known of one voxel after inference: 1 present, 0 absent."""
    present, known = (np.zeros((1, len(NAMES)), bool) for _ in range(2))
    for name, value in facts.items():
        present[0, NAMES.index(name)] = bool(value)
        known[0, NAMES.index(name)] = True
    present, known = infer(present, known)
    return {name: int(present[0, i]) for i, name in enumerate(NAMES) if known[0, i]}


def test_a_leaf_implies_its_groups_and_excludes_all_that_shares_nothing_with_it() -> None:
    all_known = inferred(mito_mem=1)
    assert {name for name, value in all_known.items() if value} == {"mito_mem", "mito", "cell"}
    assert all_known["mito_lum"] == all_known["er"] == all_known["ecs"] == all_known["pm"] == 0
    assert set(all_known) == set(NAMES)


def test_a_group_implies_wider_groups_and_excludes_foreign_ones_but_names_no_member() -> None:
    known = inferred(ne=1)
    assert known["er"] == known["nuc"] == known["cell"] == 1
    assert known["mito"] == known["ecs"] == 0
    assert not {"ne_mem", "ne_lum", "np"} & set(known)


@pytest.mark.parametrize(
    ("facts", "follows"),
    [
        ({"np_out": 0, "np_in": 0}, {"np": 0}),
        ({"np": 0}, {"np_out": 0, "np_in": 0}),
        ({"cell": 0}, {"mito": 0, "mito_mem": 0, "nuc": 0, "pm": 0}),
        ({"er": 0}, {"ne": 0, "np": 0, "np_in": 0, "er_mem": 0}),
        ({"ecs": 1}, {"cell": 0, "mito": 0}),
    ],
)
def test_absence_goes_from_all_members_to_the_group_and_from_the_group_to_all(
    facts: dict[str, int], follows: dict[str, int]
) -> None:
    known = inferred(**facts)
    assert {name: known.get(name) for name in follows} == follows


@pytest.mark.parametrize("facts", [{}, {"np_out": 0}, {"mito": 0}, {"ecs": 0}])
def test_nothing_is_made_up(facts: dict[str, int]) -> None:
    members = {c.name for name in facts for c in all_classes() if c.id in class_named(name).ids}
    assert set(inferred(**facts)) == members


def test_an_annotation_wins_over_what_others_would_say() -> None:
    known = inferred(mito_mem=1, er_mem=1, cell=0)
    assert (known["mito_mem"], known["er_mem"], known["cell"]) == (1, 1, 0)


def test_a_contradiction_leaves_unknown_what_it_is_about() -> None:
    known = inferred(mito_mem=1, er_mem=1)
    assert "mito" not in known
    assert "er" not in known
    assert known["cell"] == 1
    assert known["ecs"] == 0


@settings(deadline=None)
@given(st.sampled_from(all_classes()), st.sets(st.sampled_from(NAMES)))
def test_inference_from_part_of_a_truth_never_contradicts_it(leaf: object, annotated: set[str]) -> None:
    truth = {c.name: int(leaf.id in c.ids) for c in all_classes()}  # type: ignore[attr-defined]
    if leaf.is_group:  # type: ignore[attr-defined]
        truth = dict.fromkeys(truth, 0)
    known = inferred(**{name: truth[name] for name in annotated})
    assert known == {name: truth[name] for name in known}
    assert annotated <= set(known)


def test_the_empty_table_is_fine() -> None:
    present, known = infer(np.zeros((0, len(NAMES)), bool), np.zeros((0, len(NAMES)), bool))
    assert present.shape == known.shape == (0, len(NAMES))
