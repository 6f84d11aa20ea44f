"""Uploads to a server that is killed, over a wire that is cut, by the client that people use."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from running_portal import RunningPortal, Wire, running_portal

from organelle.errors import SubmissionError, TransferError
from organelle.pack import About, Portal, submit
from organelle.pack.resumable import send_in_pieces, takes_pieces, upload_path
from organelle.stores import Retry

CATALOG = None
SIZE = 20_000_003
KIND = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def portal(empty_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    folder = tmp_path_factory.mktemp("portal")
    shutil.copy(empty_tables, folder)
    with running_portal(folder) as running:
        yield running


@pytest.fixture
def fresh(portal: RunningPortal) -> RunningPortal:
    """No limit of an earlier test is in the way."""
    portal.rows("UPDATE submissions_submission SET state = 'refused'")
    portal.rows("DELETE FROM submissions_upload")
    for path in portal.parts():
        path.unlink()
    return portal


def drawn(path: Path, seed: int, size: int = SIZE) -> tuple[Path, str]:
    """A file of drawn bytes, and its hash."""
    content = np.random.default_rng(seed).bytes(size)
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def client(portal: RunningPortal, url: str = "", attempts: int = 8) -> Portal:
    retry = Retry(attempts, 0.05, 0.5, np.random.default_rng(0))
    return Portal(url or portal.url, portal.token, 20, retry)


def ask(portal: RunningPortal, method: str, path: str, body: bytes = b"", **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    allowed = {"Authorization": f"Bearer {portal.token}", "Tus-Resumable": "1.0.0"}
    connection.request(method, path, body or None, allowed | named)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def opened(portal: RunningPortal, length: int) -> str:
    place = ask(portal, "POST", "/api/uploads/", Upload_Length=str(length)).headers["Location"]
    assert place
    return place


def half_sent(portal: RunningPortal, place: str, content: bytes, offset: int = 0) -> socket.socket:
    """A connection on which half of a piece has come, and lies on the disk."""
    wire = socket.create_connection(("127.0.0.1", portal.port))
    head = (
        f"PATCH {place} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {portal.token}\r\n"
        f"Tus-Resumable: 1.0.0\r\nContent-Type: {KIND}\r\nUpload-Offset: {offset}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    wire.sendall(head.encode() + content[: len(content) // 2])
    part = portal.folder / "uploads" / f"{place.rpartition('/')[2]}.part"
    deadline = time.monotonic() + 20
    while part.stat().st_size <= offset:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return wire


def offset_of(portal: RunningPortal, place: str) -> int:
    return int(ask(portal, "HEAD", place).headers["Upload-Offset"])


class TestClient:
    def test_a_file_arrives_with_what_goes_along(self, fresh, tmp_path):
        zip_path, sha = drawn(tmp_path / "team.zip", 1)
        lineage = {"format": "organelle lineage 1", "submission": {"sha256": sha}, "rows": []}
        (tmp_path / "team.lineage.json").write_text(json.dumps(lineage))
        about = About(method="U-Net", publish=False)
        receipt = submit(zip_path, client(fresh), CATALOG, check=False, about=about)
        assert (receipt.answer["method"], receipt.answer["publish"]) == ("U-Net", False)
        assert receipt.answer["state"] == "checking"
        assert "/submissions/" in receipt.answer["url"]
        assert fresh.stored()[sha].read_bytes() == zip_path.read_bytes()
        assert not upload_path(zip_path).exists()
        assert fresh.parts() == []

    def test_what_the_portal_holds_is_not_sent_again(self, fresh, tmp_path):
        zip_path, sha = drawn(tmp_path / "team.zip", 2)
        first = send_in_pieces(client(fresh), zip_path, sha, {})
        assert send_in_pieces(client(fresh), zip_path, sha, {})["id"] == first["id"]

    def test_cuts_are_survived(self, fresh, tmp_path):
        zip_path, sha = drawn(tmp_path / "team.zip", 3)
        wire = Wire(fresh.port, [100, 3_000_000, 1_000_000, 9_000_000, 500_000])
        with wire.laid() as url:
            record = send_in_pieces(client(fresh, url), zip_path, sha, {})
        assert (record["sha256"], wire.cut) == (sha, 5)

    def test_a_later_call_goes_on_where_this_one_gave_up(self, fresh, tmp_path):
        zip_path, sha = drawn(tmp_path / "team.zip", 4)
        wire = Wire(fresh.port, [9_000_000, 10])
        with wire.laid() as url, pytest.raises(TransferError, match="the same command goes on later"):
            send_in_pieces(client(fresh, url, attempts=2), zip_path, sha, {})
        assert fresh.rows('SELECT "offset" FROM submissions_upload') == [(8 << 20,)]
        note = json.loads(upload_path(zip_path).read_text())
        upload_path(zip_path).write_text(json.dumps(note | {"portal": fresh.url}))
        sent = Wire(fresh.port, [1 << 40])
        with sent.laid() as url:
            upload_path(zip_path).write_text(json.dumps(note | {"portal": url}))
            assert send_in_pieces(client(fresh, url), zip_path, sha, {})["sha256"] == sha
        assert (1 << 40) - sent.cuts[0] < SIZE - (8 << 20) + 100_000

    def test_a_file_that_changed_meanwhile_is_thrown_away(self, fresh, tmp_path):
        zip_path, _ = drawn(tmp_path / "team.zip", 5, 1000)
        with pytest.raises(SubmissionError, match="announced was 0000"):
            send_in_pieces(client(fresh), zip_path, "0" * 64, {})
        assert fresh.parts() == []

    def test_limits_are_told_with_their_words(self, fresh, tmp_path):
        for seed in (61, 62):
            zip_path, sha = drawn(tmp_path / f"{seed}.zip", seed, 1000)
            send_in_pieces(client(fresh), zip_path, sha, {})
        zip_path, sha = drawn(tmp_path / "63.zip", 63, 1000)
        with pytest.raises(SubmissionError, match="wait until one is through"):
            send_in_pieces(client(fresh), zip_path, sha, {})

    def test_of_many_at_once_no_more_are_taken_than_may_be(self, fresh, tmp_path):
        def give(seed: int) -> str:
            zip_path, sha = drawn(tmp_path / f"{seed}.zip", seed, 100_000)
            try:
                send_in_pieces(client(fresh), zip_path, sha, {})
            except SubmissionError as refused:
                return "refused" if "on their way" in str(refused) else str(refused)
            return "taken"

        with ThreadPoolExecutor(3) as pool:
            assert sorted(pool.map(give, (71, 72, 73))) == ["refused", "taken", "taken"]

    def test_a_wrong_token(self, fresh, tmp_path):
        zip_path, sha = drawn(tmp_path / "team.zip", 7, 1000)
        with pytest.raises(TransferError, match="does not accept the token"):
            send_in_pieces(Portal(fresh.url, "wrong"), zip_path, sha, {})
        assert takes_pieces(Portal(fresh.url, "wrong"))


class TestCrashes:
    def test_a_server_killed_in_a_piece_keeps_what_was_committed(self, fresh):
        content = np.random.default_rng(8).bytes(3 << 20)
        place = opened(fresh, len(content) + 5)
        assert ask(fresh, "PATCH", place, b"first", Upload_Offset="0", Content_Type=KIND).status == 204
        wire = half_sent(fresh, place, content, 5)
        fresh.kill()
        wire.close()
        (part,) = fresh.parts()
        assert part.stat().st_size > 5
        fresh.start()
        assert offset_of(fresh, place) == 5
        answer = ask(fresh, "PATCH", place, content, Upload_Offset="5", Content_Type=KIND)
        assert answer.status == 204
        sha = hashlib.sha256(b"first" + content).hexdigest()
        assert fresh.stored()[sha].read_bytes() == b"first" + content

    def test_of_two_writers_one_has_to_wait(self, fresh):
        content = bytes(2 << 20)
        place = opened(fresh, len(content))
        with half_sent(fresh, place, content) as wire:
            answer = ask(fresh, "PATCH", place, content, Upload_Offset="0", Content_Type=KIND)
            assert answer.status == 423
            assert ask(fresh, "DELETE", place).status == 423
            wire.sendall(content[len(content) // 2 :])
            assert wire.recv(12) == b"HTTP/1.1 204"

    def test_what_came_before_a_cut_is_kept(self, fresh):
        content = bytes(2 << 20)
        place = opened(fresh, len(content))
        half_sent(fresh, place, content).close()
        deadline = time.monotonic() + 20
        while not offset_of(fresh, place):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert offset_of(fresh, place) == 1 << 20

    @pytest.mark.parametrize("word", ["", "Bearer wrong"])
    def test_bytes_of_strangers_are_never_stored(self, fresh, word):
        place = opened(fresh, 1000)
        for method, path in (("PATCH", place), ("POST", "/api/uploads/"), ("POST", "/api/submissions")):
            headers = {"Authorization": word, "Upload_Offset": "0", "Content_Type": KIND}
            answer = ask(fresh, method, path, bytes(1000), Upload_Length="1000", **headers)
            assert answer.status == 401
        assert [part.stat().st_size for part in fresh.parts()] == [0]

    def test_checksums_are_looked_at(self, fresh):
        place = opened(fresh, 4)
        wrong = f"sha256 {base64.b64encode(bytes(32)).decode()}"
        headers = {"Upload_Offset": "0", "Content_Type": KIND, "Upload_Checksum": wrong}
        assert ask(fresh, "PATCH", place, b"abcd", **headers).status == 460
        assert offset_of(fresh, place) == 0

    def test_many_at_once_open_as_many_as_one_may(self, fresh):
        with ThreadPoolExecutor(12) as pool:
            answers = pool.map(
                lambda n: ask(fresh, "POST", "/api/uploads/", Upload_Length=str(n)), range(1, 13)
            )
            assert sorted(answer.status for answer in answers) == [201] * 3 + [409] * 9
        assert fresh.rows("SELECT count(*) FROM submissions_upload") == [(3,)]
