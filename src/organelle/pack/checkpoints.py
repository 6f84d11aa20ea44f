"""Which training run a checkpoint came from, found by the hash of its file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from organelle.errors import FileMissing, FormatError
from organelle.files import read_json, sha256


def find_checkpoints(wanted: Iterable[str], works: Iterable[Path], home: Path) -> dict[str, dict[str, Any]]:
    """For each hash the checkpoint's file, and what its run says about itself, as JSON values.

    Args:
        wanted: hashes, SHA-256 of files.
        works: work folders; the checkpoints in their `runs` are hashed until all are found.
        home: paths are relative to it.

    Returns:
        `file`: relative path, or null; `run`: settings, crops and versions of the training; `data`: the
        hashes of its crops. Null where no checkpoint with that hash is here, or its run does not say.
    """
    missing = set(wanted)
    found: dict[str, dict[str, Any]] = {sha: {"file": None, "run": None, "data": None} for sha in wanted}
    for run, file in _files(works):
        if not missing:
            break
        sha = sha256(file)
        if sha in missing:
            missing.remove(sha)
            place = Path(os.path.relpath(file.resolve(), home)).as_posix()
            found[sha] = {
                "file": place,
                "run": _record(run / "run.json"),
                "data": _record(run / "data.json"),
            }
    return found


def _files(works: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Run folder and checkpoint, of all runs; first those that predictions are made with by default."""
    runs = [run for work in works for run in sorted((Path(work) / "runs").glob("*")) if run.is_dir()]
    for pattern in ("best.ckpt", "last.ckpt", "best/*.ckpt"):
        yield from ((run, file) for run in runs for file in sorted(run.glob(pattern)) if file.is_file())


def _record(path: Path) -> Any:
    try:
        return read_json(path)
    except (FileMissing, FormatError):
        return None
