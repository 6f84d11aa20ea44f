"""Hostile files through the form, the check and the pages: refused with words or harmless, never a crash."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "submission"))

from attacks import Attack, all_attacks
from drawn_submissions import CHALLENGE
from scored_files import State, worker
from test_mutated_zips import MUTATIONS

from organelle.catalog import write_tables
from organelle.portal.scoring import queue
from organelle.portal.scoring.check import check
from organelle.portal.scoring.leases import take_check
from organelle.portal.scoring.models import Job
from organelle.portal.submissions.models import Submission

ATTACKS = all_attacks()
OF_FILES = [attack for attack in ATTACKS if attack.scope == "file" and not attack.slow]
"""Found before a row is looked at, so that no child has to start."""

OF_ROWS = [attack for attack in ATTACKS if attack.scope == "row" and not attack.slow]
OTHERS = [attack for attack in ATTACKS if attack not in (*OF_FILES, *OF_ROWS)]
LOOKED_AT = (State.REFUSED, State.HELD, State.QUEUED)


@pytest.fixture
def handed(entrant, client: Client, settings, tmp_path_factory):
    """Hands a file in as a browser does, and checks it as a worker does."""
    tables = write_tables(CHALLENGE, tmp_path_factory.mktemp("tables"))
    (tables / "datasets.csv").unlink()  # the crops name their datasets
    many = settings.PORTAL.limits.model_copy(update={"per_day": 1000, "total": 1000, "concurrent": 1000})
    known = {"catalog": str(tables), "scoring_processes": 1, "limits": many}
    settings.PORTAL = settings.PORTAL.model_copy(update=known)
    client.force_login(entrant)

    def hand_in(path: Path) -> Submission:
        file = SimpleUploadedFile(path.name, path.read_bytes(), "application/zip")
        answer = client.post("/submit/", {"submission": file, "publish": "on", "end": "end"})
        assert answer.status_code == 302, answer.content.decode()
        queue.derive_jobs(None)
        job = take_check(who := worker())
        check(job, who)
        assert Job.objects.get(pk=job.pk).state == Job.State.DONE
        return Submission.objects.get(pk=job.submission_id)

    return hand_in


def pages(client: Client, submission: Submission) -> str:
    """What its team sees of it; markup of the file's names is words there."""
    own = f"/submissions/{submission.pk}/"
    found = [client.get(path) for path in (own, f"{own}live/", "/submissions/", f"/api{own[:-1]}")]
    assert {answer.status_code for answer in found} == {200}
    page: str = found[0].content.decode()
    assert "<script>alert" not in page
    return page


def assert_told(client: Client, submission: Submission, attack: Attack) -> None:
    page = pages(client, submission)
    assert submission.state in LOOKED_AT
    if attack.scope == "file":
        assert submission.state == State.REFUSED
    codes = {problem["code"] for problem in submission.report["problems"]}
    assert not attack.code or attack.code in codes, (attack.name, codes)
    for code in codes:
        assert f"<code>{code}</code>" in page
    if submission.state == State.REFUSED:
        assert "each says how to mend it" in submission.reason
        assert "To mend it:" in page
        assert submission.attempt_at is None


def test_attacks_on_the_file_are_refused_with_words(handed, client, tmp_path):
    assert len(OF_FILES) > 20
    for number, attack in enumerate(OF_FILES):
        (folder := tmp_path / str(number)).mkdir()
        path = attack.bad(folder)
        if path.is_file():
            assert_told(client, handed(path), attack)


def test_an_attack_on_a_row_is_told(handed, client, tmp_path):
    attack = next(a for a in OF_ROWS if a.name == "blosc that promises 2 GiB")
    assert_told(client, handed(attack.bad(tmp_path)), attack)


@pytest.mark.soak
@pytest.mark.parametrize("attack", [*OF_ROWS, *OTHERS], ids=str)
def test_all_other_attacks(handed, client, tmp_path, attack):
    path = attack.bad(tmp_path)
    if path.is_file():
        assert_told(client, handed(path), attack)


@pytest.mark.parametrize("mutation", MUTATIONS[1:4], ids=lambda m: m.__name__)
def test_zips_with_changed_records(handed, client, tmp_path, mutation):
    """What is changed in the zip's own records; one that is still whole is looked at in children."""
    submission = handed(mutation(tmp_path, random.Random(f"{mutation.__name__} portal")))
    pages(client, submission)
    assert submission.state in LOOKED_AT


@pytest.mark.soak
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.__name__)
def test_many_changed_zips(handed, client, tmp_path, mutation):
    for seed in range(15):
        submission = handed(mutation(tmp_path, random.Random(f"{mutation.__name__} {seed} portal")))
        pages(client, submission)
        assert submission.state in LOOKED_AT


def test_what_is_no_zip_is_refused(handed, client, tmp_path):
    for number, data in enumerate((b"\x00", b"PK", b"<html>", b"\x1f\x8b" * 100, b"PK\5\6" + bytes(18))):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(data)
        submission = handed(path)
        assert "To mend it:" in pages(client, submission)
        assert submission.state == State.REFUSED


@pytest.mark.parametrize(
    "name",
    ["../../x.zip", "a\nb.zip", "\x1b[2J.zip", "<script>alert(1).zip", "\u202egpj.zip", "x" * 900, "=1+1"],
)
def test_odd_names_of_files_are_words(entrant, client, name):
    client.force_login(entrant)
    file = SimpleUploadedFile("a.zip", b"bytes")
    file._name = name
    assert client.post("/submit/", {"submission": file, "end": "end"}).status_code in (302, 422)
    for submission in Submission.objects.all():
        assert "/" not in submission.name
        assert submission.name.isprintable()
        pages(client, submission)
