"""A truth with marked numbers is scored, and none of them is anywhere that a participant can look.

Everybody but organisers asks wherever scores could be told, while it is scored, afterwards, and after faults
of ours; in the end all links are followed.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from scored_files import ByHand, handed_in, worker
from two_crops import SECOND, TRUTH, make_two_crops

from organelle.catalog import load_catalog
from organelle.evaluate import evaluate, simulate
from organelle.files import sha256
from organelle.portal.accounts.models import ApiToken, Membership, Team, User
from organelle.portal.board import looking
from organelle.portal.challenge.models import Phase
from organelle.portal.news.models import OutgoingMail
from organelle.portal.scoring import queue
from organelle.portal.scoring.check import check
from organelle.portal.scoring.finish import finish_if_done
from organelle.portal.scoring.leases import fault, keep_row, take_check, take_rows
from organelle.portal.scoring.models import Job, JobEvent, Result, Task, Worker
from organelle.portal.scoring.question import Exam, announce, stamp_of
from organelle.portal.scoring.score import score
from organelle.portal.submissions.models import Submission, Transition
from organelle.portal.submissions.store import keep

pytestmark = pytest.mark.usefixtures("boards_of_one_look")

MARKED_ID = 48_600
MARKED_TIME = datetime(2031, 7, 19, 13, 37, 41, tzinfo=UTC)
"""Of all that is written of jobs; pages may say when a submission came into a state, and nothing else."""

WORKER = "beast-of-burden"


@pytest.fixture(scope="module")
def challenge(tiny_challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_two_crops(tiny_challenge, tmp_path_factory.mktemp("marked") / "tiny", marked=MARKED_ID)


@pytest.fixture
def exam(db, challenge: Path, settings, portal_folder) -> Exam:
    known = {"catalog": str(challenge), "scoring_processes": 1, "metrics_token": "of a monitor"}
    settings.PORTAL = settings.PORTAL.model_copy(update=known)
    truth = str(challenge / "hidden-truth.zarr")
    return announce(truth, str(challenge), "2026-06", stamp_of(truth, str(challenge)))


@pytest.fixture(scope="module")
def drawn(challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to hand in."""
    path = tmp_path_factory.mktemp("file") / "drawn.zip"
    simulate(challenge / TRUTH, load_catalog(challenge), path, seed=3)
    return path


@pytest.fixture
def submission(exam: Exam, team: Team, person: User, drawn: Path, tmp_path: Path) -> Submission:
    path = Path(shutil.copy(drawn, tmp_path))
    digest = sha256(path)
    size = path.stat().st_size
    keep(path, digest)
    made = handed_in(team, sha256=digest, user=person)
    Submission.objects.update(size_bytes=size)
    return made


@pytest.fixture
def readers(team: Team, person: User) -> dict[str, Client]:
    """Everybody but organisers."""
    rival = User.objects.of("rival@lab.example")
    Membership.objects.create(user=rival, team=Team.objects.create(name="Rivals", slug="rivals"), leads=True)
    found = {role: Client(raise_request_exception=False) for role in ("anonymous", "lead", "rival", "token")}
    found["lead"].force_login(person)
    found["rival"].force_login(rival)
    secret = ApiToken.make(person, "laptop", ["submit"])[1]
    found["token"].defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return found


def test_nothing_of_the_truth_gets_out(exam, submission, readers, challenge, caplog):
    who = worker(WORKER)
    queue.derive_jobs(exam)
    check(take_check(who), who)
    queue.derive_jobs(exam)
    score(take_rows(who, exam.key, 7), exam, who)
    kept = [task.row for task in Task.objects.exclude(row=None)]
    assert len(kept) == 7
    hide_times()
    seen = {"while it is scored": everything(readers, submission)}
    while batch := take_rows(who, exam.key, 100):
        score(batch, exam, who)
    hide_times()
    caplog.clear()
    seen["scored"] = everything(readers, submission, follow=("anonymous", "lead"))
    result = Result.objects.get()
    assert {row["crop_id"] for row in result.crops["rows"]} == {21, 22}
    secrets = {**marks(result), **places(challenge, exam)}
    assert len(secrets) > 100
    assert len(seen["scored"]) > 150
    for when, answers in seen.items():
        assert found_in(answers, secrets) == {}, when
    assert found_in({"log": caplog.text}, secrets) == {}
    told = seen["scored"][f"lead /submissions/{submission.pk}/"]
    assert f"{result.scores['overall']:.3f}" in told, "the crawl saw the score"


def test_two_portals_that_differ_in_private_truth_look_the_same_until_the_end(
    challenge, tiny_challenge, tmp_path, portal_folder, monkeypatch, team, readers
):
    """Whatever hangs on the truth of a private crop makes them differ, marked or not, rounded or not."""
    known = {"catalog": str(challenge), "private_crops": (SECOND,), "metrics_token": "of a monitor"}
    monkeypatch.setattr(settings, "PORTAL", settings.PORTAL.model_copy(update=known))
    other = make_two_crops(tiny_challenge, tmp_path / "other", turned=2)
    files = drawn_files(challenge, tmp_path)
    one, two = (looked_at(folder / TRUTH, files, readers, team) for folder in (challenge, other))
    assert one["private"] != two["private"], "the figures that nobody may see differ"
    assert len(one["before"]) > 4 * len(STARTS)
    differing = [where for where in one["before"] if one["before"][where] != two["before"].get(where)]
    assert (differing, set(one["before"])) == ([], set(two["before"]))
    changed = {where for where in one["final"] if one["final"][where] != two["final"][where]}
    for role in ("anonymous", "lead"):
        for path in ("/leaderboard.json", "/leaderboard/ves/", "/leaderboard.csv?ranking=final"):
            assert f"{role} {path}" in changed
        assert f"{role} /leaderboard/?ranking=public" not in changed
        assert f"{role} /leaderboard/ves/history.json" not in changed
    assert f"lead /submissions/{ONE_ID}/" in changed


ONE_ID = uuid.UUID(int=1)


def drawn_files(challenge: Path, folder: Path) -> list[Path]:
    """Three files to hand in, drawn from the truth of the first portal."""
    files = [folder / f"{seed}.zip" for seed in range(3)]
    for seed, path in enumerate(files):
        simulate(challenge / TRUTH, load_catalog(challenge), path, seed=seed)
    return files


def looked_at(
    truth: Path, files: Sequence[Path], readers: Mapping[str, Client], team: Team
) -> dict[str, dict[str, Any]]:
    """What a portal with this truth shows before the end and then; nothing of it stays."""
    with transaction.atomic():
        submissions = scored_with(truth, files, team)
        stop_clocks()
        found: dict[str, dict[str, Any]] = {
            "private": {r.sha256: r.final for r in Result.objects.all()},
            "before": everything(readers, submissions[0]),
        }
        Phase.objects.create(kind="final", starts=MARKED_TIME.replace(year=2020))
        last = {role: readers[role] for role in ("anonymous", "lead")}
        found["final"] = everything(last, submissions[0])
        transaction.set_rollback(True)
    for when in ("before", "final"):
        found[when] = {where: PASSING.sub("", text) for where, text in found[when].items()}
    return found


PASSING = re.compile(
    r"csrf(?:middlewaretoken|token)[^>\n]*"
    r"|'Expires': '[^']*'|\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT|20\d\d-\d\d-\d\d[T ][\d:.]+"
)
"""Secrets of forms, and the time of now."""


def scored_with(truth: Path, files: Sequence[Path], team: Team) -> list[Submission]:
    """The files handed in, the last one by a rival, and scored."""
    tables = settings.PORTAL.catalog
    exam = announce(str(truth), tables, "2026-06", stamp_of(truth, tables), settings.PORTAL.private_crops)
    rival = Team.objects.get(slug="rivals")
    submissions, evaluations = [], {}
    for number, path in enumerate(files):
        digest, whose = sha256(path), rival if path is files[-1] else team
        values = {"id": uuid.UUID(int=number + 1), "user": whose.memberships.get().user}
        submissions.append(handed_in(whose, "queued", sha256=digest, **values))
        evaluations[digest] = evaluate(path, truth, load_catalog(Path(tables)), workers=0)
    who = worker(WORKER)
    queue.derive_jobs(exam)
    while batch := take_rows(who, exam.key, 100):
        by_hand = ByHand(exam, evaluations[batch.job.submission.sha256])
        for task in batch.tasks:
            keep_row(task, who, by_hand.record(task))
        finish_if_done(batch.job, exam, who.name)
    return submissions


def stop_clocks() -> None:
    """All times are the marked one."""
    hide_times()
    Submission.objects.update(created=MARKED_TIME, attempt_at=MARKED_TIME)
    Transition.objects.update(time=MARKED_TIME)
    OutgoingMail.objects.update(created=MARKED_TIME)


def test_faults_of_ours_tell_nothing(exam, submission, readers, challenge):
    who = worker(WORKER)
    queue.derive_jobs(exam)
    check(take_check(who), who)
    queue.derive_jobs(exam)
    for _ in range(3):
        Job.objects.update(not_before=Worker.objects.get().started)
        batch = take_rows(who, exam.key, 2)
        fault(batch.job, who, f"no crop21/ves in {challenge}/hidden-truth.zarr: 48611 objects, not 48610")
        queue.derive_jobs(exam)
    hide_times()
    submission.refresh_from_db()
    assert submission.state == "failed"
    secrets = places(challenge, exam) | {"48611": "a count", "48610": "a count", "hidden-truth": "a path"}
    assert found_in(everything(readers, submission), secrets) == {}


def hide_times() -> None:
    """Give all that is written of jobs the marked time."""
    Job.objects.update(created=MARKED_TIME, started=MARKED_TIME, finished=MARKED_TIME)
    JobEvent.objects.update(time=MARKED_TIME)
    Result.objects.update(created=MARKED_TIME)
    Worker.objects.update(started=MARKED_TIME, seen=MARKED_TIME)


def everything(
    readers: Mapping[str, Client], submission: Submission, *, follow: Container[str] = ()
) -> dict[str, str]:
    """Whatever each of them can reach, with headers, and all mails; those in `follow` follow every link."""
    found = {}
    looking.forget()
    for role, client in readers.items():
        pages = crawl(client, submission, follow=role in follow)
        found |= {f"{role} {path}": text for path, text in pages}
    found |= {f"mail {m.pk}": f"{m.subject} {m.text} {m.headers}" for m in OutgoingMail.objects.all()}
    return found | {f"mail {i}": f"{m.subject} {m.body}" for i, m in enumerate(mail.outbox)}


STARTS = (
    "/", "/search/?q=ves", "/crops/22/", "/leaderboard.json", "/leaderboard/ves/", "/leaderboard/ves.json",
    "/leaderboard/ves/history.json", "/leaderboard/?metric=pq", "/leaderboard/?metric=2026-07",
    "/news/feed.json", "/metrics/", "/admin/", "/admin/scoring/result/", "/account/export/", "/nothing",
    "/api/openapi.json", "/api/submissions", "/api/leaderboard", "/api/leaderboard?column=ves", "/api/crops",
    "/api/leaderboard?column=ves&metric=nothing", "/api/limits", "/api/me", "/leaderboard/nothing/",
    "/ready/", "/health/", "/leaderboard/?ranking=final", "/leaderboard/ves/?ranking=final",
    "/leaderboard.json?ranking=final", "/leaderboard.csv?ranking=final", "/api/leaderboard?ranking=final",
    "/leaderboard/?ranking=public", "/leaderboard.csv", "/api/leaderboard?ranking=public",
)  # fmt: skip


def crawl(client: Client, submission: Submission, *, follow: bool) -> Iterator[tuple[str, str]]:
    """The pages to begin with, and all that they lead to; of filters and themes one each."""
    own = [f"/submissions/{submission.pk}/", f"/submissions/{submission.pk}/live/"]
    waiting, known = [*STARTS, *own, f"/api/submissions/{submission.pk}"], set()
    while waiting:
        path = waiting.pop(0)
        if path in known:
            continue
        known |= {path, path.partition("?")[0]}
        cache.clear()
        answer = client.get(path)
        body = answer.getvalue().decode("utf-8", "replace")
        assert answer.status_code < 500, path
        yield path, f"{dict(answer.headers)}\n{body}"
        links = re.findall(r'(?:href|src|hx-get)="(/[^"#]*)', body) if follow else []
        plain = (link.partition("?")[0] for link in links if not SAME_FOR_ALL.match(link))
        waiting += [link for link in plain if link not in known]


SAME_FOR_ALL = re.compile(r"/static/|/statistics/.*svg|.*dark\.svg")
"""Charts of the catalog take long to draw, and know nothing of scores."""


def marks(result: Result) -> dict[str, str]:
    """Numbers that only somebody with the truth, or with its rows, could know: as text, and what they are."""
    found: dict[str, str] = {}
    totals: dict[tuple[str, str], int] = {}
    for row in result.crops["rows"]:
        place = f"crop{row['crop_id']}/{row['class_name']}"
        for metric, counts in row["by_version"].items():
            numbers = {k: v for k, v in counts.items() if isinstance(v, int | float)}
            if "tp" in numbers:
                numbers["volume"] = numbers["tp"] + numbers["fn"]
                made = numbers["tp"] / max(1, numbers["tp"] + numbers["fp"] + numbers["fn"])
                numbers["ratio"] = made
            for name, value in numbers.items():
                if isinstance(value, int):
                    key = (f"{metric}/{row['class_name']}", name)
                    totals[key] = totals.get(key, 0) + value
                found |= written(value, f"{place} {name}")
    for (what, name), value in totals.items():
        found |= written(value, f"{what} {name} of all crops")
    for name, facts in result.scores["classes"].items():
        for key, value in [("score", facts["score"]), *facts["ratios"].items()]:
            found |= written(value, f"{name} {key}")
    for name in ("overall", "instance", "semantic"):
        found |= written(result.scores[name], name)
    ids = {str(MARKED_ID + i): "an object of the truth" for i in range(1, 40)}
    return found | ids


def written(value: float | None, what: str) -> dict[str, str]:
    """How a number might stand somewhere; short ones stand everywhere, and mark nothing."""
    if isinstance(value, float) and abs(value * 1000 - round(value * 1000)) > 1e-6:
        return {f"{value:.{n}f}"[:-1]: what for n in (5, 6, 7)}
    if isinstance(value, int) and value >= 10_000:
        return {str(value): what, f"{value:,}": what, f"{value:,}".replace(",", " "): what}
    return {}


def places(challenge: Path, exam: Exam) -> dict[str, str]:
    key = exam.question
    return {
        str(challenge): "a path",
        "hidden-truth": "a path",
        key.truth: "hash of the truth",
        key.truth[:12]: "hash of the truth",
        key.configuration[:12]: "hash of the configuration",
        WORKER: "name of a worker",
        "2031-07-19": "a time of a job",
        "19 Jul 2031": "a time of a job",
        "Traceback": "the code",
    }


def found_in(answers: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Where which secret is told."""
    told = "\n".join(answers.values())
    return {
        where: f"{secret}: {what}"
        for secret, what in secrets.items()
        if secret in told
        for where, text in answers.items()
        if re.search(rf"(?<![\w.]){re.escape(secret)}", text)
    }


def test_the_search_finds_what_it_looks_for():
    secrets = written(0.75312, "a score") | written(64695, "a count")
    for text in ("score 0.75312", "0.7531234", "of 64695 voxels", "64,695", '"64695"'):
        assert found_in({"page": text}, secrets), text
    for text in ("0.753", "a64695", "1.64695", "75.3 %"):
        assert not found_in({"page": text}, secrets), text
