"""Recipes as lists of parts: what TOML says, what is refused, and what `process` makes of it."""

from __future__ import annotations

import json
import pickle
from typing import Annotated

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import ndimage
from test_process import CATALOG, CROP, GRID, processed_path, result, stored, use, work, write  # noqa: F401

from organelle.errors import FileMissing, RecipeError, SettingsError
from organelle.process import PARTS, ProcessSettings, Recipe, apply_recipe, make_part, plan_process, process
from organelle.process.recipes import FLAT
from organelle.settings import key_docs, parse_settings

OBJECTS = [
    {"part": "smooth", "scale_nm": 10},
    {"part": "hysteresis", "low": 0.4, "high": 0.7},
    {"part": "close_gaps", "radius_nm": 16},
    {"part": "components", "connectivity": 6},
    {"part": "fill_holes"},
    {"part": "min_volume", "volume_nm3": 10 * 512},
    {"part": "grow", "distance_nm": 16, "threshold": 0.3},
    {"part": "vote", "against": ["pm"]},
    {"part": "renumber"},
]


def parts_of(*tables, name="mito", **more):
    return use(**{name: {"parts": list(tables)}}, **more)


def test_parts_follow_each_other(work):  # noqa: F811
    process(CATALOG, [1], work=work, classes=["mito"], settings=parts_of(*OBJECTS[:4]))
    smooth = ndimage.gaussian_filter(
        stored(work, "mito").astype(np.float32) / np.float32(255), 1.25, mode="nearest", radius=4
    )
    labels, _ = ndimage.label(smooth >= 0.4, np.ones((3, 3, 3)))
    mask = np.isin(labels, np.unique(labels[smooth >= 0.7])) & (labels > 0)
    ball = np.sum(np.square(np.mgrid[-2:3, -2:3, -2:3]), 0) <= 4
    closed = ndimage.binary_erosion(ndimage.binary_dilation(mask, ball), ball, border_value=1)
    expected = cc3d.connected_components(closed.astype(np.uint8), connectivity=6)
    np.testing.assert_array_equal(result(work, "mito"), expected)
    assert expected.max() > 1


@settings(max_examples=4, deadline=None)
@given(block=st.tuples(*[st.integers(6, 28)] * 3))
def test_a_long_recipe_gives_the_same_for_any_blocks(long_recipe, block):
    folder, probabilities = long_recipe
    how = parts_of(*OBJECTS, block_shape=block)
    process(CATALOG, [1], work=folder, classes=["mito"], settings=how, overwrite=True)
    expected = apply_recipe(probabilities, "mito", how.recipe("mito"), GRID.voxel_size_nm)
    np.testing.assert_array_equal(result(folder, "mito"), expected)
    assert expected.max() > 1


@pytest.fixture(scope="module")
def long_recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    noise = ndimage.gaussian_filter(
        np.random.default_rng(5).normal(size=(2, *GRID.shape)), (0, 1.5, 1.5, 1.5)
    )
    values = 1 / (1 + np.exp(-4 * (noise / noise.std() - 1.2)))
    for name, one in zip(("mito", "pm"), values, strict=True):
        write(folder, name, one)
    return folder, {name: stored(folder, name).astype(np.float32) / 255 for name in ("mito", "pm")}


def test_the_flat_keys_are_short_for_parts():
    flat = Recipe(threshold=0.4, minus=("pm",), min_volume_nm3=5, fill_holes=True, grow_nm=8)
    assert [part.part for part in flat.steps("cell")] == [
        *("threshold", "subtract", "components", "min_volume", "fill_holes", "grow")
    ]
    assert [part.part for part in flat.steps("pm")] == [
        *("threshold", "subtract", "min_volume", "fill_holes", "grow")
    ]
    assert [part.part for part in Recipe().steps("er")] == ["threshold"]
    assert flat.reads("cell") == ("cell", "pm")


def test_parts_said_for_a_class_are_its_whole_recipe():
    own, every = [{"part": "threshold", "threshold": 0.3}], [{"part": "hysteresis"}]
    said = use(threshold=0.4, mito={"parts": own}, cell={"grow_nm": 8})
    assert said.recipe("mito").parts == (make_part(own[0]),)
    assert said.recipe("cell") == Recipe(threshold=0.4, grow_nm=8, min_volume_nm3=1e5, connectivity=6)
    general = use(parts=every, mito={"parts": own}, cell={"grow_nm": 8})
    assert general.recipe("er").parts == (make_part(every[0]),)
    assert general.recipe("mito").parts == (make_part(own[0]),)
    assert not general.recipe("cell").parts


@pytest.mark.parametrize("table", OBJECTS, ids=lambda table: table["part"])
def test_a_part_survives_json_and_pickle(table):
    recipe = Recipe.model_validate({"parts": [table]}) if table["part"] == "hysteresis" else None
    part = make_part(table)
    assert make_part(json.loads(part.model_dump_json())) == pickle.loads(pickle.dumps(part)) == part
    if recipe:
        again = recipe.model_dump(mode="json", exclude=set(FLAT))
        assert Recipe.model_validate(again).parts == recipe.parts


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            [{"part": "treshold"}],
            r"mito.parts.0: there is no part 'treshold'; nearest: threshold.*; built in",
        ),
        ([{"threshold": 0.5}], r"parts.0: a part is a table that says which"),
        (["threshold"], r"parts.0: a part is a table that says which"),
        ([{"part": "threshold", "treshold": 1}], r"threshold: unknown key 'treshold'; nearest: threshold"),
        ([{"part": "threshold", "threshold": 7}], r"threshold: threshold: .*less than or equal to 1"),
        ([{"part": "hysteresis", "low": 0.8}], r"high \(0.7\) must not be below low \(0.8\)"),
        ([{"part": "components"}], r"components \(number 1 of the parts\) takes mask or labels.*threshold"),
        ([{"part": "smooth", "scale_nm": 9}], r"the last part, smooth, gives probabilities"),
        ([{"part": "threshold"}, {"part": "vote", "against": ["er"]}], r"vote \(number 2.*and components"),
        ([{"part": "threshold"}, {"part": "smooth", "scale_nm": 9}], r"gets mask; it comes before thresh"),
        ([{"part": "consistent"}, {"part": "threshold"}], r"needs members, groups or both"),
        ([{"part": "subtract", "classes": ["mitto"]}], r"'mitto' is not an organelle class; nearest: mito"),
        ([{"part": "nowhere_at_all:Name"}], r"no module 'nowhere_at_all' can be imported"),
        ([{"part": "own_parts:Sharpn"}], r"own_parts has no 'Sharpn'; nearest: Sharpen"),
        ([{"part": "own_parts:Sharpen", "powr": 2}], r"unknown key 'powr'; nearest: power"),
        ([{"part": "own_parts:EverySecond", "first": 2}], r"EverySecond\(first=2\) fails: .*unexpected key"),
        ([{"part": "own_parts:no_part"}], r"makes a dict without apply\(layer, site\) -> Layer"),
        ([{"part": "own_parts:NUMBER"}], r"NUMBER is a int; a part is made by calling"),
    ],
)
def test_what_cannot_be_a_recipe_is_named(parts, message):
    with pytest.raises(SettingsError, match=message):
        parse_settings(ProcessSettings, {"mito": {"parts": parts}}, "experiment.toml")


def test_parts_and_keys_do_not_mix():
    with pytest.raises(SettingsError, match=r"mito: parts stand instead of grow_nm, threshold"):
        use(mito={"parts": [{"part": "threshold"}], "threshold": 0.4, "grow_nm": 3})


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("mito", {"part": "compete", "against": ["mito_mem"]}, r"\[process.mito\] mito and mito_mem can be"),
        ("mito", {"part": "consistent", "members": ["er_mem"]}, r"er_mem is no member of mito"),
        ("mito", {"part": "consistent", "groups": ["er"]}, r"mito is no member of er"),
        ("mito", {"part": "union", "classes": ["mito"]}, None),
    ],
)
def test_what_the_table_of_classes_forbids_is_named(name, part, message):
    said = parts_of(part, {"part": "threshold"}, name=name)
    if message is None:
        assert said.recipe(name).reads(name) == (name,)
    else:
        with pytest.raises(SettingsError, match=message):
            said.recipe(name)


def test_own_parts_come_in_by_import_path(work):  # noqa: F811
    own = {"part": "own_parts:Sharpen", "power": 3}
    even = {"part": "own_parts:EverySecond"}
    said = parts_of(own, {"part": "threshold", "threshold": 0.2}, {"part": "components"}, even)
    report = process(CATALOG, [1], work=work, classes=["mito"], settings=said)
    mito, pm = (stored(work, name).astype(np.float32) / 255 for name in ("mito", "pm"))
    labels = cc3d.connected_components(np.maximum(mito**3 - pm, 0) >= 0.2)
    expected = np.where(labels % 2 == 0, labels // 2, 0)
    np.testing.assert_array_equal(result(work, "mito"), expected)
    assert report.results[0].objects == expected.max() > 1
    assert process(CATALOG, [1], work=work, classes=["mito"], settings=said).written == ()
    task = plan_process(CATALOG, [1], work=work, classes=["mito"], settings=said, overwrite=True).tasks[0]
    assert list(task.predictions) == ["mito", "pm"]
    assert task.way["recipe"]["parts"][0] == own
    assert pickle.loads(pickle.dumps(task)).recipe.model_dump() == task.recipe.model_dump()


def test_a_part_that_gives_another_shape_is_refused(work):  # noqa: F811
    said = parts_of({"part": "threshold"}, {"part": "own_parts:Smaller"})
    with pytest.raises(RecipeError, match=r"own_parts:Smaller gave Layer \(23, 26, 28\); a part gives a"):
        process(CATALOG, [1], work=work, classes=["mito"], settings=said)


def test_finished_objects_of_another_class_come_first(work):  # noqa: F811
    inside = {"part": "restrict", "to": "cell", "finished": True, "grow_nm": 8}
    said = parts_of({"part": "threshold"}, inside, cell={"min_volume_nm3": 1e6})
    plan = plan_process(CATALOG, [1], work=work, classes=["mito"], settings=said)
    assert [task.class_name for task in plan.tasks] == ["cell", "mito"]
    process(CATALOG, [1], work=work, classes=["mito"], settings=said)
    near = ndimage.binary_dilation(result(work, "cell") > 0)
    expected = cc3d.connected_components((stored(work, "mito") >= 128) & near)
    np.testing.assert_array_equal(result(work, "mito"), expected)
    changed = use(mito={"parts": [{"part": "threshold"}, inside]}, cell={"min_volume_nm3": 2e6})
    with pytest.raises(Exception, match="cell was made by another recipe"):
        plan_process(CATALOG, [1], work=work, classes=["mito"], settings=changed)


def test_recipes_that_wait_for_each_other_are_refused(work):  # noqa: F811
    def needs(name):
        return {"parts": [{"part": "threshold"}, {"part": "restrict", "to": name, "finished": True}]}

    said = use(mito=needs("cell"), cell=needs("pm"), pm=needs("cell"))
    with pytest.raises(SettingsError, match="each other's objects: cell -> pm -> cell"):
        plan_process(CATALOG, [1], work=work, classes=["mito"], settings=said)
    with pytest.raises(FileMissing, match="er, which the recipe of mito needs, is not predicted"):
        plan_process(CATALOG, [1], work=work, classes=["mito"], settings=use(mito=needs("er")))


def test_specks_are_stopped_with_a_reason_and_other_classes_go_on(work):  # noqa: F811
    dots = np.zeros(GRID.shape)
    dots[::2, ::2, ::2] = 1
    write(work, "mito", dots)
    inside = {"parts": [{"part": "threshold"}, {"part": "restrict", "to": "mito", "finished": True}]}
    said = use(most_pieces=1000, block_shape=[8, 26, 28], cell=inside, mito={"threshold": 0.5})
    with pytest.raises(RecipeError) as stopped:
        process(CATALOG, [1], work=work, settings=said)
    first, second = str(stopped.value).splitlines()
    assert first.startswith("liver/crop1/mito: components found 1,456 pieces in the first 11,648 voxels")
    assert "Raise the threshold, or smooth before it; or let it have more with most_pieces" in first
    assert second == "liver/crop1/cell: needs the objects of mito, which was stopped"
    assert result(work, "pm").any()
    assert not processed_path(work, CROP, "mito").exists()


def test_a_recipe_falls_back_on_what_is_predicted():
    said = use(
        cell={"minus": ["pm", "er"]}, mito={"parts": [{"part": "union", "classes": ["er"]}, OBJECTS[1]]}
    )
    assert said.recipe_within("cell", ["cell", "pm"]).minus == ("pm",)
    assert said.recipe_within("mito", ["mito", "er"]).parts
    assert said.recipe_within("mito", ["mito"]) == Recipe(min_volume_nm3=2e6)


def test_every_part_says_what_its_keys_are_for_and_which_may_be_searched():
    searched = set()
    for name, kind in PARTS.items():
        assert kind.__doc__, name
        for key, field in kind.model_fields.items():
            assert key == "part" or key in key_docs(kind), f"{name}.{key}"
            extra = field.json_schema_extra
            if isinstance(extra, dict) and "low" in extra["tune"]:
                low, high, log = (extra["tune"][word] for word in ("low", "high", "log"))
                bounds = TypeAdapter(Annotated[field.annotation, *field.metadata])
                assert bounds.validate_python(low) < bounds.validate_python(high), f"{name}.{key}"
                assert low > 0 or not log, f"{name}.{key}"
                searched.add(f"{name}.{key}")
    assert {"threshold.threshold", "smooth.scale_nm", "min_volume.volume_nm3", "grow.distance_nm"} <= searched
