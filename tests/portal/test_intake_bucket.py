"""Submissions in a bucket: a real S3 server takes them, and gives them to workers that have no copy."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from organelle.errors import TransferError
from organelle.portal.config import Bucket
from organelle.portal.submissions.intake import hand_in
from organelle.portal.submissions.models import Submission
from organelle.portal.submissions.store import NoRoom, stored_path
from organelle.portal.submissions.sweep import sweep
from organelle.portal.submissions.uploads import begin
from organelle.portal.submissions.writing import append

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fetch"))

from bucket_servers import s3_client, serve_s3

CONTENT = b"a submission"
SHA = hashlib.sha256(CONTENT).hexdigest()
KEY = f"ours/{SHA[:2]}/{SHA}.zip"


@pytest.fixture
def endpoint(settings, tmp_path):
    (tmp_path / "nothing").mkdir()
    with serve_s3(tmp_path / "nothing", "handed-in") as found:
        bucket = Bucket(name="handed-in", prefix="ours", endpoint=found, key="test", secret="test")
        settings.PORTAL = settings.PORTAL.model_copy(update={"bucket": bucket})
        yield found


@pytest.fixture
def given(endpoint, entrant, team, tmp_path) -> Submission:
    return give(entrant, team, tmp_path)


def give(user, team, folder: Path) -> Submission:
    (folder / "coming").write_bytes(CONTENT)
    return hand_in(
        folder / "coming", user=user, team=team, sha256=SHA, size_bytes=len(CONTENT), name="a.zip", fields={}
    )


def held(endpoint: str) -> dict[str, bytes]:
    client = s3_client(endpoint)
    found = client.list_objects_v2(Bucket="handed-in").get("Contents", [])
    content = {}
    for item in found:
        body = client.get_object(Bucket="handed-in", Key=item["Key"])["Body"]
        content[item["Key"]] = body.read()
        body.close()
    client.close()
    return content


def test_a_submission_is_in_the_bucket_before_it_exists(endpoint, given):
    assert held(endpoint) == {KEY: CONTENT}


def test_a_worker_without_a_copy_fetches_one(endpoint, given):
    path = stored_path(given)
    path.unlink()
    assert stored_path(given).read_bytes() == CONTENT


def test_what_was_exchanged_in_the_bucket_is_not_scored(endpoint, given):
    stored_path(given).unlink()
    client = s3_client(endpoint)
    client.put_object(Bucket="handed-in", Key=KEY, Body=b"another")
    client.close()
    with pytest.raises(TransferError, match="not what was handed in"):
        stored_path(given)


def test_what_is_gone_is_named(endpoint, given):
    stored_path(given).unlink()
    client = s3_client(endpoint)
    client.delete_object(Bucket="handed-in", Key=KEY)
    client.close()
    with pytest.raises(TransferError, match=SHA):
        stored_path(given)


def test_a_bucket_that_refuses_spends_no_attempt_and_loses_nothing(
    endpoint, entrant, team, tmp_path, settings
):
    working = settings.PORTAL
    other = working.bucket.model_copy(update={"name": "nobodys"})
    settings.PORTAL = working.model_copy(update={"bucket": other})
    with pytest.raises(NoRoom):
        give(entrant, team, tmp_path)
    assert not Submission.objects.exists()
    settings.PORTAL = working
    give(entrant, team, tmp_path)
    assert held(endpoint) == {KEY: CONTENT}


def test_a_bucket_that_refuses_is_told_on_the_page_and_the_upload_stays(
    endpoint, entrant, signed_in, settings
):
    upload = begin(entrant, length=len(CONTENT), name="a.zip")
    pieces = io.BytesIO(CONTENT)
    working = settings.PORTAL
    other = working.bucket.model_copy(update={"name": "nobodys"})
    settings.PORTAL = working.model_copy(update={"bucket": other})
    with pytest.raises(NoRoom):
        append(upload, 0, len(CONTENT), pieces.read)
    page = signed_in.post(f"/submit/finish/{upload.pk}/", follow=True)
    assert "no room just now" in page.content.decode()
    settings.PORTAL = working
    signed_in.post(f"/submit/finish/{upload.pk}/")
    assert held(endpoint) == {KEY: CONTENT}
    assert Submission.objects.get().sha256 == SHA


def test_what_belongs_to_nothing_leaves_the_bucket_too(endpoint, given):
    path = stored_path(given)
    given.delete()
    old = (timezone.now() - timedelta(days=3)).timestamp()
    os.utime(path, (old, old))
    assert sweep().leftovers == 1
    assert held(endpoint) == {}
