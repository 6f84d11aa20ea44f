"""Progress on a terminal, and silence elsewhere."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest

from organelle.progress import track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal for standard error; no fixture, because pytest changes standard error after those."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    return made


def slow(item: int) -> int:
    time.sleep(0.025)  # bars are drawn ten times a second
    return item


def nested() -> list[tuple[int, int]]:
    return [(slow(a), slow(b)) for a in track(range(2), "outer work") for b in track(range(3), "inner work")]


def failing() -> None:
    for number in track(range(2), "outer work"):
        for other in track(range(2), "inner work"):
            slow(number // other)


ALL = [(a, b) for a in range(2) for b in range(3)]


def test_work_within_work_has_a_bar_below(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    assert nested() == ALL
    assert "outer work" in terminal.getvalue()
    assert "inner work" in terminal.getvalue()


def test_bars_begin_anew_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        failing()
    terminal.truncate(0)
    assert [slow(item) for item in track(range(4), "later work")] == [0, 1, 2, 3]
    assert "later work" in terminal.getvalue()
    assert "outer work" not in terminal.getvalue()


def test_other_threads_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    found: list[tuple[int, int]] = []
    thread = threading.Thread(target=lambda: found.extend(nested()))
    thread.start()
    thread.join()
    assert found == ALL
    assert terminal.getvalue() == ""


def test_without_a_terminal_there_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert nested() == ALL
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
