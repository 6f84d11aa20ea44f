"""The section [process] and its tables per class."""

from __future__ import annotations

import pytest

from organelle.classes import Kind, scored_classes
from organelle.errors import ClassNotFound, SettingsError
from organelle.process import ProcessSettings, Recipe
from organelle.process.defaults import BUILT_IN_PARTS
from organelle.settings import Settings, parse_settings


def parse(values) -> ProcessSettings:
    return parse_settings(ProcessSettings, values, "experiment.toml")


def test_a_class_without_a_word_has_what_is_built_in():
    names = [part.part for part in ProcessSettings().recipe("mito").parts]
    assert names == ["smooth", "threshold", "split", "keep_largest", "min_volume"]
    assert ProcessSettings().recipe("pm") == Recipe()


def test_a_class_with_a_word_has_the_plain_recipe():
    assert parse({"mito": {"threshold": 0.5}}).recipe("mito") == Recipe(min_volume_nm3=2e6)


def test_the_best_built_in_recipe_is_taken_that_needs_only_what_is_predicted():
    settings = ProcessSettings()
    best, simpler = settings.recipe("ves", ["ves", "ves_lum"]), settings.recipe("ves", ["ves", "pm"])
    assert best.parts[2].part == "watershed"
    assert best.reads("ves") == ("ves", "ves_lum")
    assert simpler.parts[2].part == "split"
    assert settings.recipe("ves") == simpler
    assert settings.simpler_than("ves", simpler) == ("ves_lum",)
    assert settings.simpler_than("ves", best) == settings.simpler_than("pm", Recipe()) == ()


def test_look_alikes_compete_where_all_of_them_are_predicted():
    settings = ProcessSettings()
    rivals = ["endo", "lyso", "ld", "perox"]
    first = [settings.recipe("perox", predicted).parts[0].part for predicted in (rivals, rivals[1:])]
    assert first == ["compete", "smooth"]
    assert settings.recipe("endo", [*rivals[:3], "endo_lum"]) == settings.recipe("endo", ["endo_lum"])


@pytest.mark.parametrize("name", sorted(BUILT_IN_PARTS))
def test_every_built_in_recipe_makes_objects_and_the_last_needs_its_class_alone(name):
    recipes = [Recipe.model_validate({"parts": parts}) for parts in BUILT_IN_PARTS[name]]
    assert recipes[-1].needs(name) == {name}
    for recipe in recipes:
        assert ProcessSettings().recipe(name, recipe.needs(name)) == recipe
        for part in recipe.parts:
            part.check(name)


def test_every_instance_class_drops_specks_and_no_semantic_class_does():
    for organelle in scored_classes():
        recipe = parse({organelle.name: {"threshold": 0.5}}).recipe(organelle.name)
        assert (recipe.min_volume_nm3 > 0) == (organelle.scored_as is Kind.INSTANCE), organelle.name


def test_the_special_counts_before_the_general_before_the_built_in():
    settings = parse({"threshold": 0.4, "min_volume_nm3": 9, "mito": {"min_volume_nm3": 7}, "pm": {}})
    assert settings.recipe("mito") == Recipe(threshold=0.4, min_volume_nm3=7)
    assert settings.recipe("cell") == Recipe(threshold=0.4, min_volume_nm3=9, connectivity=6)
    assert settings.recipe("pm") == Recipe(threshold=0.4, min_volume_nm3=9)


def test_a_default_value_said_for_a_class_counts_too():
    settings = parse({"threshold": 0.4, "mito": {"threshold": 0.5, "min_volume_nm3": 0}})
    assert settings.recipe("mito") == Recipe()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"treshold": 0.4}, r"unknown key 'treshold'; nearest: threshold"),
        ({"cell": {"treshold": 0.4}}, r"unknown key 'cell.treshold'; nearest: threshold"),
        ({"mitto": {"threshold": 0.4}}, r"unknown key 'mitto'; nearest: mito"),
        ({"cell": {"minus": ["pn"]}}, r"cell.minus: 'pn' is not an organelle class; nearest: .*np"),
        ({"threshold": 1.5}, r"threshold: .*less than or equal to 1"),
        ({"threshold": 0}, r"threshold: .*greater than 0"),
        ({"connectivity": 18}, "connectivity"),
        ({"grow_nm": -1}, "grow_nm"),
        ({"block_shape": [0, 4, 4]}, "block_shape: a block has three sizes"),
    ],
)
def test_what_cannot_be_used_is_named(values, message):
    with pytest.raises(SettingsError, match=message):
        parse(values)


def test_a_misspelt_key_is_also_named_within_a_larger_record():
    class Experiment(Settings):
        process: ProcessSettings

    with pytest.raises(SettingsError, match=r"unknown key 'process.cell.minuss'; nearest: minus"):
        parse_settings(Experiment, {"process": {"cell": {"minuss": []}}}, "experiment.toml")


def test_a_class_cannot_be_subtracted_from_itself():
    with pytest.raises(SettingsError, match=r"\[process.cell\].*itself"):
        parse({"minus": ["cell"]}).recipe("cell")


def test_an_unknown_class_has_no_recipe():
    with pytest.raises(ClassNotFound, match="mito"):
        ProcessSettings().recipe("mitto")
