"""The API as its own description says, and as it does not: whatever comes, the portal answers with words.

A real web server on a database in a file; requests are made by schemathesis, half of them as described, half
of them not: by an organiser, and by Ada to hand in. None may end with a status of 500 or above, every error
is JSON with `detail`, and there is no answer that is not described.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "portal"))

from running_portal import RunningPortal, running_portal

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore")]

SECONDS = float(os.environ.get("CSC_FUZZ_S", "30"))
EXAMPLES = 8
"""Of each operation at a time; then the next one has its turn. The first turn is always finished."""

HANDING_IN = ("/api/submissions", "/api/uploads")
OF_THE_SERVER = 414
"""An address that is too long never reaches the portal."""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    with running_portal(tmp_path_factory.mktemp("fuzz") / "portal") as running:
        yield running


def test_no_request_breaks_the_portal(portal: RunningPortal) -> None:
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_url(f"{portal.url}/api/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    codes: Counter[tuple[str, int]] = Counter()
    session, over = requests.Session(), time.monotonic() + SECONDS
    tokens = itertools.cycle(portal.organiser_tokens())
    for turn in itertools.count():
        for operation, mode in itertools.product(operations, GenerationMode):
            if turn and time.monotonic() > over:
                break
            token = portal.token if operation.path.startswith(HANDING_IN) else next(tokens)
            send(operation, mode, turn, token, session, codes)
        else:
            continue
        break
    asked = {label for label, _ in codes}
    print(
        f"\n{sum(codes.values())} requests, {turn} turns:",
        dict(Counter(code for _, code in codes.elements())),
    )
    assert asked == {operation.label for operation in operations}
    assert requests.get(f"{portal.url}/ready/", timeout=20).status_code == 200


def send(operation: Any, mode: Any, turn: int, token: str, session: requests.Session, codes: Counter) -> None:
    """Some requests to one operation, most of them with a token."""
    known = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    headers = itertools.cycle([known] * (EXAMPLES - 1) + [{}])

    @hypothesis.seed(turn)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = case.call(session=session, headers=next(headers), timeout=20)
        codes[operation.label, answer.status_code] += 1
        assert answer.status_code < 500, (operation.label, case.as_curl_command(), answer.text)
        if answer.status_code != OF_THE_SERVER:
            assert str(answer.status_code) in operation.definition.raw["responses"], case.as_curl_command()
        if answer.status_code >= 400 and answer.content and answer.headers["content-type"][0] != "text/html":
            assert answer.json()["detail"] if "json" in answer.headers["content-type"][0] else answer.text

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        codes[operation.label, 0] += 0  # no request breaks its description
