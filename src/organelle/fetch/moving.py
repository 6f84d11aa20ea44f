"""Carry out a plan: every file under a temporary name first, then moved to its place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from organelle.catalog import Catalog
from organelle.errors import FileMissing, OutputExists, SettingsError
from organelle.fetch.plan import FetchObject, FetchPlan, plan_fetch
from organelle.progress import track

AccessMode = Literal["append", "overwrite"]


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a transfer did.

    Attributes:
        plan: What was to be done.
        moved: Objects that were written, `moved_bytes` their size.
        skipped: Objects that were there already.
    """

    plan: FetchPlan
    moved: int
    moved_bytes: int
    skipped: int


def fetch_data(
    source: Path | str,
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    destination: Path | str,
    *,
    access_mode: AccessMode = "append",
    padding_voxels: int = 0,
    all_resolutions: bool = False,
    classes: Iterable[str] | None = None,
) -> FetchReport:
    """Copy what the crops need from `source` (a folder in the bucket's layout) to `destination`.

    The arguments are those of `plan_fetch` and `transfer`.
    """
    plan = plan_fetch(
        source,
        catalog,
        crops,
        padding_voxels=padding_voxels,
        all_resolutions=all_resolutions,
        classes=classes,
    )
    return transfer(plan, destination, access_mode=access_mode)


def transfer(plan: FetchPlan, destination: Path | str, *, access_mode: AccessMode = "append") -> FetchReport:
    """Copy the objects of `plan` below `destination`, which gets the same layout.

    `append` leaves objects alone that are there with the right size; `overwrite` copies them again.
    Neither touches anything that the plan does not name. A run that is cut off leaves only whole files
    under their final names; the next run goes on from there.

    Raises:
        FileMissing: an object vanished from the source after the plan was made.
        OutputExists: a file stands where a folder is needed.
        SettingsError: the destination is the source, or the access mode is unknown.
    """
    if access_mode not in ("append", "overwrite"):
        raise SettingsError(f'access mode {access_mode!r} is neither "append" nor "overwrite"')
    root = Path(destination)
    if root.resolve() == plan.source.resolve():
        raise SettingsError(f"the destination {root} is the source itself; choose another folder")
    todo = [o for o in plan.objects if access_mode == "overwrite" or not _is_there(root, o)]
    if todo:
        _make_folder(root)
        with tempfile.TemporaryDirectory(prefix=".fetch-", suffix=".part", dir=root) as scratch:
            for item in track(todo, "fetch"):
                _move(plan.source / item.key, root / item.key, Path(scratch) / "object")
    return FetchReport(plan, len(todo), sum(o.bytes for o in todo), len(plan.objects) - len(todo))


def _is_there(root: Path, item: FetchObject) -> bool:
    place = root / item.key
    return place.is_file() and place.stat().st_size == item.bytes


def _move(source: Path, final: Path, scratch: Path) -> None:
    try:
        shutil.copyfile(source, scratch)
    except FileNotFoundError as error:
        raise FileMissing(f"{source} vanished while it was fetched; plan again") from error
    _make_folder(final.parent)
    scratch.replace(final)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputExists(f"{path} cannot be a folder: a file stands there or above it") from error
