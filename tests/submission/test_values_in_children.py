"""Values looked at in child processes: the same report, and a row that runs away is told in it."""

from __future__ import annotations

import pytest
from drawn_submissions import CHALLENGE, array_files, drawn, perfect_files, place_of, write_zip

from organelle.children import Allowance
from organelle.submission import validate, values


@pytest.fixture
def flawed(tmp_path):
    """A damaged chunk in the first row that has one, the rest perfect."""
    files = perfect_files()
    name = next(n for n in sorted(files) if n.rsplit("/", 1)[-1][0].isdigit())
    return write_zip(tmp_path / "flawed.zip", {**files, name: bytes(files[name])[:-3]}), name


@pytest.mark.parametrize(("scored", "workers"), [(False, 1), (False, 2), (True, 1)])
def test_the_report_is_the_same_in_any_number_of_processes(flawed, scored, workers):
    path, name = flawed
    here = validate(path, CHALLENGE, scored=scored, workers=0)
    assert validate(path, CHALLENGE, scored=scored, workers=workers) == here
    assert [p.code for p in here.errors] == ["unreadable-chunk"]
    assert here.errors[0].place == name.rsplit("/", 1)[0]


def test_a_row_that_runs_away_is_a_problem_of_that_row(tmp_path, monkeypatch):
    crop, class_name = CHALLENGE.rows()[0]
    place = f"crop{crop.id}/{class_name}"
    others = {name: data for name, data in perfect_files().items() if not name.startswith(f"{place}/")}
    greedy = array_files(place, drawn(crop.grid), place_of(crop.grid), chunks=(256, 512, 512))
    path = write_zip(tmp_path / "greedy.zip", others | greedy)
    assert validate(path, CHALLENGE).ok  # 64 MiB for one chunk of a small array are allowed ...
    monkeypatch.setattr(values, "row_allowance", lambda *_, **__: Allowance(32 << 20, 60, 60))
    report = validate(path, CHALLENGE, scored=True, workers=1)  # ... unless they are more than a row may use
    assert [(p.code, p.place) for p in report.errors] == [("stopped", place)]
    assert report.rows is not None
    assert [row.status for row in report.rows].count("unreadable") == 1
    assert len(report.rows) == len(CHALLENGE.rows())
