"""Pages that the web server keeps for a moment are those of readers whom it knows nothing of."""

from __future__ import annotations

import pytest
from django.core.cache import caches
from django.test import Client

from organelle.portal.accounts.models import User
from organelle.portal.explorer import answers, views

pytestmark = pytest.mark.django_db
PAGE = "/datasets/jrc_hela-2/"


@pytest.fixture(autouse=True)
def pages_of_a_moment_ago(pages_of_now: None, monkeypatch: pytest.MonkeyPatch) -> None:
    caches["pages"].clear()
    monkeypatch.setattr(answers, "BEHIND_S", 3600.0)


@pytest.fixture
def facts_gone(client: Client, monkeypatch: pytest.MonkeyPatch):
    """The page was seen once; whoever makes it anew breaks."""
    first = client.get(PAGE)

    def broken(name: str) -> None:
        raise ZeroDivisionError(name)

    monkeypatch.setattr(views.collection, "facts_of", broken)
    return first


def test_a_crowd_is_answered_from_one_look(client: Client, facts_gone) -> None:
    again = client.get(PAGE)
    assert again.content == facts_gone.content
    for header in ("ETag", "Cache-Control", "Vary", "Content-Security-Policy", "Content-Type"):
        assert again.headers[header] == facts_gone.headers[header]
    assert client.get(PAGE, headers={"If-None-Match": again["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    "other",
    [
        {"path": f"{PAGE}?page=2"},
        {"path": PAGE, "headers": {"HX-Request": "true"}},
        {"path": PAGE, "headers": {"Authorization": "Bearer something"}},
        {"path": PAGE, "headers": {"Cookie": "portal_session=something"}},
        {"path": PAGE, "headers": {"Cookie": "messages=something"}},
        {"path": PAGE, "headers": {"Host": "127.0.0.1"}},
    ],
    ids=str,
)
def test_whoever_asks_for_something_else_gets_a_page_of_now(client: Client, facts_gone, other) -> None:
    with pytest.raises(ZeroDivisionError):
        client.get(**other)


def test_nobody_sees_a_page_that_was_made_for_a_person(client: Client, person: User) -> None:
    client.force_login(person)
    assert str(person) in client.get(PAGE).content.decode()
    stranger = Client().get(PAGE)
    assert str(person) not in stranger.content.decode()
    assert "private" not in stranger["Cache-Control"]


def test_a_large_page_is_not_kept(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LARGEST_BYTES", 100)
    client.get(PAGE)
    assert not caches["pages"]._cache


def test_many_addresses_do_not_fill_the_memory(client: Client) -> None:
    for number in range(200):
        client.get(f"{PAGE}?page={number}")
    assert len(caches["pages"]._cache) <= 128
