"""The page of a submission in a real browser: it follows by itself, and what one types there stays."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from browser import CHROMIUM, OFFLINE
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "portal"))
from running_portal import RunningPortal, running_portal

pytestmark = pytest.mark.soak

FIRST = "11111111-2222-3333-4444-555555555555"
MAKE = (
    "INSERT INTO submissions_submission (id, team_id, user_id, sha256, size_bytes, name, method,"
    " description, code_url, publish, anonymous, state, reason, report, created, chosen)"
    f" SELECT '{FIRST.replace('-', '')}', t.id, u.id, 'ab', 5, 'a.zip', '', '', '', 1, 0, 'checking', '',"
    " NULL, '2026-01-02 03:04:05', 0 FROM accounts_team t, accounts_user u"
)
REPORT = json.dumps(
    {
        "ok": True,
        "problems": [
            {"code": "odd-name", "severity": "warning", "place": f"crop{n}", "remedy": "Name it well."}
            for n in range(9)
        ],
    }
)
TYPED = "half of a sent"


def become(portal: RunningPortal, state: str) -> None:
    portal.rows(f"UPDATE submissions_submission SET state = '{state}', report = '{REPORT}'")


def require_untouched(page: Page) -> None:
    """Text, caret and focus are where they were."""
    field = "document.activeElement.id + ':' + document.activeElement.selectionStart"
    assert page.locator("#description").input_value() == TYPED
    assert page.evaluate(field) == "description:4"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_what_one_types_and_opens_stays_while_the_state_changes(tmp_path: Path) -> None:
    with running_portal(tmp_path / "portal") as portal, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*OFFLINE])
        page = browser.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.goto(portal.sign_in_link())
        page.locator("main form button").first.click()
        portal.rows(MAKE)
        page.goto(f"{portal.url}/submissions/{FIRST}/")
        page.locator("#description").press_sequentially(TYPED)
        page.evaluate("document.activeElement.setSelectionRange(4, 4)")

        become(portal, "queued")
        page.get_by_text("Waiting to be scored").wait_for(timeout=30_000)
        page.get_by_text("odd-name").wait_for()
        require_untouched(page)
        page.evaluate("document.querySelector('#findings details').open = true")

        become(portal, "scoring")
        page.get_by_text("Being scored").first.wait_for(timeout=30_000)
        require_untouched(page)
        assert page.evaluate("document.querySelector('#findings details').open")

        become(portal, "scored")
        page.get_by_role("button", name="Choose this one").wait_for(timeout=30_000)
        require_untouched(page)
        assert page.evaluate("document.querySelector('#findings details').open")
        assert page.get_by_role("button", name="Cancel this submission").count() == 0
        assert told == []
        browser.close()
