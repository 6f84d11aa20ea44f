"""What a team does with its submissions while another of its members does something else."""

from __future__ import annotations

import pytest

from organelle.portal.accounts.models import Team, User
from organelle.portal.submissions.actions import choose, edit
from organelle.portal.submissions.models import Submission

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(team: Team) -> list[Submission]:
    return [
        Submission.objects.create(team=team, sha256=letter * 64, size_bytes=1, name=letter, state="scored")
        for letter in "ab"
    ]


def chosen() -> list[str]:
    return [one.name for one in Submission.objects.filter(chosen=True)]


def test_who_edits_an_old_page_brings_no_old_choice_back(person: User, two):
    choose(two[0], person)
    old = Submission.objects.get(pk=two[0].pk)
    choose(two[1], person)
    edit(old, person, {"description": "better words"})
    assert chosen() == ["b"]


def test_who_edits_an_old_page_takes_no_new_choice_away(person: User, two):
    old = Submission.objects.get(pk=two[0].pk)
    choose(two[0], person)
    edit(old, person, {"description": "better words"})
    assert chosen() == ["a"]


def test_what_may_not_be_published_is_not_chosen(person: User, two):
    choose(two[0], person)
    edit(two[0], person, {"publish": False})
    assert chosen() == []
    assert not two[0].chosen
