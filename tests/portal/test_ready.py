"""What `/ready/` says to those who start and watch the portal, and what organisers should look at."""

from __future__ import annotations

import shutil

from scored_files import handed_in

from organelle.portal.challenge import health
from organelle.portal.scoring import metrics


def test_a_full_disk_is_not_ready(client, portal_folder, db, monkeypatch):
    assert client.get("/ready/").content == b"ready\n"
    monkeypatch.setattr(health, "LEAST_FREE", 1 << 62)
    answer = client.get("/ready/")
    assert (answer.status_code, answer.content) == (503, b"the disk is full\n")
    assert client.get("/health/").status_code == 200


def test_a_folder_that_is_away_is_not_ready(client, portal_folder, db):
    shutil.rmtree(portal_folder.uploads)
    answer = client.get("/ready/")
    assert (answer.status_code, answer.content) == (503, b"the portal's folder is away\n")


def test_what_keeps_scores_only_is_told_to_those_who_watch(client, team, db):
    handed_in(team)
    words = b"ready\nlook at: no worker is there, and submissions wait\n"
    answer = client.get("/ready/")
    assert (answer.status_code, answer.content) == (200, words)
    assert client.get("/ready/", REMOTE_ADDR="10.0.0.1").content == b"ready\n"


def test_little_room_is_a_concern(portal_folder, db, monkeypatch):
    assert metrics.concerns() == []
    monkeypatch.setattr(metrics, "LITTLE_ROOM", 1 << 62)
    assert "make room" in metrics.concerns()[0]
