"""What all tests share: where the real mini challenge and the official answers lie, if they are here."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout: real EM (`sample`) and official answers (`golden`)."""
    if not SHARED.is_dir():
        pytest.skip(f"the real mini challenge is not here: no folder {SHARED}")
    return SHARED
