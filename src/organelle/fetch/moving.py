"""Carry out a plan: many objects at once, each checked, first under a temporary name, then moved."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from organelle.catalog import Catalog
from organelle.errors import FileMissing, OutputExists, SettingsError, TransferError
from organelle.fetch.manifest import Arrived, note, read_manifest, sole_fetch
from organelle.fetch.plan import FetchPlan, plan_fetch
from organelle.fetch.survey import FetchObject
from organelle.progress import track
from organelle.stores import Source

AccessMode = Literal["append", "overwrite"]

SPARE_BYTES = 16 << 20
"""What stays free on the disk beside the data: folders and the manifest take room, too."""


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
    source: Source | Path | str,
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    destination: Path | str,
    *,
    access_mode: AccessMode = "append",
    padding_voxels: int = 0,
    all_resolutions: bool = False,
    classes: Iterable[str] | None = None,
    verify: bool = False,
) -> FetchReport:
    """Copy what the crops need from `source` (a bucket in the challenge's layout) to `destination`.

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
    return transfer(plan, destination, access_mode=access_mode, verify=verify)


def transfer(
    plan: FetchPlan,
    destination: Path | str,
    *,
    access_mode: AccessMode = "append",
    verify: bool = False,
) -> FetchReport:
    """Copy the objects of `plan` below `destination`, which gets the same layout.

    `append` leaves objects alone that are there with the right size and have not changed in the source;
    `overwrite` copies them again. Neither touches anything that the plan does not name. A run that is cut
    off leaves only whole files under their final names; the next run goes on from there.

    Args:
        plan: What to copy, `plan.source.workers` objects at a time.
        destination: A folder; it is made if it is not there.
        access_mode: What happens to objects that are there.
        verify: With `append`, read what is there and copy again what differs from what once arrived.

    Raises:
        TransferError: the disk has no room, or some objects could not be got; each is named, all others
            are there.
        OutputExists: a file stands where a folder is needed, or another fetch is at work there.
        SettingsError: the destination is the source, or the access mode is unknown.
    """
    if access_mode not in ("append", "overwrite"):
        raise SettingsError(f'access mode {access_mode!r} is neither "append" nor "overwrite"')
    root = Path(destination)
    if plan.source.folder and root.resolve() == plan.source.folder.resolve():
        raise SettingsError(f"the destination {root} is the source itself; choose another folder")
    if access_mode == "append" and not verify and not missing(plan, root):
        return FetchReport(plan, 0, 0, len(plan.objects))
    _require_place(root)
    require_room(plan, root, access_mode)
    _make_folder(root)
    with sole_fetch(root):
        todo = plan.objects if access_mode == "overwrite" else missing(plan, root, verify=verify)
        _carry(plan.source, root, todo)
    return FetchReport(plan, len(todo), sum(o.bytes for o in todo), len(plan.objects) - len(todo))


def missing(plan: FetchPlan, destination: Path, *, verify: bool = False) -> tuple[FetchObject, ...]:
    """The objects of `plan` that are not yet whole below `destination`.

    Size and, when both came from the same source, ETag must agree; with `verify` the bytes, too, with
    the MD5 that they arrived with.
    """
    noted = read_manifest(destination)

    def is_there(item: FetchObject) -> bool:
        place, record = destination / item.key, noted.get(item.key)
        if not place.is_file() or place.stat().st_size != item.bytes:
            return False
        if record and record.source == plan.source.url and item.etag != record.etag:
            return False
        return not verify or _md5(place.read_bytes()) == _expected_md5(item, record)

    return tuple(item for item in plan.objects if not is_there(item))


def require_room(plan: FetchPlan, destination: Path, access_mode: AccessMode = "append") -> None:
    """Raise `TransferError` when the disk of `destination` has no room for what is missing there."""
    todo = plan.objects if access_mode == "overwrite" else missing(plan, destination)
    here = (destination / o.key for o in todo)
    needed = sum(o.bytes for o in todo) - sum(p.stat().st_size for p in here if p.is_file()) + SPARE_BYTES
    free = shutil.disk_usage(_existing(destination)).free
    if todo and needed > free:
        raise TransferError(
            f"{destination}: {needed / 1e9:.2f} GB are needed, but only {free / 1e9:.2f} GB are free; "
            "make room, choose another disk, or fetch fewer crops or classes"
        )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())


def _require_place(folder: Path) -> None:
    place = _existing(folder)
    if place.is_dir() and not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        raise TransferError(f"{folder}: nothing can be written in {place}; choose another folder")


def _carry(source: Source, root: Path, todo: tuple[FetchObject, ...]) -> None:
    """Get every object, go on after those that cannot be got, and name them at the end."""
    for left in root.glob(".fetch-*.part"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", suffix=".part", dir=root) as scratch:
        work = source.each(todo, lambda item: _try(source, item, root, Path(scratch)))
        failed = [problem for problem in track(work, "fetch", total=len(todo)) if problem]
    if failed:
        raise TransferError(
            f"{len(failed)} of {len(todo)} objects could not be fetched; the others are in {root}, "
            "and the same line asks only for what is missing:\n" + "\n".join(failed)
        )


def _try(source: Source, item: FetchObject, root: Path, scratch: Path) -> str | None:
    """Fetch one object; the reason if the source does not give it. Trouble with the disk is raised."""
    try:
        data, md5 = _download(source, item)
    except FileMissing:
        return f"{item.key}: vanished while it was fetched; plan again"
    except TransferError as error:
        return f"{item.key}: {error}"
    place = root / item.key
    part = scratch / _md5(item.key.encode())
    _make_folder(place.parent)
    try:
        part.write_bytes(data)
        part.replace(place)
        note(root, Arrived(item.key, item.bytes, item.etag, md5, source.url))
    except OSError as error:
        raise TransferError(
            f"{place} could not be written ({error.strerror}); what arrived before is whole and stays. "
            "Make room or choose another folder, then run the same line again"
        ) from error
    return None


def _download(source: Source, item: FetchObject) -> tuple[bytes, str]:
    """Bytes and MD5 of an object, asked for again when they are not what the plan says."""
    problem = ""
    for attempt in range(1, source.retry.attempts + 1):
        data, entry = source.get(item.key)
        md5 = _md5(data)
        expected = _plain_md5(item.etag)
        if entry.etag != item.etag:
            raise TransferError("it changed in the source after the plan was made; plan again")
        if len(data) == item.bytes and expected in (None, md5):
            return data, md5
        problem = f"{len(data)} bytes with MD5 {md5}, expected {item.bytes} with {expected or 'any'}"
        if attempt < source.retry.attempts:
            source.retry.pause(attempt)
    raise TransferError(f"what arrived is not what the source announced ({problem})")


def _plain_md5(etag: str | None) -> str | None:
    """The MD5 in an ETag, where the store has one: objects that were uploaded in parts have another."""
    return etag if etag and re.fullmatch("[0-9a-f]{32}", etag) else None


def _expected_md5(item: FetchObject, record: Arrived | None) -> str | None:
    return _plain_md5(item.etag) or (record.md5 if record else None)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputExists(f"{path} cannot be a folder: a file stands there or above it") from error
    except OSError as error:
        raise TransferError(f"{path} cannot be made ({error.strerror}); choose another folder") from error
