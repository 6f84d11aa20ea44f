"""The same evaluation in child processes: the same result, whatever happens to them."""

from __future__ import annotations

import json
import shutil
import threading
import time

import numpy as np
import pytest
from small_challenge import GRIDS

from organelle.errors import SubmissionError
from organelle.evaluate import evaluate, extended_record, scoring
from organelle.geometry import Grid

KEPT = "evaluate/*/crop*/*.json"


def record(result) -> str:
    return json.dumps(extended_record(result), sort_keys=True)


@pytest.fixture
def mixed(challenge):
    """One row damaged, one missing, one good."""
    chunk = next(p for p in (challenge.submission / "crop11" / "er").iterdir() if p.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[:-5])
    shutil.rmtree(challenge.submission / "crop12")
    return challenge


def test_children_find_what_one_process_finds(mixed):
    alone = mixed.evaluate()
    assert [row.status for row in alone.rows] == ["unreadable", "scored", "missing"]
    assert record(mixed.evaluate(workers=1)) == record(mixed.evaluate(workers=2)) == record(alone)


def test_finished_rows_are_kept_and_not_scored_again(mixed, tmp_path):
    first = mixed.evaluate(work=tmp_path / "work")
    kept = sorted((tmp_path / "work").glob(KEPT))
    assert [p.parent.name + "/" + p.stem for p in kept] == ["crop11/er", "crop11/mito", "crop12/mito"]
    kept[0].unlink()
    kept[1].write_text('{"by_version": []}')  # what is no row is none
    changed = json.loads(kept[2].read_text()) | {"remarks": ["kept"]}
    kept[2].write_text(json.dumps(changed))
    second = mixed.evaluate(work=tmp_path / "work")
    assert second.rows[2].remarks == ("kept",)
    assert second.rows[:2] == first.rows[:2]


def test_a_kept_row_serves_every_metric(challenge, tmp_path):
    first = challenge.evaluate(work=tmp_path / "work")
    other = challenge.evaluate(work=tmp_path / "work", metric="pq")
    assert len(list((tmp_path / "work").glob("evaluate/*"))) == 1
    assert other.scores == first.other_scores["pq"]


def test_another_file_of_the_same_name_is_scored_afresh(challenge, tmp_path):
    work = tmp_path / "work"
    assert challenge.evaluate(work=work).scores.overall == 1
    shutil.rmtree(challenge.submission / "crop11" / "er")
    challenge.hand_in(11, "er", np.zeros(GRIDS[11].shape, np.uint8))
    again = challenge.evaluate(work=work)
    assert again.scores.classes["er"].score == 0
    assert record(again) == record(challenge.evaluate())


def test_other_objects_are_another_evaluation(challenge, tmp_path):
    rows = [
        challenge.row("crop11/mito", work=tmp_path, instance_classes=names) for names in (["mito"], ["er"])
    ]
    assert rows[0].kind is not rows[1].kind


def test_a_row_that_asks_for_too_much_memory_is_stopped_and_the_others_go_on(challenge, monkeypatch):
    fine = Grid((2.0, 2.0, 2.0), GRIDS[11].origin_nm, tuple(4 * n for n in GRIDS[11].shape))
    shutil.rmtree(challenge.submission / "crop11" / "er")
    challenge.hand_in(11, "er", np.ones(fine.shape, np.uint8), fine)
    good = challenge.evaluate(workers=1)
    assert [row.status for row in good.rows] == ["scored"] * 3
    monkeypatch.setattr(scoring, "total_memory", lambda: 372 << 20)
    er, mito, other = challenge.evaluate(workers=1).rows
    assert (er.status, mito.status, other.status) == ("stopped", "scored", "scored")
    assert "GiB of memory" in er.remarks[0]
    assert er.counts.fn == np.prod(GRIDS[11].shape)  # as if it were missing


def test_a_zip_that_changes_meanwhile_is_refused(challenge, tmp_path):
    packed, work = tmp_path / "handed_in.zip", tmp_path / "work"
    shutil.make_archive(str(packed.with_suffix("")), "zip", challenge.submission)
    other = tmp_path / "other.zip"
    other.write_bytes(packed.read_bytes() + bytes(10))

    def begun(log) -> bool:
        return "reading" in log.read_text()

    def exchange() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and not any(map(begun, work.glob("evaluate/*/log.txt"))):
            time.sleep(0.001)
        other.replace(packed)

    thread = threading.Thread(target=exchange, daemon=True)
    thread.start()
    with pytest.raises(SubmissionError, match="changed while it was scored"):
        evaluate(packed, challenge.truth, challenge.catalog, workers=1, work=work)
    thread.join()
