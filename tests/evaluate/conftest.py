from __future__ import annotations

import pytest
from small_challenge import Challenge


@pytest.fixture
def challenge(tmp_path):
    """Two crops, three rows, a perfect submission."""
    return Challenge(tmp_path).fill()


@pytest.fixture
def blank(tmp_path):
    """The same table without truth and submission."""
    return Challenge(tmp_path)
