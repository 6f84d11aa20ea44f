"""Settings as frozen records: each default stands once; an unknown key names the nearest known one."""

from __future__ import annotations

import ast
import inspect
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from organelle.errors import FileMissing, SettingsError, did_you_mean


class Settings(BaseModel):
    """Base of every room's section of the experiment file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=Settings)


@cache
def key_docs(kind: type[Settings]) -> Mapping[str, str]:
    """What each key of a record is for: the string that stands below it in the source.

    Keys without such a string are left out. The source is read when it is asked for, so that no command waits
    for it.
    """
    found: dict[str, str] = {}
    for record in reversed(kind.__mro__):
        if issubclass(record, Settings):
            found |= _own_docs(record)
    return found


def _own_docs(record: type[Settings]) -> Iterator[tuple[str, str]]:
    try:
        (written,) = ast.parse(dedent(inspect.getsource(record))).body
    except OSError:  # it was put together by a program
        return
    assert isinstance(written, ast.ClassDef)
    for key, below in pairwise(written.body):
        match key, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


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
        fields = _section(kind, place[:-1]).model_fields
        known = [field.alias or key for key, field in fields.items()]
        near = did_you_mean(place[-1], known) or f"; known: {', '.join(known)}"
        return f"unknown key {name!r}{near}"
    what = f"{problem['msg'].removeprefix('Value error, ')} (found {problem['input']!r})"
    return f"{name}: {what}" if name else what


def _section(kind: type[BaseModel], place: list[str]) -> type[BaseModel]:
    """The record type that a path of keys leads to, as far as it can be followed.

    In lists of records the path holds an index, and where there are several kinds of them, their tag.
    """
    choices: list[type[BaseModel]] = []
    for part in place:
        tagged = [choice for choice in choices if _tag(choice) == part]
        field = kind.model_fields.get(part)
        if tagged:
            kind, choices = tagged[0], []
        elif field:
            choices = list(_records(field.annotation))
            kind = choices[0] if len(choices) == 1 else kind
    return kind


def _records(annotation: Any) -> Iterator[type[BaseModel]]:
    """The record types that a value of this annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _records(inner)


def _tag(record: type[BaseModel]) -> object:
    return record.model_fields["kind"].default if "kind" in record.model_fields else None
