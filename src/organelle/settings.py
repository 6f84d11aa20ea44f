"""Settings as frozen records: each default stands once; an unknown key names the nearest known one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from organelle.errors import FileMissing, SettingsError, did_you_mean


class Settings(BaseModel):
    """Base of every room's section of the experiment file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


S = TypeVar("S", bound=Settings)

_DERIVED = "default_factory_not_called"
"""A default that follows from another key, which is what is wrong: that one is reported anyway."""


def parse_settings(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """`values` as a checked record of `kind`; `where` names the file or section in errors.

    Raises:
        SettingsError: all problems at once; unknown keys with the nearest known one.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        problems = [_explain(kind, problem) for problem in error.errors() if problem["type"] != _DERIVED]
        raise SettingsError("\n".join(f"{where}: {problem}" for problem in problems)) from None


def read_toml(path: Path | str) -> dict[str, Any]:
    """The tables of a TOML file; `SettingsError` says where it is broken."""
    try:
        with Path(path).open("rb") as stream:
            return tomllib.load(stream)
    except (FileNotFoundError, IsADirectoryError):
        raise FileMissing(f"no experiment file at {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _explain(kind: type[BaseModel], problem: Any) -> str:
    place = [str(part) for part in problem["loc"]]
    name = ".".join(place)
    if problem["type"] == "extra_forbidden":
        known = _section(kind, place[:-1]).model_fields
        near = did_you_mean(place[-1], known) or f"; known: {', '.join(known)}"
        return f"unknown key {name!r}{near}"
    return f"{name}: {problem['msg'].removeprefix('Value error, ')} (found {problem['input']!r})"


def _section(kind: type[BaseModel], place: list[str]) -> type[BaseModel]:
    """The record type that a path of keys leads to, as far as it can be followed."""
    for part in place:
        field = kind.model_fields.get(part)
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return kind
