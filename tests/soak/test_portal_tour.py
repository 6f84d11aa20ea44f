"""The demo portal in a real browser: from an empty folder to a score of one's own.

With `CSC_PICTURES=FOLDER` the screenshots that the README shows are written there.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.soak

PATIENCE_S = 900
CHROMIUM = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
PAGES = (
    "/", "/rules/", "/faq/", "/timeline/", "/datasets/", "/datasets/demo-cell/", "/datasets/demo-tissue/",
    "/crops/", "/crops/?class=mito&split=test", "/crops/?finest=500", "/crops/11/", "/crops/21/", "/classes/",
    "/classes/mito/", "/classes/er/", "/statistics/", "/search/", "/search/?q=mito", "/search/?q=zebra",
    "/leaderboard/", "/leaderboard/instance/", "/leaderboard/mito/", "/news/", "/news/open/",
    "/news/subscribe/", "/sign-in/", "/sign-in/?next=/submit/", "/api/docs",
)  # fmt: skip
OWN_PAGES = (
    "/", "/rules/", "/account/", "/account/tokens/", "/account/delete/", "/team/", "/submit/",
    "/submissions/",
)  # fmt: skip
NO_PAGES = {"/nothing/": 404, "/crops/99/": 404, "/crops/?finest=fine": 400}
"""Addresses that answer with a reason."""
BOARD = ("Vesicle Vanguard", "3D U-Net", "Peroxisome Pals", "Anonymous")
"""Who stands on the board once all of the demo is scored."""
MOST_BYTES = 300_000
SHOWN = (("home", "/", 760), ("board", "/leaderboard/", 1330), ("dataset", "/datasets/demo-cell/", 1000))
"""Pictures of the README: name, address, height."""
STEP = 15
"""18 values of red, green and blue are enough for them, in half of the bytes."""


class Portal:
    """`csc portal --demo` as people start it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "demo", folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        csc = Path(sys.executable).with_name("csc")
        command = [csc, "portal", "--demo", "--data", self.folder, "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def wait_for(self, path: str, words: str) -> None:
        """Until a page holds these words."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with suppress(OSError), urllib.request.urlopen(self.url + path, timeout=20) as answer:
                if words in answer.read().decode():
                    return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.5)
        raise TimeoutError(f"{words!r} is not on {path}")

    def last_link(self, pattern: str) -> str:
        """The last link in the mails that were written to the log."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            text = self.log.read_text(errors="replace").replace("=\n", "")
            if found := re.findall(rf"http://localhost:{self.port}{pattern}", text):
                return str(found[-1])
            time.sleep(0.2)
        raise TimeoutError(f"no mail with {pattern}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    began = time.monotonic()
    running = Portal(tmp_path_factory.mktemp("tour"))
    try:
        for name in BOARD:
            running.wait_for("/leaderboard/", name)
        print(f"\nfrom an empty folder to a scored board: {time.monotonic() - began:.0f} s")
        yield running
        running.stop()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=[*CHROMIUM])


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def faults(page) -> list[str]:
    """What axe finds that keeps people out."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{page.url}: {one['id']}: {one['nodes'][0]['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def sign_in(portal: Portal, page, email: str) -> None:
    page.goto(f"{portal.url}/sign-in/")
    page.get_by_label("address").fill(email)
    page.get_by_role("button", name="Send me a link").click()
    page.wait_for_load_state()
    page.goto(portal.last_link(r"/sign-in/[\w-]+/"))
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_keep_nobody_out_and_weigh_little(portal, browser, scheme):
    context = browser.new_context(color_scheme=scheme)
    page, told = context.new_page(), []
    page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    for path in PAGES:
        bodies: dict[str, int] = {}
        page.on("response", lambda r, b=bodies: b.update({r.url: r}))
        page.goto(portal.url + path, wait_until="networkidle")
        pictures = ("image/", "font/")
        weight = sum(
            len(answer.body())
            for answer in bodies.values()
            if not answer.headers.get("content-type", "").startswith(pictures)
        )
        assert weight < MOST_BYTES, f"{path}: {weight} bytes"
        assert {url.split("/")[2] for url in bodies} == {f"localhost:{portal.port}"}, (
            "all comes from the portal"
        )
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
    assert told == []
    for path, status in NO_PAGES.items():
        assert page.goto(portal.url + path).status == status
        assert faults(page) == []
    context.close()


def test_the_board_says_what_the_crops_leave_open(portal, page):
    page.goto(f"{portal.url}/leaderboard/")
    lines = page.locator("tbody tr")
    assert lines.count() == 6
    assert page.get_by_text(re.compile(r"0\.\d{3} to 0\.\d{3}")).count() == 6
    assert page.locator("tbody .alike").count() >= 1
    assert lines.filter(has_text="shared").count() == 2
    assert lines.filter(has_text="baseline").count() == 1
    days = {line["day"] for line in page.request.get(f"{portal.url}/leaderboard/overall/history.json").json()}
    assert len(days) >= 5


def test_pages_fit_a_phone_and_need_no_script(portal, browser):
    context = browser.new_context(viewport={"width": 390, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    for path in PAGES:
        assert page.goto(portal.url + path).status == 200
        assert page.locator("h1").count() == 1, path
    context.close()
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    sign_in(portal, page, "ada@demo.example")
    own = (*OWN_PAGES, *links(page, portal, "/submissions/", r"/submissions/[0-9a-f-]{36}/"))
    for path in (*PAGES, *NO_PAGES, *own):
        page.goto(portal.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
    context.close()


def links(page, portal: Portal, path: str, pattern: str) -> list[str]:
    """Addresses of this form that a page leads to."""
    page.goto(portal.url + path)
    found = page.eval_on_selector_all("main a", "all => all.map(a => a.getAttribute('href'))")
    return [address for address in dict.fromkeys(found) if re.fullmatch(pattern, address)]


@pytest.mark.parametrize(
    ("email", "states"),
    [("ada@demo.example", {"scored", "refused"}), ("dora@demo.example", {"held", "scored"})],
)
def test_a_team_sees_what_became_of_each_file(portal, page, email, states):
    sign_in(portal, page, email)
    own = links(page, portal, "/submissions/", r"/submissions/[0-9a-f-]{36}/")
    seen = set()
    for path in own:
        page.goto(portal.url + path)
        seen |= {state for state in states if page.locator(f".state.{state}").count()}
        assert faults(page) == []
    assert seen == states


@pytest.mark.skipif("CSC_PICTURES" not in os.environ, reason="screenshots are taken when CSC_PICTURES is set")
def test_screenshots(portal, browser):
    folder = Path(os.environ["CSC_PICTURES"])
    context = browser.new_context(viewport={"width": 1100, "height": 760})
    page = context.new_page()
    for name, path, height in SHOWN:
        page.set_viewport_size({"width": 1100, "height": height})
        page.goto(portal.url + path, wait_until="networkidle")
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        few = Image.eval(picture, lambda v: round(v / STEP) * STEP)
        few.save(folder / f"portal-{name}.png", optimize=True)
    context.close()


def test_somebody_takes_part(portal, page, tmp_path):
    sign_in(portal, page, "cleo@demo.example")
    for path in OWN_PAGES:
        page.goto(portal.url + path)
        assert faults(page) == []

    with zipfile.ZipFile(tmp_path / "holiday.zip", "w") as archive:
        archive.writestr("beach.jpg", b"no segmentation")
    hand_in(portal, page, tmp_path / "holiday.zip", "photographs")
    page.locator(".state.refused").first.wait_for(timeout=PATIENCE_S * 1000)
    page.reload()
    assert page.get_by_text("beach.jpg").count() >= 1
    assert page.get_by_text("crop folders").count() >= 1
    assert faults(page) == []

    hand_in(portal, page, perfect(portal, tmp_path), "perfection")
    page.locator(".state.scored").first.wait_for(timeout=PATIENCE_S * 1000)
    assert faults(page) == []
    portal.wait_for("/leaderboard/", "perfection")
    page.goto(f"{portal.url}/leaderboard/")
    first = page.locator("tbody tr").first
    assert "perfection" in first.inner_text()
    assert "1.000" in first.inner_text()


def hand_in(portal: Portal, page, file: Path, method: str) -> None:
    """By the form, as a browser with scripts does it; ends on the page of the submission."""
    page.goto(f"{portal.url}/submit/")
    page.locator("#file").set_input_files(file)
    page.locator("#method").fill(method)
    page.locator("#send").click()
    page.wait_for_url(re.compile(r"/submissions/[0-9a-f-]{36}/"))


def perfect(portal: Portal, folder: Path) -> Path:
    from organelle.catalog import load_catalog
    from organelle.evaluate import simulate
    from organelle.evaluate.simulate_report import SimulatedErrors

    challenge = portal.folder / "demo"
    out = folder / "perfect.zip"
    simulate(challenge / "truth.zarr", load_catalog(challenge), out, SimulatedErrors.only())
    return out


def test_a_reader_subscribes(portal, page):
    page.goto(f"{portal.url}/news/subscribe/")
    page.locator("main input[type=email]").fill("reader@lab.example")
    page.get_by_role("button", name="Subscribe").click()
    page.wait_for_load_state()
    page.goto(portal.last_link(r"/news/confirm/[\w-]+/"))
    page.locator("main").get_by_role("button").click()
    page.wait_for_load_state()
    assert faults(page) == []


def test_an_organiser_sees_what_happens(portal, page):
    page.goto(first_link(portal))
    page.locator("main input[type=email]").fill("chief@demo.example")
    page.locator("main").get_by_role("button").click()
    page.wait_for_load_state()
    for path in ("/admin/", "/admin/scoring/job/", "/admin/scoring/worker/", "/admin/challenge/auditentry/"):
        assert page.goto(portal.url + path).status == 200, path


def first_link(portal: Portal) -> str:
    """The link that the command prints at its start."""
    found = re.search(r"the first organiser signs in here.*\n\s*(http\S+)", portal.log.read_text())
    assert found
    return found[1]
