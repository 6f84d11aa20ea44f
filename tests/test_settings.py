from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from organelle.errors import FileMissing, SettingsError
from organelle.settings import Settings, key_docs, parse_settings, read_toml


class Inner(Settings):
    threshold: float = 0.5
    """Probability above which a voxel belongs to the class."""


class Outer(Settings):
    steps: int = Field(default=100, ge=1)
    inner: Inner = Inner()


def test_values_replace_defaults() -> None:
    found = parse_settings(Outer, {"steps": 5, "inner": {"threshold": 0.7}}, "run.toml")
    assert found == Outer(steps=5, inner=Inner(threshold=0.7))
    assert parse_settings(Outer, {}, "run.toml") == Outer()


def test_a_misspelt_key_names_the_nearest_at_any_depth() -> None:
    with pytest.raises(SettingsError, match=r"run\.toml: unknown key 'stepz'; nearest: steps"):
        parse_settings(Outer, {"stepz": 5}, "run.toml")
    with pytest.raises(SettingsError, match=r"unknown key 'inner.treshold'; nearest: threshold"):
        parse_settings(Outer, {"inner": {"treshold": 1}}, "run.toml")
    with pytest.raises(SettingsError, match="unknown key 'qqq'; known: steps, inner"):
        parse_settings(Outer, {"qqq": 1}, "run.toml")


def test_all_problems_come_at_once_with_what_was_found() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(Outer, {"steps": 0, "inner": {"threshold": "high"}, "extra": 1}, "run.toml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert any("steps" in line and "found 0" in line for line in lines)
    assert any("inner.threshold" in line and "'high'" in line for line in lines)


def test_a_default_that_follows_from_a_faulty_key_is_no_second_problem() -> None:
    class Patches(Settings):
        shape: int
        stride: int = Field(default_factory=lambda given: given["shape"] // 2)

    assert parse_settings(Patches, {"shape": 8}, "run.toml").stride == 4
    with pytest.raises(SettingsError) as caught:
        parse_settings(Patches, {"shape": "wide"}, "run.toml")
    assert len(str(caught.value).splitlines()) == 1


def test_settings_cannot_be_changed_and_document_their_fields() -> None:
    with pytest.raises(ValidationError):
        Inner().threshold = 0.1  # type: ignore[misc]
    assert key_docs(Inner) == {"threshold": "Probability above which a voxel belongs to the class."}


def test_keys_of_a_wider_record_are_documented_in_a_narrower_one() -> None:
    class Narrower(Inner):
        size: int = 3
        """In voxels,
        not in nm."""
        bare: int = 0

    assert key_docs(Narrower) == {**key_docs(Inner), "size": "In voxels,\nnot in nm."}


def test_toml_is_read_or_explained(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[train]\nsteps = 3\n")
    assert read_toml(file) == {"train": {"steps": 3}}
    file.write_text("[train\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        read_toml(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not valid TOML"):
        read_toml(file)
    with pytest.raises(FileMissing, match="no experiment file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(FileMissing):
        read_toml(tmp_path)


class Round(Settings):
    kind: Literal["round"] = "round"
    radius: float = 1.0


class Square(Settings):
    kind: Literal["square"] = "square"
    edge: float = 1.0


class Shapes(Settings):
    plain: tuple[Inner, ...] = ()
    shapes: tuple[Annotated[Round | Square, Field(discriminator="kind")], ...] = ()
    where: Annotated[str, Field(alias="place")] = ""


def test_a_misspelt_key_in_a_list_of_records_names_the_nearest_of_its_own_kind() -> None:
    with pytest.raises(SettingsError, match=r"unknown key 'shapes\.1\.square\.edg'; nearest: edge"):
        parse_settings(Shapes, {"shapes": [{"kind": "round"}, {"kind": "square", "edg": 2}]}, "run.toml")
    with pytest.raises(SettingsError, match=r"unknown key 'plain\.0\.treshold'; nearest: threshold"):
        parse_settings(Shapes, {"plain": [{"treshold": 2}]}, "run.toml")
    with pytest.raises(SettingsError, match=r"unknown key 'plaice'; nearest: place"):
        parse_settings(Shapes, {"plaice": "here"}, "run.toml")
