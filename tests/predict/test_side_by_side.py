"""Several patches at once, in order."""

from __future__ import annotations

import threading
import time

import pytest

from organelle.predict.side_by_side import side_by_side


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_answers_come_in_order_whichever_is_ready_first(threads):
    def slow_at_first(n):
        time.sleep(0.01 * (5 - n))
        return n * n

    assert list(side_by_side(slow_at_first, [(n, n) for n in range(5)], threads)) == [
        (n, n * n) for n in range(5)
    ]


def test_as_many_threads_as_asked_for_work_at_once():
    together = threading.Barrier(3, timeout=20)  # passes when three patches are in the network
    answers = list(side_by_side(lambda n: together.wait() >= 0, ((n, n) for n in range(6)), 3))
    assert answers == [(n, True) for n in range(6)]


def test_no_more_patches_are_taken_than_are_under_way():
    taken = []

    def patches():
        for n in range(100):
            taken.append(n)
            yield n, n

    answers = side_by_side(lambda n: n, patches(), 2)
    assert next(answers) == (0, 0)
    assert len(taken) == 4
    answers.close()


def test_an_error_is_raised_when_its_turn_comes():
    def fails_at_two(n):
        if n == 2:
            raise MemoryError("no room")
        return n

    answers = side_by_side(fails_at_two, ((n, n) for n in range(5)), 2)
    assert [next(answers), next(answers)] == [(0, 0), (1, 1)]
    with pytest.raises(MemoryError, match="no room"):
        next(answers)
