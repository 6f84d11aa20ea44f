"""The directive `{settings} package.module:Record`: the keys of a section of the experiment file."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def record_at(place: str) -> type[BaseModel]:
    """The settings record that `package.module:Name` names."""
    module, _, name = place.partition(":")
    record: type[BaseModel] = getattr(importlib.import_module(module), name)
    return record


def sections(record: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections of an experiment: the TOML heading and the record behind it."""
    for key, field in record.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None:
            yield f"{key}.CLASS" if is_mapping(field.annotation) else key, inner


def is_mapping(annotation: Any) -> bool:
    """Whether a section is repeated under names of one's choice, as in `[process.mito]`."""
    kind = get_origin(annotation)
    return isinstance(kind, type) and issubclass(kind, Mapping)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The record in `Record`, `Record | None` or `Mapping[str, Record]`; None for a plain value."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def key_lines(record: type[BaseModel]) -> Iterator[str]:
    """The keys of one record as a definition list in Markdown."""
    for key, field in record.model_fields.items():
        if section_of(field.annotation) is not None:
            continue
        yield f"`{key}` *{name_of(field.annotation)}*, {default_of(field)}"
        description = inspect.cleandoc(field.description or "").split("\n")
        yield f": {description[0]}"
        yield from (f"  {line}".rstrip() for line in description[1:])
        yield ""


def name_of(annotation: Any) -> str:
    """A kind of value as one would say it."""
    if annotation is type(None):
        return "nothing"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    if "Literal" in str(get_origin(annotation)):
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if isinstance(annotation, types.UnionType):
        return " or ".join(name_of(part) for part in get_args(annotation) if part is not type(None))
    inner = ", ".join(name_of(part) for part in get_args(annotation) if part is not Ellipsis)
    return f"{name_of(get_origin(annotation))} of {inner}" if inner else str(annotation)


def default_of(field: FieldInfo) -> str:
    """`default X`, or `must be given`."""
    if field.is_required():
        return "must be given"
    default = field.get_default(call_default_factory=True, validated_data={})
    return "default: nothing" if default is None else f"default: `{default}`"


class SettingsSection(SphinxDirective):
    """All keys of the record that the argument names; with `:sections:` those of each section below it."""

    required_arguments = 1
    option_spec = {"sections": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        record = record_at(self.arguments[0])
        lines = list(key_lines(record))
        for name, inner in sections(record) if "sections" in self.options else ():
            lines += [f"## `[{name}]`", "", inspect.cleandoc(inner.__doc__ or ""), "", *key_lines(inner)]
        holder = nodes.Element()
        text = "\n".join(lines).split("\n")
        self.state.nested_parse(StringList(text, source=self.arguments[0]), 0, holder, match_titles=True)
        return holder.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Announce the directive to Sphinx."""
    app.add_directive("settings", SettingsSection)
    return {"parallel_read_safe": True}
