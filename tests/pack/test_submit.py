"""Handing in: to a folder, and to a portal that answers, refuses, breaks off, and is slow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packed_challenge import CHALLENGE, write_most
from portal_stand_in import TOKEN, PortalStandIn, portal

from organelle.errors import FileMissing, OutputExists, SettingsError, SubmissionError, TransferError
from organelle.files import sha256
from organelle.pack import (
    About,
    Portal,
    Receipt,
    lineage_path,
    outcome,
    pack,
    read_token,
    submit,
    watch,
)
from organelle.stores import Retry

QUICK = Retry(attempts=3, first_s=0.01, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def packed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    write_most(folder)
    (folder / "made").mkdir()
    pack(CHALLENGE, folder, folder / "made" / "team.zip")
    return folder / "made"


@pytest.fixture
def team(packed_once: Path, tmp_path: Path) -> Path:
    """A packed zip with its lineage, in a folder of its own."""
    return shutil.copytree(packed_once, tmp_path / "team") / "team.zip"


def hand_in(file: Path, to: Path | Portal, **options: Any) -> Receipt:
    return submit(file, to, CHALLENGE, workers=0, **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


ALL = ["team.lineage.json", "team.receipt.json", "team.zip"]


class TestFolders:
    @pytest.fixture
    def box(self, tmp_path: Path) -> Path:
        (tmp_path / "box").mkdir()
        return tmp_path / "box"

    def test_zip_lineage_and_receipt_arrive(self, team: Path, box: Path) -> None:
        receipt = hand_in(team, box)
        assert names(box) == ALL
        assert (box / "team.zip").read_bytes() == team.read_bytes()
        assert (box / "team.lineage.json").read_bytes() == lineage_path(team).read_bytes()
        stored = json.loads((box / "team.receipt.json").read_text())
        assert stored["sha256"] == receipt.sha256 == sha256(team)
        assert stored["size_bytes"] == team.stat().st_size
        assert stored["time"].endswith("+00:00")
        assert stored["validated"]
        assert stored["lineage"]
        assert "was handed in to" in receipt.summary

    def test_once_more_is_the_same_receipt(self, team: Path, box: Path) -> None:
        assert hand_in(team, box) == hand_in(team, box)

    def test_a_kill_between_zip_and_receipt_is_mended_by_the_next_call(self, team: Path, box: Path) -> None:
        shutil.copy(team, box)
        hand_in(team, box)
        assert names(box) == ALL

    @pytest.mark.parametrize("name", ALL)
    def test_nothing_else_is_overwritten_unasked(self, team: Path, box: Path, name: str) -> None:
        (box / name).write_text("{}")
        with pytest.raises(OutputExists, match=name):
            hand_in(team, box)
        assert names(box) == [name]
        assert (box / name).read_text() == "{}"
        hand_in(team, box, overwrite=True)
        assert names(box) == ALL

    def test_a_foreign_zip_goes_without_a_lineage(self, team: Path, box: Path) -> None:
        lineage_path(team).unlink()
        assert not hand_in(team, box).lineage
        assert names(box) == ["team.receipt.json", "team.zip"]

    def test_the_lineage_of_another_zip_is_refused(self, team: Path, box: Path) -> None:
        record = json.loads(lineage_path(team).read_text())
        record["submission"]["sha256"] = "0" * 64
        lineage_path(team).write_text(json.dumps(record))
        with pytest.raises(SubmissionError, match="lineage of another zip"):
            hand_in(team, box)
        assert names(box) == []

    def test_what_has_errors_stays_here_unless_that_is_meant(self, tmp_path: Path, box: Path) -> None:
        (tmp_path / "bad.zip").write_bytes(b"no zip")
        with pytest.raises(SubmissionError, match=r"(?s)bad\.zip: 1 error.*--no-validate"):
            hand_in(tmp_path / "bad.zip", box)
        assert not hand_in(tmp_path / "bad.zip", box, check=False).validated
        assert names(box) == ["bad.receipt.json", "bad.zip"]

    def test_places_that_are_none(self, team: Path, box: Path, tmp_path: Path) -> None:
        with pytest.raises(FileMissing, match="no folder at"):
            hand_in(team, tmp_path / "bux")
        with pytest.raises(FileMissing, match=r"no submission at .*taem\.zip; nearest: team\.zip"):
            hand_in(team.with_name("taem.zip"), box)
        with pytest.raises(SubmissionError, match="is a folder"):
            hand_in(team.parent, box)
        with pytest.raises(SubmissionError, match=r"lies in .* already"):
            hand_in(team, team.parent)


def to(stand_in: PortalStandIn, token: str | None = TOKEN, timeout_s: float = 5) -> Portal:
    return Portal(stand_in.url, token, timeout_s, QUICK)


class TestPortals:
    def test_all_parts_arrive_as_they_are(self, team: Path) -> None:
        with portal() as stand_in:
            receipt = hand_in(team, to(stand_in))
        (parts,) = stand_in.stored.values()
        assert parts["submission"] == team.read_bytes()
        assert parts["lineage"] == lineage_path(team).read_bytes()
        assert parts["sha256"].decode() == sha256(team) == receipt.sha256
        assert parts["bytes"].decode() == str(team.stat().st_size)
        assert receipt.answer["id"] == "s1"
        assert "as s1: http://127.0.0.1" in receipt.summary
        assert names(team.parent) == ALL
        (request,) = stand_in.requests
        assert request["path"] == "/api/submissions"
        assert request["idempotency-key"] == receipt.sha256

    def test_a_large_file_goes_in_pieces(self, tmp_path: Path) -> None:
        large = tmp_path / "large.zip"
        large.write_bytes(np.random.default_rng(1).bytes(3_500_001))
        with portal() as stand_in:
            hand_in(large, to(stand_in), check=False)
        (parts,) = stand_in.stored.values()
        assert parts["submission"] == large.read_bytes()

    @pytest.mark.parametrize(
        ("script", "requests"),
        [
            (["503"], 2),
            (["500", "429"], 3),
            (["reset"], 2),
            (["lose"], 2),
            (["reset", "503"], 3),
            (["early 503"], 2),
        ],
    )
    def test_failures_that_pass_are_tried_again(self, team: Path, script: list[str], requests: int) -> None:
        with portal(*script) as stand_in:
            receipt = hand_in(team, to(stand_in))
        assert len(stand_in.requests) == requests
        assert len(stand_in.stored) == 1
        assert receipt.answer["id"] == "s1"

    def test_the_portal_may_say_how_long_to_wait(self, team: Path) -> None:
        with portal("503", headers={"Retry-After": "0"}) as stand_in:
            slow = Retry(attempts=2, first_s=1000, longest_s=1000)
            hand_in(team, Portal(stand_in.url, TOKEN, 5, slow))
        assert len(stand_in.requests) == 2

    def test_a_slow_portal_is_waited_for(self, team: Path) -> None:
        with portal("slow") as stand_in:
            hand_in(team, to(stand_in))
        assert len(stand_in.requests) == 1

    def test_silence_and_failures_end_after_some_attempts(self, team: Path) -> None:
        with (
            portal("silent", "silent", "silent") as stand_in,
            pytest.raises(TransferError, match="in 3 attempts; the last ended with: nothing came"),
        ):
            hand_in(team, to(stand_in, timeout_s=0.2))
        with (
            portal("503", "503", "503", answer={"detail": "in repair"}) as stand_in,
            pytest.raises(TransferError, match="status 503: in repair"),
        ):
            hand_in(team, to(stand_in))
        with pytest.raises(TransferError, match="refused"):
            hand_in(team, to(stand_in))
        assert names(team.parent) == ["team.lineage.json", "team.zip"]

    @pytest.mark.parametrize(
        ("script", "answer", "error", "words"),
        [
            ("401", {"detail": "unknown token"}, TransferError, r"the token: unknown token; .*--token-file"),
            ("early 403", {"detail": "closed"}, TransferError, "does not accept the token: closed"),
            ("413", {"detail": "at most 4 GB"}, SubmissionError, "no file as large as this: at most 4 GB"),
            ("early 413", {}, SubmissionError, "takes no file as large as this$"),
            ("404", {}, TransferError, "is this the address of a portal"),
            ("400", {"error": "\x1b[31mred"}, SubmissionError, r"status 400\): \\x1b\[31mred"),
            ("html", {}, TransferError, "not as a portal does"),
            ("moved", {}, TransferError, r"has moved to \S+new\.example/portal"),
            ("other bytes", {}, SubmissionError, "received other bytes"),
            (
                "422",
                {"detail": "it has errors", "problems": [{"code": "bad-dtype", "place": "crop7/er"}, 5]},
                SubmissionError,
                r"status 422\): it has errors\n  bad-dtype crop7/er",
            ),
        ],
    )
    def test_refusals_are_told_with_their_reason(
        self, team: Path, script: str, answer: dict[str, Any], error: type[Exception], words: str
    ) -> None:
        with portal(script, answer=answer) as stand_in, pytest.raises(error, match=words):
            hand_in(team, to(stand_in))
        assert len(stand_in.requests) == 1
        assert names(team.parent) == ["team.lineage.json", "team.zip"]

    def test_a_long_list_of_problems_is_cut(self, team: Path) -> None:
        problems = [{"code": f"p{i}"} for i in range(50)]
        with portal("422", answer={"problems": problems}) as stand_in, pytest.raises(SubmissionError) as told:
            hand_in(team, to(stand_in))
        assert len(str(told.value).splitlines()) == 22

    def test_what_was_handed_in_is_not_sent_again(self, team: Path) -> None:
        with portal() as stand_in:
            assert hand_in(team, to(stand_in)) == hand_in(team, to(stand_in))
            assert len(stand_in.requests) == 1
            hand_in(team, to(stand_in), overwrite=True)
            assert len(stand_in.requests) == 2
        with portal() as another, pytest.raises(OutputExists, match="receipt"):
            hand_in(team, to(another))

    def test_a_wrong_token_is_told(self, team: Path) -> None:
        with portal() as stand_in, pytest.raises(TransferError, match="this token has expired"):
            hand_in(team, to(stand_in, token="wrong"))

    def test_what_is_said_of_it_goes_along(self, team: Path) -> None:
        about = About(method="U-Net", code_url="https://code.example/x", publish=False)
        with portal() as stand_in:
            hand_in(team, to(stand_in), about=about)
        (parts,) = stand_in.stored.values()
        assert parts["method"] == b"U-Net"
        assert parts["publish"] == b"false"
        assert "description" not in parts


PROBLEM = {"code": "bad-dtype", "place": "crop7/er", "found": "a", "expected": "b", "remedy": "Mend."}


class TestWatching:
    """Records as a portal gives them, one for each look."""

    def follow(self, *records: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        told: list[str] = []
        with portal(records=list(records)) as stand_in:
            return watch(to(stand_in), "s1", told.append, pause_s=0), told

    def test_until_it_is_scored(self) -> None:
        score = {"overall": 0.512, "instance": 0.4, "semantic": None, "metric": "2026-06", "classes": {}}
        queued = {"place_in_queue": 2, "done": 0, "total": 9, "estimate_seconds": 300.0}
        scoring = {"place_in_queue": None, "done": 4, "total": 9, "estimate_seconds": None}
        record, told = self.follow(
            {"state": "checking", "over": False},
            {"state": "checking", "over": False},
            {"state": "queued", "over": False, "progress": queued},
            {"state": "scoring", "over": False, "progress": scoring},
            {"state": "scored", "over": True, "score": score},
        )
        assert told == [
            "checking",
            "queued, place 2 in the queue, 0 of 9 rows, about 5 min left",
            "scoring, 4 of 9 rows",
            "scored",
        ]
        assert outcome(record) == ["overall 0.512, instance 0.4 (metric 2026-06)"]

    def test_until_it_is_refused(self) -> None:
        record, told = self.follow(
            {"state": "refused", "reason": "it has errors", "over": True, "problems": [PROBLEM] * 30}
        )
        assert told == ["refused, it has errors"]
        lines = outcome(record)
        assert lines[0] == "bad-dtype: crop7/er: found a; expected b. Mend."
        assert lines[-1].startswith("... and 10 more")

    def test_until_an_organiser_holds_it(self) -> None:
        record, _ = self.follow({"state": "held", "over": False})
        assert outcome(record) == []

    def test_odd_answers_are_no_crash(self) -> None:
        odd = {"state": "\x1b[31m", "over": True, "problems": [3], "score": [], "progress": 7}
        record, told = self.follow(odd)
        assert told == ["\\x1b[31m"]
        assert outcome(record) == []

    def test_a_portal_that_is_gone(self) -> None:
        with portal() as stand_in:
            gone = to(stand_in)
        with pytest.raises(TransferError, match=r"no answer in 3 attempts"):
            watch(gone, "s1", print)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://bucket/place", "is no portal"),
        ("ftp://portal.example", "begins with"),
        ("https://", "names no bucket or server"),
        ("https:" + "//me:secret@portal.example", "holds neither names nor questions"),
        ("https://portal.example/?a=b", "no part of an address"),
        ("http://portal.example", "not encrypted"),
    ],
)
def test_addresses_that_are_no_portal(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Portal(url, TOKEN)


def test_a_token_may_go_over_http_where_that_is_meant() -> None:
    assert Portal("http://portal.example", TOKEN, insecure=True).token == TOKEN
    assert Portal("http://portal.example").token is None


def test_tokens(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f" {TOKEN}\n")
    assert read_token(tmp_path / "token") == TOKEN
    for bad in (b"", b"two words", b"a\r\nX-Evil: 1", "tök".encode(), b"\xff\xfe"):
        (tmp_path / "token").write_bytes(bad)
        with pytest.raises(SettingsError, match="holds no token"):
            read_token(tmp_path / "token")
    with pytest.raises(FileMissing, match="no token at"):
        read_token(tmp_path / "nothing")
