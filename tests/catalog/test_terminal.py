"""Tables fit the terminal, say what they leave out, and lose nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organelle.catalog.terminal import Column, TextTable, terminal_width

COLUMNS = (
    Column("crop", right=True),
    Column("dataset"),
    Column("sample", least=8, rank=1),
    Column("extent", rank=2),
    Column("classes", least=10),
)
ROWS = [
    ("7", "jrc_hela-2", "HeLa cell", "0.5×2×2", "mito er nuc"),
    ("111", "jrc_mus-liver", "liver of a mouse", "1×2×4", "ecs pm golgi_mem golgi_lum"),
]
TABLE = TextTable(COLUMNS, ROWS, "2 crops")


def test_without_a_terminal_each_row_is_a_line() -> None:
    assert list(TABLE.lines()) == [
        "crop  dataset        sample            extent   classes",
        "─" * 74,
        "   7  jrc_hela-2     HeLa cell         0.5×2×2  mito er nuc",
        " 111  jrc_mus-liver  liver of a mouse  1×2×4    ecs pm golgi_mem golgi_lum",
        "2 crops",
    ]


def test_a_narrow_terminal_wraps_and_then_leaves_out_what_counts_least() -> None:
    assert list(TABLE.lines(50)) == [
        "crop  dataset        sample    extent   classes",
        "─" * 50,
        "   7  jrc_hela-2     HeLa      0.5×2×2  mito er",
        "                     cell               nuc",
        " 111  jrc_mus-liver  liver of  1×2×4    ecs pm",
        "                     a mouse            golgi_mem",
        "                                        golgi_lum",
        "2 crops",
    ]
    assert list(TABLE.lines(40)) == [
        "crop  dataset        classes",
        "─" * 40,
        "   7  jrc_hela-2     mito er nuc",
        " 111  jrc_mus-liver  ecs pm golgi_mem",
        "                     golgi_lum",
        "2 crops",
        "too narrow for: sample, extent; --csv",
        "has all columns",
    ]


@given(st.integers(40, 90))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(width: int) -> None:
    lines = list(TABLE.lines(width))
    assert max(map(len, lines)) <= width
    told = set(" ".join(lines).split())
    for row in ROWS:
        kept = [cell for column, cell in zip(COLUMNS, row, strict=True) if column.rank == 0]
        assert set(" ".join(kept).split()) <= told


def test_codes_that_steer_a_terminal_are_written_as_numbers() -> None:
    assert list(TextTable((Column("a"),), [("\x1b[31mred",)]).lines())[-1] == r"\x1b[31mred"


def test_a_table_without_titles_or_rows() -> None:
    assert list(TextTable((Column(""), Column("")), [("a", "b")]).lines()) == ["a  b"]
    assert list(TextTable((Column("a"), Column("b")), []).lines(80)) == ["a  b", "────"]


def test_columns_says_how_wide_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() is None
    monkeypatch.setenv("COLUMNS", "77")
    assert terminal_width() == 77
