"""Names of a zip's members that are odd, among any number of others."""

from __future__ import annotations

import tracemalloc

from hypothesis import example, given
from hypothesis import strategies as st

from organelle.submission.zip_directory import TOGETHER, _is_plain, _not_plain

PIECES = st.sampled_from(["a", "crop7", ".", "..", ".zarray", "/", "//", "\\", ":", "\n", "\u202e", "ä", ""])
NAMES = st.lists(PIECES, max_size=5).map("".join)


@given(st.lists(NAMES, max_size=12), st.integers(0, 2 * TOGETHER))
@example([], 0)
@example([""], 0)
@example(["crop:7"], 0)  # it has a colon, and is plain
@example(["/a", ".", "a/..", "../a", "c:/x", "a//b", "a\nb"], TOGETHER - 3)
def test_many_at_once_are_judged_as_each_alone(names: list[str], before: int) -> None:
    every = ["crop7/er/s0/0.0.0"] * before + names
    assert list(_not_plain(every)) == [i for i, name in enumerate(every) if not _is_plain(name)]


def test_a_wide_letter_among_long_names_does_not_make_copies_of_all() -> None:
    names = [f"{i}{'x' * 20_000}" for i in range(2000)]
    names[1000] += "\U0001f9a0"
    tracemalloc.start()
    assert list(_not_plain(names)) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # one text of all would take 160 MB
