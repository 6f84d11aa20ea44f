"""Every class on both sides: held against a search of all splits, and on the real challenge."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from organelle.catalog import (
    Catalog,
    Crop,
    Dataset,
    Datasplit,
    crop_groups,
    load_catalog,
    make_datasplit,
    make_folds,
)
from organelle.classes import scored_classes
from organelle.errors import CropNotFound, DatasetNotFound, SettingsError
from organelle.geometry import Grid

NAMES = ("ecs", "pm", "mito", "er", "nuc", "ld")
SCORED = tuple(c.name for c in scored_classes())


def catalog_of(*contents: str, places: list[float] | None = None, datasets: str = "a") -> Catalog:
    """A crop for each text of classes; 80 nm wide, and 500 nm apart unless `places` says where."""
    crops = {}
    for i, text in enumerate(contents):
        z = 500.0 * i if places is None else places[i]
        grid = Grid((8.0, 8.0, 8.0), (z, 0.0, 0.0), (10, 10, 10))
        crops[i] = Crop(i, datasets[i % len(datasets)], grid, tuple(text.split()))
    return Catalog("drawn", {name: Dataset(name) for name in datasets}, crops, {})


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    contents = draw(st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=4), min_size=2, max_size=8))
    places = [70.0 * draw(st.integers(0, 30)) for _ in contents]
    return catalog_of(*(" ".join(sorted(names)) for names in contents), places=places)


def holds(crops: tuple[Crop, ...], name: str) -> bool:
    return any(name in crop.classes for crop in crops)


def lopsided(split: Datasplit) -> set[str]:
    """Classes of two or more groups that stand on one side only."""
    groups = crop_groups((*split.train, *split.validate))
    shared = {n for n in split.classes if sum(holds(group, n) for group in groups) > 1}
    return {n for n in shared if not (holds(split.train, n) and holds(split.validate, n))}


def every_class_can_be_shared(catalog: Catalog) -> bool:
    groups = crop_groups(catalog.train_crops.values())
    shared = {n for n in NAMES if sum(holds(group, n) for group in groups) > 1}
    for sides in product((0, 1), repeat=len(groups)):
        found = [
            {n for g, s in zip(groups, sides, strict=True) if s == w for c in g for n in c.classes}
            for w in (0, 1)
        ]
        if 0 < sum(sides) < len(groups) and shared <= found[0] & found[1]:
            return True
    return False


@settings(max_examples=120)
@given(catalogs(), st.integers(0, 99), st.sampled_from([0.05, 0.2, 0.5]))
def test_classes_stand_on_both_sides_wherever_any_split_can_do_that(
    catalog: Catalog, seed: int, ratio: float
) -> None:
    split = make_datasplit(catalog, stratify=True, validate_ratio=ratio, seed=seed)
    assert split.leaks == ()
    assert sorted(c.id for c in (*split.train, *split.validate)) == sorted(catalog.train_crops)
    assert split == make_datasplit(catalog, stratify=True, validate_ratio=ratio, seed=seed)
    if len(crop_groups(catalog.train_crops.values())) > 1:
        assert split.train
        assert split.validate
        assert bool(lopsided(split)) is not every_class_can_be_shared(catalog)


def test_where_three_classes_go_round_in_a_ring_one_has_to_give_way() -> None:
    for seed in range(5):
        split = make_datasplit(catalog_of("mito er", "er nuc", "nuc mito"), stratify=True, seed=seed)
        assert len(lopsided(split)) == 1


def test_a_long_chain_of_pairs_is_coloured_in_turn() -> None:
    chain = [f"{a} {b}" for a, b in zip(("", *SCORED[:40]), (*SCORED[:40], ""), strict=True)]
    split = make_datasplit(catalog_of(*chain), stratify=True)
    assert lopsided(split) == set()
    assert {c.id % 2 for c in split.train} != {c.id % 2 for c in split.validate}


def test_a_class_of_one_group_stays_in_training() -> None:
    crops = ["mito er"] * 9 + ["mito er ld"]
    for seed in range(10):
        split = make_datasplit(catalog_of(*crops), stratify=True, seed=seed)
        assert 9 in {c.id for c in split.train}
        assert len(split.validate) == 1


def test_the_share_of_each_class_is_near_the_ratio() -> None:
    crops = ["mito"] * 40 + ["er"] * 20 + ["nuc"] * 8
    for seed in range(5):
        split = make_datasplit(catalog_of(*crops), stratify=True, validate_ratio=0.25, seed=seed)
        assert split.crops_per_class() == {"mito": (30, 10), "er": (15, 5), "nuc": (6, 2)}


@pytest.mark.parametrize("ratio", [0.02, 0.1, 0.5])
def test_all_classes_of_the_challenge_stand_on_both_sides(ratio: float) -> None:
    challenge = load_catalog()
    drawn = {make_datasplit(challenge, stratify=True, validate_ratio=ratio, seed=s) for s in range(3)}
    assert len(drawn) == 3
    for split in drawn:
        assert split.leaks == ()
        assert set(split.classes) == set(SCORED)
        assert abs(len(split.validate) - ratio * 289) <= 2
        for name, (train, held) in split.crops_per_class().items():
            assert train > 0, name
            assert abs(held - ratio * (train + held)) <= 2, name
            assert held > 0, name


def test_forced_sides_hold_when_stratified() -> None:
    catalog = catalog_of(*["mito er"] * 6, *["mito"] * 3)
    wish = {"classes": ["mito", "er"], "stratify": True, "validate_ratio": 0.3}
    for seed in range(5):
        split = make_datasplit(catalog, seed=seed, force_all_classes="train", **wish)  # type: ignore[arg-type]
        assert {6, 7, 8} <= {c.id for c in split.validate}
        assert lopsided(split) == set()
        split = make_datasplit(catalog, seed=seed, force_all_classes="validate", **wish)  # type: ignore[arg-type]
        assert {6, 7, 8} <= {c.id for c in split.train}


def test_a_dataset_is_held_out_with_all_of_its_crops() -> None:
    catalog = catalog_of(*["mito er", "er", "mito"] * 4, datasets="abcd")
    split = make_datasplit(catalog, hold_out=["b"])
    assert {c.dataset for c in split.train} == {"a", "c", "d"}
    assert [c.id for c in split.validate] == [1, 5, 9]
    two = make_datasplit(catalog, hold_out=["b", "d"], datasets=["a"])
    assert ({c.dataset for c in two.train}, {c.dataset for c in two.validate}) == ({"a"}, {"b", "d"})
    both = {"classes": ["mito", "er"], "hold_out": ["b"]}
    full = make_datasplit(catalog, force_all_classes="validate", **both)  # type: ignore[arg-type]
    assert [c.id for c in full.validate] == [9]
    assert len(full.train) == 9


def test_what_cannot_be_held_out_is_explained() -> None:
    catalog = catalog_of("mito", "er", datasets="ab")
    with pytest.raises(DatasetNotFound, match="it holds: a, b"):
        make_datasplit(catalog, hold_out=["nowhere"])
    with pytest.raises(SettingsError, match="nothing is left to learn from when a, b"):
        make_datasplit(catalog, hold_out=["a", "b"])
    with pytest.raises(CropNotFound, match="left to hold out of b"):
        make_datasplit(catalog, hold_out=["b"], classes=["mito"])


@given(catalogs(), st.integers(2, 5), st.booleans(), st.integers(0, 99))
def test_every_group_is_held_out_in_exactly_one_fold(
    catalog: Catalog, folds: int, stratify: bool, seed: int
) -> None:
    if len(crop_groups(catalog.train_crops.values())) < folds:
        with pytest.raises(SettingsError, match="folds cannot be made"):
            make_folds(catalog, folds, stratify=stratify)
        return
    made = make_folds(catalog, folds, stratify=stratify, seed=seed)
    assert sorted(c.id for split in made for c in split.validate) == sorted(catalog.train_crops)
    for split in made:
        assert split.leaks == ()
        assert split.validate
        assert len(split.train) + len(split.validate) == len(catalog.train_crops)
    assert made == make_folds(catalog, folds, stratify=stratify, seed=seed)


def test_folds_deal_rare_classes_evenly_only_when_stratified() -> None:
    catalog = catalog_of(*["mito"] * 20, *["ld mito"] * 5)
    for seed in range(5):
        made = make_folds(catalog, 5, stratify=True, seed=seed)
        assert [split.crops_per_class() for split in made] == [{"mito": (20, 5), "ld": (4, 1)}] * 5
    plain = [make_folds(catalog, 5, seed=seed) for seed in range(5)]
    assert any(s.crops_per_class()["ld"] != (4, 1) for made in plain for s in made)


def test_every_fold_of_the_challenge_holds_all_classes_on_both_sides() -> None:
    made = make_folds(load_catalog(), 5, stratify=True)
    for split in made:
        assert set(split.classes) == set(SCORED)
        assert min(min(sides) for sides in split.crops_per_class().values()) > 0
        assert abs(len(split.validate) - 289 / 5) <= 3


def test_folds_cannot_force_one_side() -> None:
    with pytest.raises(SettingsError, match="every crop trains and validates"):
        make_folds(catalog_of("mito", "mito"), 2, classes=["mito"], force_all_classes="train")
