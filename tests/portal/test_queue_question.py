"""What is asked now: read again when it changes, waited for when it is gone, hashed once."""

from __future__ import annotations

import os
import shutil

import pytest

from organelle.files import sha256
from organelle.portal.scoring.models import Question
from organelle.portal.scoring.question import KEPT_HASHES, NoQuestion, Questions


@pytest.fixture
def truth(db, settings, tiny_challenge, tmp_path, portal_folder):
    """A truth of one's own that a portal scores with."""
    place = tmp_path / "truth.zarr"
    shutil.copytree(tiny_challenge / "truth.zarr", place)
    settings.PORTAL = settings.PORTAL.model_copy(update={"truth": str(place), "catalog": str(tiny_challenge)})
    return place


def test_the_question_names_the_truth_by_its_bytes(truth, tiny_challenge):
    exam = Questions().current()
    assert exam.question.truth == sha256(tiny_challenge / "truth.zarr")
    assert len(exam.plan) == exam.question.rows == 9
    assert Questions().current().key == exam.key
    assert Question.objects.count() == 1


def test_a_truth_that_disappears_is_waited_for(truth, tmp_path):
    questions = Questions()
    before = questions.current().key
    truth.rename(tmp_path / "away")
    with pytest.raises(NoQuestion, match="gone"):
        questions.current(look=True)
    with pytest.raises(NoQuestion, match="gone"):
        questions.current()
    shutil.copytree(tmp_path / "away", truth)
    with pytest.raises(NoQuestion, match="being changed"):
        questions.current(look=True)
    assert questions.current(look=True).key == before
    assert Question.objects.count() == 1


def test_another_truth_is_another_question_once_it_stays_as_it_is(truth):
    questions = Questions()
    exam = questions.current()
    chunk = next(path for path in truth.rglob("*") if path.is_file() and path.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes() + b" ")
    assert not exam.still_stands()
    with pytest.raises(NoQuestion, match="being changed"):
        questions.current(look=True)
    newer = questions.current(look=True)
    assert newer.question.truth != exam.question.truth
    assert Question.current() == newer.question


def test_a_truth_that_came_back_is_asked_again(truth):
    questions = Questions()
    first = questions.current()
    label = next(path for path in truth.rglob(".zattrs"))
    text = label.read_bytes()
    label.write_bytes(text + b" ")
    Questions().current()
    label.write_bytes(text)
    assert Questions().current().question == Question.current()
    assert Question.current().key == first.key
    assert Question.objects.count() == 2


def test_a_worker_with_other_libraries_waits_for_the_one_that_came_later(truth):
    questions = Questions()
    mine = questions.current()
    Question.objects.create(**mine.key | {"configuration": "f" * 64}, turn=mine.question.turn + 1)
    for _ in range(2):
        with pytest.raises(NoQuestion, match="another worker asks"):
            questions.current(look=True)
    assert Question.current().configuration == "f" * 64


def test_the_hash_is_kept_for_the_next_worker(truth, portal_folder):
    Questions().current()
    kept = portal_folder.work / KEPT_HASHES
    text = kept.read_text()
    assert sha256(truth) in text
    kept.write_text(text.replace(sha256(truth), "0" * 64))
    assert Questions().current().question.truth == "0" * 64, "it was read from there"
    os.utime(next(truth.rglob(".zattrs")))
    assert Questions().current().question.truth == sha256(truth)


@pytest.mark.parametrize("content", ["", "not json", '{"stamp": 1}'])
def test_a_broken_note_of_the_hash_is_made_anew(truth, portal_folder, content):
    (portal_folder.work / KEPT_HASHES).write_text(content)
    assert Questions().current().question.truth == sha256(truth)


def test_without_truth_the_words_say_where_to_name_it(db, settings):
    settings.PORTAL = settings.PORTAL.model_copy(update={"truth": ""})
    with pytest.raises(NoQuestion, match=r"portal\.toml"):
        Questions().current()
    settings.PORTAL = settings.PORTAL.model_copy(update={"truth": __file__})
    with pytest.raises(NoQuestion):
        Questions().current()
