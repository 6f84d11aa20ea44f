"""What the demo tells and hands in; `tests/soak/test_portal_tour.py` runs the whole of it."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from django.utils import timezone

from organelle.catalog import Catalog, Crop, Dataset
from organelle.classes import class_named, scored_classes
from organelle.geometry import Box, Grid
from organelle.portal.board.intervals import FEWEST_CROPS
from organelle.portal.challenge.models import Phase
from organelle.portal.demo.drawn import ANNOTATED, DATASETS, EVERYWHERE, SOMEWHERE, _write_zip
from organelle.portal.demo.filled import _hand_in, _set_phases, _team, _write_posts
from organelle.portal.demo.story import BASELINE, SUBMISSIONS, TEAMS
from organelle.portal.news.models import Post
from organelle.portal.news.posting import visible
from organelle.portal.scoring.probing import suspicions
from organelle.portal.scoring.rounds import BATCH
from organelle.portal.submissions.models import Submission
from organelle.submission import validate

GRID = Grid((8.0, 8.0, 8.0), (4.0, 4.0, 4.0), (16, 20, 24))
CATALOG = Catalog(
    "demo",
    {"demo-cell": Dataset("demo-cell")},
    {},
    {n: Crop(n, "demo-cell", GRID, ("er", "mito", "ld"), is_test=True) for n in (21, 22, 23, 24)},
)


def faulty(kind: str):
    return next(one for one in SUBMISSIONS if one.fault == kind)


def test_there_are_crops_enough_for_intervals_and_no_two_overlap():
    assert sum(len(one.test) for one in DATASETS) > FEWEST_CROPS
    for one in DATASETS:
        boxes = [Box(*place) for place in (*one.train.values(), *one.test.values())]
        assert not [pair for pair in combinations(boxes, 2) if not pair[0].intersect(pair[1]).is_empty]
        assert all(Box((0, 0, 0), one.settings["shape"]).contains(box) for box in boxes)


def test_what_is_asked_for_is_annotated_too_and_scored_both_ways():
    scored = {c.name: c.scored_as for c in scored_classes()}
    assert {class_named(name).name for name in ANNOTATED} <= set(scored)
    asked = {*EVERYWHERE, *(name for names in SOMEWHERE.values() for name in names)}
    assert asked < set(ANNOTATED)
    assert len({scored[name] for name in EVERYWHERE}) == 2, "both means have intervals"


def test_a_worker_scores_a_file_in_one_go():
    assert set(SOMEWHERE) == {number for one in DATASETS for number in one.test}
    assert sum(len(EVERYWHERE) + len(names) for names in SOMEWHERE.values()) <= BATCH


def test_the_story_has_history_a_tie_a_baseline_and_files_that_are_stopped():
    assert all(one.days_ago >= next_one.days_ago for one, next_one in pairwise(SUBMISSIONS))
    assert {one.team for one in SUBMISSIONS} == set(TEAMS)
    good = [one for one in SUBMISSIONS if not one.fault]
    assert len({one.days_ago for one in good}) == len(good), "every day of the history is another one"
    assert max(sum(one.team == team for one in good) for team in TEAMS) > 1, "some team gets better"
    same = [one.team for one in good if one.method == "tutorial network"]
    assert len(same) == 2
    assert BASELINE not in same
    assert {one.fault for one in SUBMISSIONS} == {"", "refused", "held"}


def test_the_faulty_file_is_refused_with_every_reason(tmp_path):
    one = faulty("refused")
    _write_zip(one, 0, CATALOG, tmp_path)
    found = {problem.code for problem in validate(tmp_path / one.file, CATALOG, workers=1).problems}
    assert found >= {"missing-crop", "missing-row", "unknown-class", "float-labels"}


def test_the_file_of_blocks_is_valid_and_looks_like_a_probe(tmp_path):
    one = faulty("held")
    _write_zip(one, 0, CATALOG, tmp_path)
    assert not validate(tmp_path / one.file, CATALOG, workers=1).problems
    assert "solid box" in " ".join(suspicions(tmp_path / one.file, CATALOG, workers=1))


@pytest.mark.usefixtures("portal_folder")
def test_what_is_handed_in_is_dated_back_and_made_once(db, tmp_path):
    one = SUBMISSIONS[1]
    (tmp_path / one.file).write_bytes(b"a zip")
    _set_phases()
    for _ in range(2):
        _hand_in(tmp_path / one.file, one, _team(one.team))
    submission = Submission.objects.get()
    assert (timezone.now() - submission.created).days == one.days_ago
    assert submission.transitions.get().time == submission.created


def test_phases_and_posts_have_past_and_future(db):
    for _ in range(2):
        _set_phases()
        _write_posts()
    assert Phase.takes_submissions()
    assert Phase.next() is not None
    assert 0 < visible().count() < Post.objects.count(), "one is scheduled"
