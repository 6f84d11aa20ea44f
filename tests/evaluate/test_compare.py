"""Results compared class by class."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from organelle.errors import FileMissing, FormatError, ScoringError
from organelle.evaluate import compare, comparison_table


def result(path, rows, metric="2026-06", truth="abc"):
    """An extended result: crop -> class -> (tp, fp, fn) or with (sum, number) of terms."""
    record = {"provenance": {"metric": metric, "truth": {"sha256": truth}}}
    for crop, classes in rows.items():
        record[f"crop{crop}"] = {}
        for name, (tp, fp, fn, *terms) in classes.items():
            row = {"tp": tp, "fp": fp, "fn": fn, "status": "scored"}
            if terms:
                row |= {"hausdorff_norm_sum": terms[0], "n_hausdorff": terms[1]}
            record[f"crop{crop}"][name] = row
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def pair(tmp_path):
    """In every crop the second result finds a little more er; mito is in one crop, golgi differs by crop."""
    worse, better = {}, {}
    for crop in range(1, 9):
        up = 1 if crop % 2 else -1
        worse[crop] = {"er": (100 + crop, 50, 50), "golgi": (100, 50, 50)}
        better[crop] = {"er": (120 + crop, 40, 40), "golgi": (100 + 30 * up, 50, 50)}
    worse[1]["mito"], better[1]["mito"] = (2, 2, 2, 2.0, 6), (4, 0, 0, 3.6, 4)
    return result(tmp_path / "a_extended.json", worse), result(tmp_path / "b_extended.json", better)


def test_gains_are_those_of_the_pooled_scores_and_intervals_tell_chance_from_skill(pair):
    found = compare(pair)
    rows = {row.class_name: row for row in found.differences}
    assert list(rows) == ["er", "golgi", "mito", "overall"]
    assert found.names == ("a", "b")
    er = rows["er"]
    assert er.scores[0] == pytest.approx(836 / (836 + 800))
    assert er.gains[0] == pytest.approx(er.scores[1] - er.scores[0])
    assert er.low[0] < er.gains[0] < er.high[0]
    assert er.is_certain(0)
    assert not rows["golgi"].is_certain(0)
    assert rows["golgi"].low[0] < 0 < rows["golgi"].high[0]
    assert rows["mito"].low == (None,)
    assert rows["mito"].gains[0] > 0.3


def test_a_result_gains_nothing_over_itself_and_the_seed_decides_the_intervals(pair):
    same = compare([pair[0], pair[0]])
    assert all(row.gains == (0,) and not row.is_certain(0) for row in same.differences)
    assert compare(pair, draws=200, seed=1) == compare(pair, draws=200, seed=1)
    assert compare(pair, draws=200, seed=1) != compare(pair, draws=200, seed=2)


def test_a_public_result_stands_for_the_extended_one_beside_it(pair):
    public = [path.with_name(path.name.replace("_extended", "")) for path in pair]
    for path in public:
        path.write_text("{}")
    assert compare(public).differences == compare(pair).differences


def test_the_table_says_what_the_crops_leave_open(pair):
    out = io.StringIO()
    Console(file=out, width=120).print(comparison_table(compare(pair)))
    told = out.getvalue()
    assert "one crop" in told
    assert "overall" in told


def test_results_that_cannot_be_compared_are_refused(pair, tmp_path):
    with pytest.raises(ScoringError, match="two results or more"):
        compare(pair[:1])
    other = result(tmp_path / "c_extended.json", {1: {"er": (1, 1, 1)}}, metric="pq")
    with pytest.raises(ScoringError, match="with metric 2026-06, c with pq"):
        compare([pair[0], other])
    other = result(tmp_path / "d_extended.json", {1: {"er": (1, 1, 1)}}, truth="xyz")
    with pytest.raises(ScoringError, match="different truths"):
        compare([pair[0], other])
    with pytest.raises(FileMissing, match=r"nearest: a_extended\.json"):
        compare([pair[0], tmp_path / "a_extnded.json"])
    (tmp_path / "e.json").write_text("[1]")
    with pytest.raises(FormatError, match="no extended result"):
        compare([pair[0], tmp_path / "e.json"])
