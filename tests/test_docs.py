"""What the documentation says is true: its examples run, its commands exist, nothing is left out."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
SESSION = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sessions(page: Path) -> str:
    """All Python sessions of a page, in order, as one."""
    return "\n".join(SESSION.findall(page.read_text()))


@pytest.mark.parametrize(
    "page", [p for p in PAGES if sessions(p)], ids=lambda page: str(page.relative_to(DOCS))
)
def test_the_examples_of_a_page_print_what_it_says(page: Path) -> None:
    example = doctest.DocTestParser().get_doctest(sessions(page), {}, page.name, str(page), 0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=report.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(report)
