"""The section [process] and its tables per class."""

from __future__ import annotations

import pytest

from organelle.classes import Kind, scored_classes
from organelle.errors import ClassNotFound, SettingsError
from organelle.process import ProcessSettings, Recipe
from organelle.settings import Settings, parse_settings


def parse(values) -> ProcessSettings:
    return parse_settings(ProcessSettings, values, "experiment.toml")


def test_a_class_without_a_word_has_what_is_built_in():
    recipe = ProcessSettings().recipe("mito")
    assert recipe.threshold == 0.5
    assert recipe.min_volume_nm3 > 0
    assert ProcessSettings().recipe("pm") == Recipe()


def test_every_instance_class_drops_specks_and_no_semantic_class_does():
    for organelle in scored_classes():
        drops = ProcessSettings().recipe(organelle.name).min_volume_nm3 > 0
        assert drops == (organelle.scored_as is Kind.INSTANCE), organelle.name


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
