"""Children that begin at once share what they compile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from organelle.evaluate.warming import KINDS

CODE = """
import json
from organelle.evaluate.warming import warm
from organelle.metrics import kernels
warm()
print(json.dumps([{str(key): n for key, n in found.items()} for found in kernels.tally.stats[1:]]))
"""


@pytest.mark.soak
def test_each_kind_is_compiled_by_one_of_them(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", CODE]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(one.communicate()[0]) for one in both]
    compiled = [kind for _, misses in told for kind in misses]
    assert len(compiled) == len(set(compiled)) >= len(KINDS)
    for hits, misses in told:
        assert {*hits, *misses} == set(compiled)
    assert len(list(tmp_path.rglob("*.lock"))) == len(KINDS)
