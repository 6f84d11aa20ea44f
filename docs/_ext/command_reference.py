"""The directive `{csc-commands}`: a section for every command, from what `csc COMMAND --help` knows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import typer
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from organelle.cli.everything import app

WORDS = {str: "text", int: "whole number", float: "number", Path: "path"}


def commands() -> dict[str, Any]:
    """Every command by the name that one types (`catalog crops`), in the order of `csc --help`."""
    return dict(flat(typer.main.get_command(app)))


def flat(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """The commands of a group and of the groups within it; a group that does something alone comes first."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield before + name, command
            yield from flat(command, f"{before}{name} ")
        else:
            yield before + name, command


def spellings(option: Any) -> list[str]:
    """What one may type for a parameter: `-c`, `--crops`, or the name of an argument."""
    if option.param_type_name == "argument":
        return [option.metavar or option.name.upper()]
    return [*option.opts, *option.secondary_opts]


def command_page(name: str, command: Any) -> Iterator[str]:
    """The lines of the section on one command, in Markdown."""
    annotations = get_type_hints(inspect.unwrap(command.callback))
    shown = [option for option in command.params if option.name != "help" and not option.hidden]
    arguments = [spellings(option)[0] for option in shown if option.param_type_name == "argument"]
    yield f"(csc-{name.replace(' ', '-')})="
    yield f"## `csc {name}`"
    yield ""
    yield inspect.cleandoc(command.help or "").replace("\f", "")
    yield ""
    yield "```console"
    yield " ".join(["$ csc", name, *arguments, "[OPTIONS]"])
    yield "```"
    yield ""
    for option in shown:
        yield ", ".join(f"`{spelling}`" for spelling in spellings(option)) + kind_of_value(
            option, annotations[option.name]
        )
        yield f": {(option.help or '').strip()} {small_print(option)}".rstrip()
        yield ""


def kind_of_value(option: Any, annotation: Any) -> str:
    """What follows the option: nothing for a flag or an argument, else its kind in italics."""
    if option.param_type_name == "argument" or annotation is bool:
        return ""
    if option.metavar:
        return f" *{option.metavar}*"
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    return f" *{'|'.join(WORDS.get(kind, str(kind)) for kind in kinds)}*"


def small_print(option: Any) -> str:
    """The default, the variable of the environment, and whether it must be there, in brackets."""
    facts = []
    if option.required:
        facts.append("required")
    elif option.default is not None and option.default is not False:
        facts.append(f"default: `{option.default}`")
    if getattr(option, "envvar", None):
        facts.append(f"from `{option.envvar}` where that is set")
    return f"({'; '.join(facts)})" if facts else ""


class CommandSections(SphinxDirective):
    """One section for every command."""

    def run(self) -> list[nodes.Node]:
        lines = [line for name, command in commands().items() for line in command_page(name, command)]
        text = "\n".join(lines).split("\n")
        return self.parse_content_to_sections(StringList(text, source="csc --help"))

    def parse_content_to_sections(self, content: StringList) -> list[nodes.Node]:
        """Parse `content`, headings included."""
        holder = nodes.Element()
        self.state.nested_parse(content, 0, holder, match_titles=True)
        return holder.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Announce the directive to Sphinx."""
    app.add_directive("csc-commands", CommandSections)
    return {"parallel_read_safe": True}
