"""Rate limits, counted in the database, with a clock that the test owns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory

from organelle.portal.challenge.models import Pace
from organelle.portal.challenge.pace import client_of, may

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def tries(count: int, at: datetime, who: str = "ada") -> list[bool]:
    return [may("knock", who, most=3, seconds=60, now=at) for _ in range(count)]


def test_three_a_minute_and_then_no_more():
    assert tries(5, NOON) == [True, True, True, False, False]
    assert tries(1, NOON + timedelta(seconds=59)) == [False]
    assert tries(4, NOON + timedelta(seconds=60)) == [True, True, True, False]


def test_others_and_other_doings_have_counts_of_their_own():
    tries(3, NOON)
    assert tries(1, NOON, who="bob") == [True]
    assert may("ring", "ada", most=1, seconds=60, now=NOON)


def test_nothing_at_all_is_a_limit_too():
    assert not may("knock", "ada", most=0, seconds=60, now=NOON)


def test_a_clock_that_was_ahead_locks_nobody_out():
    tries(4, NOON + timedelta(days=300))
    assert tries(4, NOON) == [True, True, True, False]


def test_clocks_that_are_a_little_apart_count_together():
    tries(2, NOON + timedelta(seconds=2))
    assert tries(2, NOON) == [True, False]


def test_nobody_is_named_and_old_counts_go():
    tries(1, NOON)
    assert "ada" not in Pace.objects.get().key
    tries(1, NOON + timedelta(days=3), who="bob")
    assert Pace.objects.count() == 1


@pytest.mark.parametrize(
    ("proxies", "passed", "expected"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.7, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.7, 203.0.113.9", "198.51.100.7"),
        (2, "203.0.113.9", "192.0.2.1"),
        (1, "not an address", "unknown"),
    ],
)
def test_only_our_own_proxies_are_believed(settings, proxies, passed, expected):
    settings.PORTAL = settings.PORTAL.model_copy(update={"proxies": proxies})
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=passed)
    assert client_of(request) == expected


def test_of_the_new_internet_the_network_counts():
    request = RequestFactory().get("/", REMOTE_ADDR="2001:db8:1:2:3:4:5:6")
    assert client_of(request) == "2001:db8:1:2::/64"


def test_an_old_address_in_the_new_form_is_itself():
    assert client_of(RequestFactory().get("/", REMOTE_ADDR="::ffff:192.0.2.7")) == "192.0.2.7"
