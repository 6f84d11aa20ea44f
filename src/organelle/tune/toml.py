"""Tuned recipes in the text of an experiment's file: all else stays as its author wrote it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from organelle.errors import SettingsError
from organelle.process import Recipe
from organelle.tune.space import Space

HEADER = re.compile(r"""^\s*(\[\[?)\s*([\w"'][\w\-."'\s]*?)\s*\]\]?\s*(#.*)?$""")
Way = Callable[[list[str], "TunedSection", Mapping[str, Any]], list[str]]


@dataclass(frozen=True)
class TunedSection:
    """What is to be said about a class.

    Attributes:
        space: its recipe before.
        values: of the parameters that change, by their numbers in the space.
        why: a line for people.
    """

    space: Space
    values: Mapping[int, Any]
    why: str

    @property
    def path(self) -> tuple[str, str]:
        """The section."""
        return "process", self.space.class_name

    def by_part(self) -> dict[int | None, dict[str, Any]]:
        """The new values by part and key."""
        found: dict[int | None, dict[str, Any]] = {}
        for number, value in self.values.items():
            parameter = self.space.parameters[number]
            found.setdefault(parameter.part, {})[parameter.key] = value
        return found


def rewrite(text: str, sections: Sequence[TunedSection]) -> str:
    """The text of an experiment's file with other recipes.

    Keys are changed where they stand, new ones are added behind the others of their section, and a section
    that is not there comes last. Where that cannot be done, the whole section is written anew.

    Raises:
        SettingsError: a section that is written in a way which cannot be replaced.
    """
    for section in sections:
        text = _with(text, section)
    return text


def _with(text: str, section: TunedSection) -> str:
    before = tomllib.loads(text)
    process, name = before.get("process", {}), section.space.class_name
    table = _table(process.get(name, {}), section)
    wanted = {**before, "process": {**process, name: table}}
    ways: tuple[Way, ...] = (_in_place, _anew)
    for way in ways:
        new = "\n".join(way(text.splitlines(), section, table)) + "\n"
        try:
            if tomllib.loads(new) == wanted:
                return new
        except tomllib.TOMLDecodeError:
            continue
    raise SettingsError(
        f"the recipe of {name} is written in a way that cannot be changed without touching other lines; "
        f"write it as a section [process.{name}] of its own, then type the same command again"
    )


def _table(own: Mapping[str, Any], section: TunedSection) -> dict[str, Any]:
    """What the section of a class shall hold."""
    recipe, changes = section.space.recipe, section.by_part()
    if not recipe.parts:
        return {**own, **changes.get(None, {})}
    parts = deepcopy(own["parts"]) if "parts" in own else _written(recipe)
    for number, values in changes.items():
        parts[number or 0].update(values)
    return {"parts": parts}


def _written(recipe: Recipe) -> list[dict[str, Any]]:
    """The parts of a recipe as tables, without what goes without saying."""
    whole = recipe.model_dump(mode="json")["parts"]
    short = recipe.model_dump(mode="json", exclude_defaults=True)["parts"]
    return [
        {"part": all_keys["part"], **{k: v for k, v in keys.items() if k != "part"}}
        for all_keys, keys in zip(whole, short, strict=True)
    ]


def _in_place(lines: list[str], section: TunedSection, table: Mapping[str, Any]) -> list[str]:
    """Change and add keys in the tables that are there."""
    parts = bool(section.space.recipe.parts)
    path = (*section.path, "parts") if parts else section.path
    tables = [start for start, other in _headers(lines) if other == path]
    if not tables:
        return [*_trimmed(lines), "", *_section(section, table)]
    # From the last table to the first, so that the places of the others stay what they are.
    for number, values in sorted(section.by_part().items(), key=lambda item: -(item[0] or 0)):
        start = tables[number or 0] if (number or 0) < len(tables) else tables[0]
        for key, value in values.items():
            _set(lines, start, key, value)
    lines.insert(tables[0] + 1, f"# {section.why}")
    return lines


def _anew(lines: list[str], section: TunedSection, table: Mapping[str, Any]) -> list[str]:
    """Take away what is there, and write the whole section at the end."""
    headers = [*_headers(lines), (len(lines), ())]
    kept = lines[: headers[0][0]]
    for (start, path), (stop, _) in pairwise(headers):
        if path[: len(section.path)] != section.path:
            kept += lines[start:stop]
    return [*_trimmed(kept), "", *_section(section, table)]


def _section(section: TunedSection, table: Mapping[str, Any]) -> Iterator[str]:
    title = ".".join(section.path)
    yield f"# {section.why}"
    if "parts" not in table:
        yield f"[{title}]"
        yield from (f"{key} = {_value(value)}" for key, value in table.items())
        return
    for number, part in enumerate(table["parts"]):
        if number:
            yield ""
        yield f"[[{title}.parts]]"
        yield from (f"{key} = {_value(value)}" for key, value in part.items())


def _headers(lines: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line of every table, and its name."""
    for number, line in enumerate(lines):
        if match := HEADER.match(line):
            yield number, tuple(word.strip().strip("\"'") for word in match[2].split("."))


def _set(lines: list[str], start: int, key: str, value: Any) -> None:
    """Change a key of the table that begins at a line, or add it behind the others."""
    stop = next((number for number, _ in _headers(lines) if number > start), len(lines))
    said = re.compile(rf"^(\s*){re.escape(key)}\s*=\s*([^#]*?)\s*(#.*)?$")
    for number in range(start + 1, stop):
        if match := said.match(lines[number]):
            lines[number] = f"{match[1]}{key} = {_value(value)}  # tuned; before: {match[2]}"
            if match[3]:
                lines[number] += f"  {match[3]}"
            return
    last = max(n for n in range(start, stop) if n == start or _says_something(lines[n]))
    lines.insert(last + 1, f"{key} = {_value(value)}  # tuned")


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _trimmed(lines: Sequence[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return list(lines[:end])


def _value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)
