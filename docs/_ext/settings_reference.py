"""The directive `{settings} package.module:Record`: the keys of a section of the experiment file."""

from __future__ import annotations

import importlib
import inspect
import json
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from organelle.settings import Settings, key_docs

WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}


def record_at(place: str) -> Any:
    """The settings record (or table of records) that `package.module:Name` names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def sections(record: type[Settings]) -> Iterator[tuple[str, type[Settings], type[Settings]]]:
    """The sections below a record, depth first: the TOML heading, the record behind it, the one above it.

    Sections of one kind under many names, as in `[process.mito]`, come once, as `[process.CLASS]`.
    """
    inner = {
        key: kind for key, field in record.model_fields.items() if (kind := section_of(field.annotation))
    }
    names: dict[type[Settings], list[str]] = {}
    for key, kind in inner.items():
        names.setdefault(kind, []).append(key)
    for kind, keys in names.items():
        heading = keys[0] if len(keys) == 1 else "CLASS"
        yield heading, kind, record
        for below, deeper, above in sections(kind):
            yield f"{heading}.{below}", deeper, above


def section_lines(heading: str, record: type[Settings], above: type[Settings]) -> Iterator[str]:
    """A section with its heading; one that only repeats the keys above it says just that."""
    yield from (f"## `[{heading}]`", "", inspect.cleandoc(record.__doc__ or ""), "")
    if record.model_fields.keys() <= above.model_fields.keys():
        yield f"The keys of `[{heading.rpartition('.')[0]}]`, for one class alone."
        yield ""
    else:
        yield from key_lines(record)


def section_of(annotation: Any) -> type[Settings] | None:
    """The record in `Record`, `Record | None` or `Mapping[str, Record]`; None for a plain value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Settings):
            return kind
    return None


def key_lines(record: type[Settings]) -> Iterator[str]:
    """The keys of one record as a definition list in Markdown."""
    for key, field in record.model_fields.items():
        if section_of(field.annotation) is not None or key == "part":
            continue
        yield f"`{field.alias or key}` {name_of(field.annotation)}, {default_of(field)}"
        description = key_docs(record).get(key, "").split("\n")
        yield f": {description[0]}"
        yield from (f"  {line}".rstrip() for line in description[1:])
        yield ""


def part_lines(name: str, part: type[Settings]) -> Iterator[str]:
    """One kind of table in a list of tables that are told apart by `part`."""
    yield from (f'### `part = "{name}"`', "", inspect.cleandoc(part.__doc__ or ""), "")
    yield from key_lines(part)


def name_of(annotation: Any) -> str:
    """A kind of value as one would say it in TOML."""
    kind, parts = get_origin(annotation), [part for part in get_args(annotation) if part is not Ellipsis]
    if annotation is Any:
        return "anything"
    if kind is Annotated:
        return name_of(parts[0])
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "*table*"
    if kind is Literal:
        return " or ".join(f"`{as_toml(choice)}`" for choice in parts)
    if kind in (types.UnionType, Union):
        return " or ".join(name_of(part) for part in parts if part is not types.NoneType)
    if kind is tuple:
        inside = [name_of(part).strip("*") for part in parts]
        return f"*[{', '.join([*inside, *['...'] * (Ellipsis in get_args(annotation))])}]*"
    if kind is dict:
        return "*table*"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{as_toml(choice)}`" for choice in annotation)
    return f"*{WORDS.get(annotation, str(annotation))}*"


def default_of(field: FieldInfo) -> str:
    """`default: X`, or `must be given`."""
    if field.is_required():
        return "must be given"
    if field.default_factory_takes_validated_data:
        return "default: from the other keys"
    default = field.get_default(call_default_factory=True)
    return "default: nothing" if default is None else f"default: `{as_toml(default)}`"


def as_toml(value: Any) -> str:
    """A default as it would stand in the file."""
    if isinstance(value, Enum):
        return as_toml(value.value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(as_toml, value))}]"
    return json.dumps(value) if isinstance(value, str | bool | dict) else str(value)


class SettingsSection(SphinxDirective):
    """The keys of the record that the argument names; with `:sections:` the sections below it instead.

    With `:parts:` the argument names a table of records by their tag `part`, and each is listed.
    """

    required_arguments = 1
    option_spec = {"sections": directives.flag, "parts": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        record = record_at(self.arguments[0])
        if "sections" in self.options:
            lines = [line for section in sections(record) for line in section_lines(*section)]
        elif "parts" in self.options:
            lines = [line for name, part in record.items() for line in part_lines(name, part)]
        else:
            lines = list(key_lines(record))
        holder = nodes.Element()
        text = "\n".join(lines).split("\n")
        self.state.nested_parse(StringList(text, source=self.arguments[0]), 0, holder, match_titles=True)
        return holder.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Announce the directive to Sphinx."""
    app.add_directive("settings", SettingsSection)
    return {"parallel_read_safe": True}
