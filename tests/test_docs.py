"""What the documentation says is true: its examples run, its commands exist, nothing is left out."""

from __future__ import annotations

import doctest
import pkgutil
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import organelle

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
WRITTEN = [
    *PAGES,
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")),
]
SESSION = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def commands() -> dict[str, Any]:
    """Every `csc` command by the name that one types: `train`, `catalog crops`."""
    import typer

    from organelle.cli.everything import app

    def flat(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                if command.invoke_without_command:
                    yield before + name, command
                yield from flat(command, f"{before}{name} ")
            else:
                yield before + name, command

    return dict(flat(typer.main.get_command(app)))


def sessions(page: Path) -> str:
    """All Python sessions of a page, in order, as one."""
    return "\n".join(SESSION.findall(page.read_text()))


def typed(page: Path, program: str) -> Iterator[list[str]]:
    """The words after `program` of every line that a page tells one to type."""
    for block in CONSOLE.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words[1:] and "=" in words[1]:  # VARIABLE=value before the program
                del words[1]
            if words[:2] == ["$", program]:
                yield words[2:]


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", [p for p in PAGES if sessions(p)], ids=name_of)
def test_the_examples_of_a_page_print_what_it_says(page: Path) -> None:
    example = doctest.DocTestParser().get_doctest(sessions(page), {}, page.name, str(page), 0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=report.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(report)


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_what_a_page_tells_one_to_type_exists(page: Path) -> None:
    known = commands()
    groups = {name.split()[0] for name in known if " " in name}
    for verb, *words in typed(page, "csc"):
        if verb in groups and words and not words[0].startswith("-"):
            verb = f"{verb} {words.pop(0)}"
        assert verb in known or verb in ("--help", "--version"), f"csc {verb}"
        if verb in known:
            options = {o for parameter in known[verb].params for o in (*parameter.opts, "--help", "--debug")}
            used = {word.partition("=")[0] for word in words if word.startswith("-")}
            assert used <= options, f"csc {verb} has no {', '.join(used - options)}"


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_that_a_page_mentions_exists(page: Path) -> None:
    groups = {name.split()[0] for name in commands() if " " in name}
    for words in re.findall(r"`csc ([a-z][a-z -]*)", page.read_text()):
        first, *others = words.partition(" -")[0].split()
        name = f"{first} {others[0]}" if first in groups and others else first
        assert name in {*commands(), *groups}, name


def test_every_make_target_that_a_page_mentions_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for page in WRITTEN:
        mentioned = set(re.findall(r"`make ([a-z]+)", page.read_text()))
        mentioned |= {words[0] for words in typed(page, "make")}
        assert mentioned <= targets, name_of(page)


def test_the_readme_says_how_to_begin() -> None:
    assert [words[0] for words in typed(REPOSITORY / "README.md", "make")] == ["demo", "test"]


def test_every_command_stands_in_the_table_beside_a_function_that_exists() -> None:
    rows = re.findall(
        r"^\| \[`csc ([a-z -]+)`\]\(#csc-([a-z-]+)\) \| (.*?) \|",
        (DOCS / "reference" / "commands.md").read_text(),
        re.MULTILINE,
    )
    assert [name for name, _, _ in rows] == list(commands())
    assert [anchor for _, anchor, _ in rows] == [name.replace(" ", "-") for name, _, _ in rows]
    for _, _, functions in rows:
        for function in re.findall(r"`(organelle\.[\w.]+)`", functions) or ["(none)"]:
            module, _, name = function.rpartition(".")
            assert callable(getattr(import_module(module), name)), function


def test_every_command_and_option_says_what_it_is_for() -> None:
    for name, command in commands().items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"csc {name}: {parameter.name}"


def test_every_public_room_has_a_page_in_the_reference() -> None:
    rooms = {m.name for m in pkgutil.iter_modules(organelle.__path__) if m.name != "cli"}
    assert {page.stem for page in (DOCS / "reference" / "library").glob("*.md")} == rooms


def test_every_key_of_a_settings_file_says_what_it_is_for() -> None:
    from organelle.experiment import Experiment
    from organelle.portal.config import PortalConfig
    from organelle.process import Recipe
    from organelle.settings import key_docs

    def undocumented(record: Any, place: str) -> Iterator[str]:
        for key, field in record.model_fields.items():
            if (
                not key_docs(record).get(key) and field.annotation is not Recipe
            ):  # that is a section per class
                yield f"{place}.{key}"
            if hasattr(field.annotation, "model_fields"):
                yield from undocumented(field.annotation, f"{place}.{key}")

    assert list(undocumented(Experiment, "experiment")) == []
    assert list(undocumented(PortalConfig, "portal")) == []


@pytest.mark.parametrize("page", [p for p in WRITTEN if TOML.search(p.read_text())], ids=name_of)
def test_the_settings_on_a_page_are_valid(page: Path, tmp_path: Path) -> None:
    from organelle.experiment import load_experiment
    from organelle.portal.config import load_config

    for text in TOML.findall(page.read_text()):
        if page.stem == "portal":
            (tmp_path / "portal.toml").write_text(text)
            load_config(tmp_path, {})
        else:
            (tmp_path / "experiment.toml").write_text(text)
            load_experiment(tmp_path / "experiment.toml")
