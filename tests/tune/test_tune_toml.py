"""Tuned recipes in the text of an experiment: all else stays as its author wrote it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from organelle.errors import SettingsError
from organelle.process import ProcessSettings
from organelle.settings import parse_settings
from organelle.tune import TunedSection, rewrite, space_of

HEAD = """# my first experiment
name = "first"  # a name

[model]
classes = ["mito", "pm"]  # two
"""


def changed(text: str, class_name: str, **values: Any) -> str:
    """The text with new values of parameters, whose names are written `part__key`."""
    raw = tomllib.loads(text).get("process", {})
    recipe = parse_settings(ProcessSettings, raw, "x").recipe(class_name)
    space = space_of(class_name, recipe)
    named = {p.name.replace(".", "__"): i for i, p in enumerate(space.parameters)}
    chosen = {named[name]: value for name, value in values.items()}
    new = rewrite(text, [TunedSection(space, chosen, "why")])
    after = parse_settings(ProcessSettings, tomllib.loads(new)["process"], "x").recipe(class_name)
    point = tuple(chosen.get(i, value) for i, value in enumerate(space.default))
    wanted = space.apply(point)
    assert wanted is not None
    assert after.steps(class_name) == wanted.steps(class_name)
    return new


def test_a_new_section_comes_last() -> None:
    assert changed(HEAD, "pm", threshold=0.4, fill_holes=True) == (
        HEAD + "\n# why\n[process.pm]\nthreshold = 0.4\nfill_holes = true\n"
    )


def test_what_holds_for_all_classes_still_holds() -> None:
    text = HEAD + "\n[process]\nthreshold = 0.6  # for all\n"
    new = changed(text, "mito", min_volume_nm3=1e5)
    assert new == text + "\n# why\n[process.mito]\nmin_volume_nm3 = 100000.0\n"


def test_keys_are_changed_where_they_stand() -> None:
    text = (
        HEAD + "\n# about mito\n[process.mito]\n# low, since it is thin\nthreshold = 0.4 # thin\n"
        "connectivity = 6\n\n# about pm\n[process.pm]\nthreshold = 0.3\n"
    )
    new = changed(text, "mito", threshold=0.37, grow_nm=16)
    assert new == (
        HEAD + "\n# about mito\n[process.mito]\n# why\n# low, since it is thin\n"
        "threshold = 0.37  # tuned; before: 0.4  # thin\n"
        "connectivity = 6\ngrow_nm = 16  # tuned\n\n# about pm\n[process.pm]\nthreshold = 0.3\n"
    )
    twice = changed(new, "pm", threshold=0.9)
    assert twice.startswith(new[: new.index("[process.pm]")])


PARTS = """
[[process.mito.parts]]
part = "smooth"
scale_nm = 10.0

[[process.mito.parts]]  # foreground
part = "hysteresis"
high = 0.8  # sure

[[process.mito.parts]]
part = "components"

[predict]
window = [
  1,
  2,
  3
]
"""


def test_keys_of_parts_are_changed_where_they_stand() -> None:
    new = changed(HEAD + PARTS, "mito", hysteresis__low=0.3, hysteresis__high=0.9, smooth__scale_nm=4.0)
    assert "scale_nm = 4.0  # tuned; before: 10.0" in new
    assert 'part = "hysteresis"\nhigh = 0.9  # tuned; before: 0.8  # sure\nlow = 0.3  # tuned\n' in new
    assert new.endswith(PARTS[PARTS.index("[predict]") :])


def test_parts_on_lines_that_cannot_be_changed_are_written_anew() -> None:
    inline = HEAD + (
        '\n[process.mito]\nparts = [\n  { part = "smooth", scale_nm = 10 },\n  { part = "threshold" },\n]\n'
        "\n[predict]\nmirrors = true\n"
    )
    new = changed(inline, "mito", threshold__threshold=0.3)
    assert new == HEAD + (
        "\n[predict]\nmirrors = true\n\n# why\n"
        '[[process.mito.parts]]\npart = "smooth"\nscale_nm = 10\n\n'
        '[[process.mito.parts]]\npart = "threshold"\nthreshold = 0.3\n'
    )


def test_parts_that_are_said_for_all_classes_are_written_for_one() -> None:
    text = HEAD + '\n[[process.parts]]\npart = "threshold"\n\n[[process.parts]]\npart = "components"\n'
    new = changed(text, "mito", threshold__threshold=0.3)
    assert new.startswith(text)
    assert new.count("[[process.mito.parts]]") == 2


def test_own_parts_keep_their_options() -> None:
    text = HEAD + (
        '\n[[process.mito.parts]]\npart = "own_foreground:Between"\nlow = 0.2\n'
        '\n[[process.mito.parts]]\npart = "components"\n'
    )
    new = changed(text, "mito", **{"own_foreground:Between__low": 0.4})
    assert "low = 0.4  # tuned; before: 0.2" in new


@pytest.mark.parametrize(
    "way", ["[process]\nmito.threshold = 0.4\n", "process = { mito = { threshold = 0.4 } }\n"]
)
def test_a_recipe_that_cannot_be_changed_is_named(way: str) -> None:
    text = way + HEAD if way.startswith("process") else HEAD + way
    with pytest.raises(SettingsError, match=r"write it as a section \[process.mito\]"):
        changed(text, "mito", threshold=0.3)
    assert changed(HEAD + "[process]\nmito.threshold = 0.4\n", "pm", threshold=0.3).endswith(
        "threshold = 0.3\n"
    )
