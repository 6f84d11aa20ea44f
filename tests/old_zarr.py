"""A Python with zarr 2.18 and numcodecs 0.15, as old readers have it: what we write must be readable there.

Import the fixture into a soak test: `from old_zarr import old_zarr_python, read_with_old_zarr`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REQUIREMENTS = ("zarr==2.18.7", "numcodecs==0.15.1")

DESCRIBE = """
import hashlib, json, sys
import numpy as np, zarr
place, *names = sys.argv[1:]
store = zarr.ZipStore(place, mode="r") if place.endswith(".zip") else place
root = zarr.open(store, mode="r")
found = {}
for name in names:
    node = root[name] if name else root
    record = {"attributes": node.attrs.asdict()}
    if hasattr(node, "shape"):
        data = np.ascontiguousarray(node[:])
        digest = hashlib.sha256(data.tobytes()).hexdigest()
        record.update(shape=list(node.shape), dtype=str(node.dtype), sha256=digest)
    else:
        record["members"] = sorted(node)
    found[name] = record
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def old_zarr_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with zarr 2.18 and numcodecs 0.15."""
    home = tmp_path_factory.mktemp("old_zarr")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = home / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    return python


def read_with_old_zarr(python: Path, store: Path, *names: str) -> dict[str, dict[str, Any]]:
    """What zarr 2.18 sees in a folder or zip: per name attributes, and shape, dtype, sha256 or members."""
    command = [str(python), "-c", DESCRIBE, str(store), *names]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found
