"""What organisers see of the queue, what they do to it, and who else may look: nobody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from scored_files import State, handed_in, worker

from organelle.portal.challenge.models import AuditEntry
from organelle.portal.scoring import queue
from organelle.portal.scoring.leases import take_check
from organelle.portal.scoring.metrics import concerns
from organelle.portal.scoring.models import Job, Question, Result, Worker

PAGES = ("job", "worker", "question", "result")


@pytest.fixture
def desk(client, organiser):
    client.force_login(organiser)
    return client


def job(team, state, **values) -> Job:
    """A submission in a state, with the job of its check behind it."""
    submission = handed_in(team, state, **values)
    return Job.objects.create(submission=submission, kind=Job.Kind.CHECK, state=Job.State.DONE)


def act(desk, action: str, *jobs: Job) -> str:
    chosen = {"action": action, "_selected_action": [job.pk for job in jobs], "reason": "because"}
    return desk.post("/admin/scoring/job/", chosen, follow=True).content.decode()


def state_of(job: Job) -> str:
    job.submission.refresh_from_db()
    return str(job.submission.state)


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_for_organisers(client, signed_in, organiser, team, page):
    made = {
        "job": lambda: job(team, State.HELD),
        "worker": worker,
        "question": lambda: Question.objects.create(metric="m", truth="t", configuration="c"),
        "result": lambda: Result.objects.create(sha256="a" * 64, scores={"overall": 0.123456789}),
    }[page]()
    addresses = [f"/admin/scoring/{page}/", f"/admin/scoring/{page}/{made.pk}/change/"]
    assert [client.get(a, follow=True).status_code for a in addresses] == [403, 403]
    client.force_login(organiser)
    assert [client.get(a).status_code for a in addresses] == [200, 200]
    assert client.get(f"/admin/scoring/{page}/add/").status_code == 403
    client.logout()
    assert [client.get(a).status_code for a in addresses] == [302, 302]


def test_a_held_one_is_released_and_the_others_stay(desk, team, organiser):
    held, refused = job(team, State.HELD), job(team, State.REFUSED, sha256="b" * 64)
    told = act(desk, "release", held, refused)
    assert (state_of(held), state_of(refused)) == (State.QUEUED, State.REFUSED)
    assert "1 submissions: released. 1 stay as they are." in told
    assert AuditEntry.objects.filter(action="submission.requeued").get().actor == organiser


def test_cancel_and_requeue(desk, team):
    one, over = job(team, State.QUEUED), job(team, State.SCORED, sha256="b" * 64)
    act(desk, "cancel", one, over)
    assert (state_of(one), state_of(over)) == (State.CANCELLED, State.SCORED)
    act(desk, "requeue", one)
    assert state_of(one) == State.QUEUED


def test_forgetting_a_result_is_noted(desk, team):
    result = Result.objects.create(sha256="a" * 64, metric="m", scores={"overall": 0.5})
    desk.post("/admin/scoring/result/", {"action": "forget", "_selected_action": [result.pk]})
    assert not Result.objects.exists()
    assert AuditEntry.objects.filter(action="result.forgotten").exists()


def test_the_queue_says_what_to_look_at(desk, team):
    assert concerns() == []
    handed_in(team)
    assert concerns() == ["no worker is there, and submissions wait"]
    who = worker("far")
    assert concerns() == []
    Worker.objects.filter(pk=who.pk).update(doing="waits: the truth is gone")
    assert "orker far waits: the truth is gone" in desk.get("/admin/scoring/job/").content.decode()
    Worker.objects.filter(pk=who.pk).update(seen=who.seen - timedelta(days=1))
    assert concerns() == ["no worker is there, and submissions wait"]


def test_what_failed_is_named_until_it_is_mended(team):
    failed = job(team, State.SCORED)
    question = Question.objects.create(metric="m", truth="t", configuration="c")
    old = failed.created - timedelta(days=9)
    Job.objects.update(state=Job.State.FAILED, finished=old)
    assert concerns() == []
    Job.objects.update(**question.key)
    assert "1 jobs have failed" in concerns()[0]


def test_workers_with_other_private_crops_than_the_web_server_are_told(db, settings):
    Question.objects.create(metric="m", truth="t", configuration="c", private_crops="")
    settings.PORTAL = settings.PORTAL.model_copy(update={"private_crops": (22, 21)})
    assert "the crops none private, and this web server is set up with 21,22" in concerns()[0]
    Question.objects.update(private_crops="21,22")
    assert concerns() == []


LINE = re.compile(r'(# (HELP|TYPE) portal_\w+ .+|portal_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+.\de]+)')


def test_the_figures_are_in_prometheus_form(client, team):
    handed_in(team)
    queue.derive_jobs(None)
    take_check(worker('a "name"'))
    answer = client.get("/metrics/")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.content.decode().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    for line in (
        'portal_submissions{state="checking"} 1',
        'portal_submissions{state="scored"} 0',
        'portal_jobs{kind="check",state="running"} 1',
        "portal_workers 1",
    ):
        assert line in lines
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize(
    ("sender", "allowed"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, True),
        ({"REMOTE_ADDR": "::1"}, True),
        ({"REMOTE_ADDR": "10.0.0.1"}, False),
        ({"REMOTE_ADDR": ""}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "192.0.2.1"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.1"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_VIA": "1.1 proxy"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"}, False),
    ],
)
def test_only_this_machine_may_ask(client, db, sender, allowed):
    assert client.get("/metrics/", **sender).status_code == (200 if allowed else 404)


@pytest.mark.parametrize(
    ("shown", "allowed"),
    [("Bearer word", True), ("Bearer other", False), ("", False), ("Bearer wörd", False)],
)
def test_with_a_token_only_who_shows_it(client, db, settings, shown, allowed):
    settings.PORTAL = settings.PORTAL.model_copy(update={"metrics_token": "word", "proxies": 1})
    answer = client.get("/metrics/", REMOTE_ADDR="10.0.0.1", HTTP_AUTHORIZATION=shown)
    assert answer.status_code == (200 if allowed else 404)
