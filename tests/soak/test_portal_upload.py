"""Two gigabytes to a portal whose wire is cut 20 times and whose server is killed 5 times arrive equal."""

from __future__ import annotations

import hashlib
import http.client
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from browser import CHROMIUM, OFFLINE
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "portal"))

from running_portal import RunningPortal, Wire, running_portal

from organelle.pack import Portal
from organelle.pack.resumable import SENT_AT_ONCE, send_in_pieces
from organelle.stores import Retry

pytestmark = [pytest.mark.soak, pytest.mark.alone]

SIZE = 2_000_000_011
CUTS, KILLS = 20, 5
BLOCK = 16 << 20
GROWTH_MIB = 64.0
"""So much more memory than an idle server's may be in use, whatever the file's size: a few pieces of 1 MiB,
what a thread keeps, and what the system's allocator holds back."""

STRANGERS_BYTES = 32 << 20


def write_drawn(path: Path) -> str:
    """Drawn bytes, no hole in them; returns their hash."""
    rng, found, left = np.random.default_rng(7), hashlib.sha256(), SIZE
    with path.open("wb") as stream:
        while left:
            block = rng.bytes(min(BLOCK, left))
            stream.write(block)
            found.update(block)
            left -= len(block)
    return found.hexdigest()


@dataclass
class Trouble:
    """Kills the server whenever so much has come, and looks at its memory."""

    portal: RunningPortal
    marks: list[int]
    over: bool = False
    kills: int = 0
    idle_mib: float = 0.0
    most_mib: float = 0.0
    thread: threading.Thread = field(init=False)

    def __enter__(self) -> Trouble:
        self.idle_mib = self.portal.memory_mib()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.thread.join()

    def _run(self) -> None:
        while not self.over:
            self.most_mib = max(self.most_mib, self.portal.memory_mib())
            if self.marks and self._committed() >= self.marks[0]:
                self.marks.pop(0)
                self.portal.kill()
                self.kills += 1
                self.portal.start()
            time.sleep(0.05)

    def _committed(self) -> int:
        rows = self.portal.rows('SELECT "offset" FROM submissions_upload')
        return int(rows[0][0]) if rows else 0


def be_a_stranger(portal: RunningPortal) -> int:
    """Send much without a token to an upload that there is, until a server answers; returns its status."""
    while True:
        try:
            return send_without_a_token(portal)
        except (OSError, http.client.HTTPException):  # the server was killed before it could answer
            time.sleep(0.1)


def send_without_a_token(portal: RunningPortal) -> int:
    ((number,),) = portal.rows("SELECT id FROM submissions_upload")
    headers = {
        "Authorization": "Bearer wrong",
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=30)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("PATCH", f"/api/uploads/{UUID(number)}", bytes(STRANGERS_BYTES), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_two_gigabytes_arrive_equal_whatever_breaks(tmp_path: Path) -> None:
    zip_path = tmp_path / "team.zip"
    sha = write_drawn(zip_path)
    step = SIZE // (CUTS + 1)
    wire_cuts = [step + (n * 1_234_567) % SENT_AT_ONCE - (SENT_AT_ONCE // 2) for n in range(CUTS)]
    with running_portal(tmp_path / "portal") as portal:
        wire = Wire(portal.port, wire_cuts)
        marks = [SIZE * n // (KILLS + 1) for n in range(1, KILLS + 1)]
        statuses: list[int] = []
        with wire.laid() as url, Trouble(portal, marks) as trouble:
            stranger = threading.Timer(2.0, lambda: statuses.append(be_a_stranger(portal)))
            stranger.start()
            retry = Retry(60, 0.1, 1.0, np.random.default_rng(0))
            begun = time.monotonic()
            record = send_in_pieces(Portal(url, portal.token, 60, retry), zip_path, sha, {})
            seconds = time.monotonic() - begun
            stranger.join()
        print(
            f"{SIZE / 1e9:.1f} GB in {seconds:.0f} s, {wire.cut} cuts, {trouble.kills} kills; memory "
            f"{trouble.idle_mib:.0f} MiB idle, {trouble.most_mib:.0f} MiB at most"
        )
        assert (wire.cut, trouble.kills) == (CUTS, KILLS)
        assert record["sha256"] == sha
        stored = portal.stored()
        assert list(stored) == [sha]
        assert stored[sha].stat().st_size == SIZE
        with stored[sha].open("rb") as stream:
            assert hashlib.file_digest(stream, "sha256").hexdigest() == sha
        assert portal.parts() == []
        assert statuses == [401]
        assert trouble.most_mib < trouble.idle_mib + GROWTH_MIB


def committed(portal: RunningPortal) -> int:
    return sum(int(offset) for (offset,) in portal.rows('SELECT "offset" FROM submissions_upload'))


def begin_to_send(page: Page, file: Path, url: str) -> None:
    """On a line of 12 MB a second, so that there is time to disturb it."""
    page.goto(f"{url}/submit/")
    page.set_input_files("#file", str(file))
    page.click("#send")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_goes_on_after_a_pause_a_reload_and_a_killed_server(tmp_path: Path) -> None:
    file = tmp_path / "team.zip"
    content = np.random.default_rng(3).bytes(40_000_000)
    file.write_bytes(content)
    with running_portal(tmp_path / "portal") as portal, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*OFFLINE])
        page = browser.new_page()
        page.goto(portal.sign_in_link())
        page.locator("main form button").first.click()
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 12_000_000}
        line.send("Network.emulateNetworkConditions", slow)
        begin_to_send(page, file, portal.url)
        while not committed(portal):
            page.wait_for_timeout(50)
        page.click("#pause")
        page.get_by_text("Paused.").wait_for()
        page.wait_for_timeout(500)
        stands = committed(portal)
        page.wait_for_timeout(1000)
        assert committed(portal) == stands
        begin_to_send(page, file, portal.url)
        while committed(portal) == stands:
            page.wait_for_timeout(50)
        portal.kill()
        page.get_by_text("trying again").wait_for()
        portal.start()
        page.wait_for_url("**/submissions/*-*/", timeout=90_000)
        browser.close()
        ((sha, place),) = portal.stored().items()
        assert sha == hashlib.sha256(content).hexdigest()
        assert place.read_bytes() == content
