"""The upload protocol, request by request: offsets, checksums, refusals, and nothing stored for strangers."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from organelle.portal.accounts.models import ApiToken, User
from organelle.portal.submissions.models import Submission, Upload
from organelle.portal.submissions.store import stored_path
from organelle.portal.submissions.uploads import begin, offset_of, path_of
from organelle.portal.submissions.writing import append

CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()
TUS = {"Tus-Resumable": "1.0.0"}
KIND = "application/offset+octet-stream"


@pytest.fixture
def token(entrant: User) -> dict[str, str]:
    _, word = ApiToken.make(entrant, "laptop", ["submit"])
    return {"Authorization": f"Bearer {word}"} | TUS


@pytest.fixture
def stranger(client, db) -> dict[str, str]:
    _, word = ApiToken.make(User.objects.of("eve@lab.example"), "evil", ["submit", "read"])
    return {"Authorization": f"Bearer {word}"} | TUS


def opened(client: Client, headers: dict[str, str], length: int = len(CONTENT), **metadata: str):
    pairs = {"filename": "a.zip", "sha256": SHA} | metadata
    text = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    more = {"Upload-Length": str(length), "Upload-Metadata": text}
    return client.post("/api/uploads/", headers=headers | more)


def send(client: Client, place: str, headers: dict[str, str], offset: int, piece: bytes, **more: str):
    named = {name.replace("_", "-"): value for name, value in more.items()}
    sent = (
        headers
        | {"Upload-Offset": str(offset), "Content-Length": str(len(piece)), "Content-Type": KIND}
        | named
    )
    return client.patch(place, piece, content_type=KIND, headers=sent)


def checksum(piece: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, piece).digest()).decode()}"


def test_what_the_server_speaks(client):
    answer = client.options("/api/uploads/")
    assert answer.status_code == 204
    assert answer["Tus-Version"] == "1.0.0"
    assert answer["Tus-Extension"] == "creation,checksum,expiration,termination"
    assert answer["Tus-Checksum-Algorithm"] == "sha256,sha1"
    assert int(answer["Tus-Max-Size"]) == 20 << 30


def test_pieces_become_a_submission(client, token, portal_folder):
    answer = opened(client, token, method="U-Net", publish="false")
    assert (answer.status_code, answer["Tus-Resumable"]) == (201, "1.0.0")
    place = answer["Location"]
    answer = send(client, place, token, 0, CONTENT[:5000], Upload_Checksum=checksum(CONTENT[:5000]))
    assert (answer.status_code, answer["Upload-Offset"]) == (204, "5000")
    assert "GMT" in answer["Upload-Expires"]
    answer = client.head(place, headers=token)
    assert (answer["Upload-Offset"], answer["Upload-Length"]) == ("5000", str(len(CONTENT)))
    assert answer["Cache-Control"] == "no-store"
    rest = CONTENT[5000:]
    answer = send(client, place, token, 5000, rest, Upload_Checksum=checksum(rest, "sha1"))
    submission = Submission.objects.get(pk=answer["Submission-Id"])
    assert stored_path(submission).read_bytes() == CONTENT
    assert (submission.name, submission.method, submission.publish) == ("a.zip", "U-Net", False)
    assert client.head(place, headers=token)["Submission-Id"] == str(submission.pk)
    assert not list(portal_folder.uploads.iterdir())


def test_fields_may_come_as_json(client, token):
    lineage = {"rows": [{"row": "crop7/er"}]}
    answer = client.post(
        "/api/uploads/",
        {"method": "é", "lineage": lineage},
        content_type="application/json",
        headers=token | {"Upload-Length": str(len(CONTENT))},
    )
    answer = send(client, answer["Location"], token, 0, CONTENT)
    submission = Submission.objects.get(pk=answer["Submission-Id"])
    assert (submission.method, submission.lineage, submission.sha256) == ("é", lineage, SHA)


def test_the_same_file_goes_on_in_the_same_upload_and_is_known_in_the_end(client, token):
    place = opened(client, token)["Location"]
    send(client, place, token, 0, CONTENT[:10])
    assert opened(client, token)["Location"] == place
    send(client, place, token, 10, CONTENT[10:])
    answer = opened(client, token)
    assert (answer.status_code, answer.json()["sha256"]) == (200, SHA)
    assert Submission.objects.count() == 1


class TestPieces:
    @pytest.fixture
    def place(self, client, token) -> str:
        return opened(client, token)["Location"]

    def test_a_wrong_offset_is_told(self, client, token, place):
        answer = send(client, place, token, 7, CONTENT[7:])
        assert (answer.status_code, answer["Upload-Offset"]) == (409, "0")
        assert answer.json()["code"] == "offset"

    def test_a_wrong_checksum_throws_the_piece_away(self, client, token, place):
        answer = send(client, place, token, 0, CONTENT[:9], Upload_Checksum=checksum(b"other"))
        assert answer.status_code == 460
        assert path_of(Upload.objects.get()).stat().st_size == 0
        assert client.head(place, headers=token)["Upload-Offset"] == "0"

    @pytest.mark.parametrize("text", ["md5 AAAA", "sha256 !!", "sha256"])
    def test_a_checksum_that_is_none(self, client, token, place, text):
        answer = send(client, place, token, 0, CONTENT[:9], Upload_Checksum=text)
        assert answer.status_code in (400, 460)
        assert client.head(place, headers=token)["Upload-Offset"] == "0"

    def test_more_than_announced(self, client, token, place):
        assert send(client, place, token, 0, CONTENT + b"x").status_code == 413
        assert client.head(place, headers=token)["Upload-Offset"] == "0"

    def test_another_file_than_announced_is_thrown_away(self, client, token, place, portal_folder):
        answer = send(client, place, token, 0, bytes(len(CONTENT)))
        assert (answer.status_code, answer.json()["code"]) == (422, "hash")
        assert not Submission.objects.exists()
        assert not Upload.objects.exists()
        assert not list(portal_folder.uploads.iterdir())

    def test_the_type_and_the_version_are_asked_for(self, client, token, place):
        headers = token | {"Upload-Offset": "0"}
        assert client.patch(place, b"x", content_type="text/plain", headers=headers).status_code == 415
        answer = client.head(place, headers=token | {"Tus-Resumable": "0.2.2"})
        assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")
        assert send(client, place, token | {"Tus-Resumable": ""}, 0, b"x").status_code == 412

    @pytest.mark.parametrize("offset", ["-1", "", "1.5", "٣", "9" * 40])
    def test_offsets_are_numbers(self, client, token, place, offset):
        assert send(client, place, token, 0, b"x", Upload_Offset=offset).status_code == 400

    def test_it_can_be_given_up(self, client, token, place, portal_folder):
        send(client, place, token, 0, CONTENT[:9])
        assert client.delete(place, headers=token).status_code == 204
        assert client.head(place, headers=token).status_code == 404
        assert not list(portal_folder.uploads.iterdir())

    def test_a_limit_that_is_reached_meanwhile_keeps_the_bytes(self, client, token, place, team):
        for number in range(2):
            Submission.objects.create(team=team, sha256=f"{number:064}", size_bytes=1, name="x")
        answer = send(client, place, token, 0, CONTENT)
        assert (answer.status_code, answer.json()["code"]) == (409, "concurrent")
        Submission.objects.update(state="refused")
        answer = send(client, place, token, len(CONTENT), b"")
        assert Submission.objects.filter(pk=answer["Submission-Id"], sha256=SHA).exists()


class TestOpening:
    @pytest.mark.parametrize(
        ("length", "status"), [("0", 422), ("", 400), ("-5", 400), ("x", 400), (str(21 << 30), 413)]
    )
    def test_lengths(self, client, token, length, status):
        assert client.post("/api/uploads/", headers=token | {"Upload-Length": length}).status_code == status

    def test_metadata_that_is_none(self, client, token):
        for text in ("filename ü", "filename ====", "sha256 " + base64.b64encode(b"12").decode()):
            more = {"Upload-Length": "5", "Upload-Metadata": text.encode().decode("latin1")}
            assert client.post("/api/uploads/", headers=token | more).status_code in (400, 422)

    def test_only_so_many_at_a_time(self, client, token):
        for number in range(3):
            assert opened(client, token, sha256=f"{number:064}").status_code == 201
        answer = opened(client, token)
        assert (answer.status_code, answer.json()["code"]) == (409, "uploads")

    def test_what_expired_frees_a_place(self, client, token):
        for number in range(3):
            opened(client, token, sha256=f"{number:064}")
        Upload.objects.update(touched=timezone.now() - timedelta(hours=73))
        assert opened(client, token).status_code == 201

    def test_who_may_not_hand_in_opens_nothing(self, client, token, entrant):
        entrant.rules_accepted = ""
        entrant.save()
        answer = opened(client, token)
        assert (answer.status_code, answer.json()["code"]) == (409, "rules")
        assert not Upload.objects.exists()

    def test_when_the_next_one_may_come_is_said(self, client, token, team):
        for number in range(3):
            Submission.objects.create(
                team=team, sha256=f"{number:064}", size_bytes=1, name="x", state="scored"
            )
        answer = opened(client, token)
        assert (answer.status_code, answer.json()["code"]) == (409, "day")
        assert answer.json()["next_at"].endswith("T00:00:00+00:00")
        assert 0 < int(answer["Retry-After"]) <= 24 * 3600


class TestStrangers:
    def test_others_uploads_are_not_there(self, client, token, stranger):
        place = opened(client, token)["Location"]
        assert client.head(place, headers=stranger).status_code == 404
        assert send(client, place, stranger, 0, CONTENT).status_code == 404
        assert client.delete(place, headers=stranger).status_code == 404
        assert client.head(place, headers=token)["Upload-Offset"] == "0"

    @pytest.mark.parametrize("word", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer \x00"])
    def test_without_a_token_nothing_is_read(self, client, token, portal_folder, word):
        place = opened(client, token)["Location"]
        headers = TUS | {"Authorization": word}
        assert opened(client, headers).status_code == 401
        answer = send(client, place, headers, 0, CONTENT)
        assert answer.status_code == 401
        assert "/account/tokens/" in answer.json()["detail"]
        assert [path.stat().st_size for path in portal_folder.uploads.iterdir()] == [0]

    def test_a_token_for_reading_hands_nothing_in(self, client, entrant):
        _, word = ApiToken.make(entrant, "reader", ["read"])
        assert opened(client, TUS | {"Authorization": f"Bearer {word}"}).status_code == 401

    def test_expired_and_revoked_tokens(self, client, token):
        ApiToken.objects.update(expires=timezone.now())
        assert opened(client, token).status_code == 401
        ApiToken.objects.update(expires=timezone.now() + timedelta(days=1), revoked=timezone.now())
        assert opened(client, token).status_code == 401

    def test_a_session_needs_the_word_of_the_page(self, entrant):
        client = Client(enforce_csrf_checks=True)
        client.force_login(entrant)
        answer = opened(client, TUS)
        assert answer.status_code == 403
        assert "page of this portal" in answer.json()["detail"]
        client.get("/submit/")
        word = {"X-CSRFToken": client.cookies["csrftoken"].value}
        assert opened(client, TUS | word).status_code == 201
        foreign = TUS | word | {"Origin": "https://evil.example"}
        assert opened(client, foreign).status_code == 403


class TestCrashes:
    """The file and the database stand as a killed process leaves them."""

    @pytest.fixture
    def upload(self, entrant) -> Upload:
        upload = begin(entrant, length=len(CONTENT), name="a.zip", sha256=SHA)
        return append(upload, 0, 4000, pieces(CONTENT[:4000]))

    def test_a_tail_that_was_not_committed_is_cut_off(self, upload):
        with path_of(upload).open("ab") as stream:
            stream.write(b"half a piece")
        assert offset_of(upload) == 4000
        done = append(upload, 4000, len(CONTENT) - 4000, pieces(CONTENT[4000:]))
        assert stored_path(done.submission).read_bytes() == CONTENT

    def test_bytes_that_a_restored_backup_lacks_are_asked_for_again(self, upload):
        path_of(upload).write_bytes(CONTENT[:1000])
        assert offset_of(upload) == 1000
        path_of(upload).unlink()
        assert offset_of(upload) == 0
        done = append(upload, 0, len(CONTENT), pieces(CONTENT))
        assert stored_path(done.submission).read_bytes() == CONTENT

    def test_killed_after_the_file_was_moved(self, upload, entrant, team):
        done = append(upload, 4000, len(CONTENT) - 4000, pieces(CONTENT[4000:]))
        stored = stored_path(done.submission)
        Upload.objects.update(submission=None)
        Submission.objects.all().delete()
        upload.refresh_from_db()
        assert (upload.whole, offset_of(upload)) == (True, len(CONTENT))
        again = append(upload, len(CONTENT), 0, pieces(b""))
        assert stored_path(again.submission) == stored
        assert stored.read_bytes() == CONTENT

    def test_a_sender_that_falls_silent_leaves_what_came(self, upload):
        now = append(upload, 4000, 3000, pieces(CONTENT[4000:4100]))
        upload.refresh_from_db()
        assert now.offset == upload.offset == offset_of(upload) == 4100


def pieces(content: bytes):
    """Gives `content` as a connection does, then nothing."""
    view = memoryview(content)

    def read(size: int) -> bytes:
        nonlocal view
        piece, view = bytes(view[:size]), view[size:]
        return piece

    return read


def test_a_full_disk_keeps_what_was_committed(client, token, small_disk):
    content = CONTENT * 300
    assert opened(client, token, length=70_000_000, sha256="1" * 64).status_code == 507
    place = opened(client, token, length=len(content), sha256="")["Location"]
    assert send(client, place, token, 0, content[:1000]).status_code == 204
    filler = small_disk.root / "filler"
    with suppress(OSError), filler.open("wb") as stream:
        stream.write(bytes(100_000_000))
    answer = send(client, place, token, 1000, content[1000:])
    assert answer.status_code == 507
    assert "what had arrived is kept" in answer.json()["detail"]
    assert client.head(place, headers=token)["Upload-Offset"] == "1000"
    filler.unlink()
    answer = send(client, place, token, 1000, content[1000:])
    assert stored_path(Submission.objects.get(pk=answer["Submission-Id"])).read_bytes() == content


def test_a_full_disk_refuses_a_form_and_keeps_nothing(client, entrant, small_disk):
    client.force_login(entrant)
    (small_disk.root / "filler").write_bytes(bytes(10_000_000))
    file = SimpleUploadedFile("a.zip", bytes(9_000_000))
    answer = client.post("/submit/", {"submission": file, "end": "end"})
    assert answer.status_code == 507
    assert "disk is full" in answer.content.decode()
    assert not list(small_disk.uploads.iterdir())
