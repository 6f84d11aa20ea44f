"""Each attack is named by the validator and refused by the reader; its harmless twin passes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from attacks import ROW, Attack, all_attacks
from drawn_submissions import CHALLENGE, drawn
from rich.console import Console

from organelle.classes import kind_of
from organelle.errors import FormatError, GridMismatch, SubmissionError
from organelle.submission import Report, Submission, align, open_submission, validate

ATTACKS = [attack for attack in all_attacks() if not attack.slow]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack(attack: Attack, tmp_path: Path) -> None:
    path = attack.bad(tmp_path)
    report = validate(path, CHALLENGE)

    told = [problem for problem in report.problems if problem.code == attack.code]
    assert bool(told) == bool(attack.code), report.problems
    for problem in report.problems:
        assert all((problem.place, problem.found, problem.expected, problem.remedy))
        assert len(str(problem)) < 4000
    assert_harmless_in_a_terminal(report)
    if attack.scope == "file":
        assert not report.ok
        with pytest.raises(SubmissionError, match=path.name):
            open_submission(path, expected=[7, 21])
    else:
        assert_others_as_ever(path, attack)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_twin(attack: Attack, tmp_path: Path) -> None:
    path = attack.twin(tmp_path)
    report = validate(path, CHALLENGE)
    assert report.ok, report.problems
    with open_submission(path, expected=[7, 21]) as submission:
        for crop, class_name in CHALLENGE.rows():
            found = submission.array(crop.id, class_name)
            assert found is not None
            align(found, crop.grid, kind_of(class_name))


def test_there_are_enough_of_them() -> None:
    names = [attack.name for attack in all_attacks()]
    assert len(names) == len(set(names)) >= 100


def assert_others_as_ever(path: Path, attack: Attack) -> None:
    with open_submission(path, expected=[7, 21]) as submission:
        for crop, class_name in CHALLENGE.rows():
            if attack.scope == "row" and f"crop{crop.id}/{class_name}" == ROW:
                continue
            found = submission.array(crop.id, class_name)
            assert found is not None
            np.testing.assert_array_equal(align(found, crop.grid, kind_of(class_name)), drawn(crop.grid))
        if attack.code in ("unreadable-chunk", "too-large", "voxel-size-apart"):
            with pytest.raises((FormatError, GridMismatch)):
                read_row(submission)


def read_row(submission: Submission) -> np.ndarray | None:
    found = submission.array(7, "er")
    return None if found is None else align(found, CHALLENGE.test_crops[7].grid, kind_of("er"))


def assert_harmless_in_a_terminal(report: Report) -> None:
    console = Console(width=200, file=io.StringIO(), force_terminal=False)
    console.print(report)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue() + json.dumps(report.to_dict(), ensure_ascii=False)
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
