"""Carry out a plan: many objects at once, each checked, first under a temporary name, then moved."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from organelle.catalog import Catalog
from organelle.errors import SettingsError, TransferError
from organelle.fetch.archive import ArchivePlan, spans
from organelle.fetch.digests import file_digest
from organelle.fetch.landing import Landing, land, make_folder, sweep
from organelle.fetch.manifest import Arrived, Notes, read_manifest, sole_fetch, stamp
from organelle.fetch.plan import FetchPlan, plan_fetch
from organelle.fetch.survey import FetchObject
from organelle.fetch.unpacking import Unpacking
from organelle.files import require_local
from organelle.progress import track
from organelle.stores import Source
from organelle.stores.at_once import as_done

T = TypeVar("T")
AccessMode = Literal["append", "overwrite"]
Plan = FetchPlan | ArchivePlan
Results = list[Arrived | str]
"""What arrived, or why something did not."""

SPARE_BYTES = 16 << 20
"""What stays free on the disk beside the data: folders and the manifest take room, too."""

FEWEST_IN_A_ROW, ROUNDS_IN_A_ROW = 10, 4
"""A source that failed so many objects one after the other, all attempts of each, is given up: at least 10,
and 4 per worker. Else a network that is gone would be asked for every object of a long list."""


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a transfer did.

    Attributes:
        plan: What was to be done.
        moved: Objects that were written, `moved_bytes` their size.
        skipped: Objects that were there already.
    """

    plan: Plan
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
    padding_nm: float = 0.0,
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
        padding_nm=padding_nm,
        all_resolutions=all_resolutions,
        classes=classes,
    )
    return transfer(plan, destination, access_mode=access_mode, verify=verify)


def transfer(
    plan: Plan,
    destination: Path | str,
    *,
    access_mode: AccessMode = "append",
    verify: bool = False,
) -> FetchReport:
    """Copy the objects of `plan` below `destination`, which gets the same layout; those of a zip unpacked.

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
        SettingsError: the destination is the source or an address, or the access mode is unknown.
    """
    if access_mode not in ("append", "overwrite"):
        raise SettingsError(f'access mode {access_mode!r} is neither "append" nor "overwrite"')
    root = require_local(destination)
    if plan.source.folder and root.resolve() == plan.source.folder.resolve():
        raise SettingsError(f"the destination {root} is the source itself; choose another folder")
    before = stamp(root)
    objects = plan.objects
    todo = objects if access_mode == "overwrite" else missing(plan, root, verify=verify)
    if todo or access_mode == "overwrite":
        _require_place(root)
        _require_room(todo, root)
        make_folder(root)
        try:
            with sole_fetch(root) as was_killed:
                if access_mode == "append" and stamp(root) != before:
                    todo = missing(plan, root, verify=verify)
                if was_killed:
                    sweep(root)
                _carry(plan, root, todo)
        except OSError as error:
            raise TransferError(
                f"what arrived in {root} could not be noted ({error.strerror}); it is whole and stays. "
                "Make room or choose another folder, then run the same line again"
            ) from error
    return FetchReport(plan, len(todo), sum(o.bytes for o in todo), len(objects) - len(todo))


def missing(plan: Plan, destination: Path, *, verify: bool = False) -> tuple[FetchObject, ...]:
    """The objects of `plan` that are not yet whole below `destination`.

    Size and, when both came from the same source, ETag must agree; with `verify` the bytes, too, with
    the digest that they arrived with.
    """
    if not destination.is_dir():
        return plan.objects
    noted, here = read_manifest(destination), set(os.listdir(destination))  # noqa: PTH208

    def is_there(item: FetchObject) -> bool:
        record = noted.get(item.key)
        if item.key.partition("/")[0] not in here or _size(destination, item) != item.bytes:
            return False
        if record and record.source == plan.origin and _is_other(item, record):
            return False
        return not verify or _is_unchanged(destination / item.key, item, record)

    return tuple(item for item in plan.objects if not is_there(item))


def _is_other(item: FetchObject, record: Arrived) -> bool:
    """Whether the same source holds another object now than when it arrived."""
    return item.etag != record.etag or item.digest not in (None, record.digest)


def _is_unchanged(file: Path, item: FetchObject, record: Arrived | None) -> bool:
    """Whether the bytes are those that arrived; not, if nothing says which those were."""
    expected = item.digest or (record.digest if record else None)
    return file_digest(file, expected) == expected


def _size(folder: Path, item: FetchObject) -> int:
    """The size of the file that is there; -1 if there is none."""
    try:
        state = os.stat(f"{folder}/{item.key}")  # noqa: PTH116 half the time of a Path, for each of many
    except OSError:
        return -1
    return state.st_size if stat.S_ISREG(state.st_mode) else -1


def require_room(plan: Plan, destination: Path, access_mode: AccessMode = "append") -> None:
    """Raise `TransferError` when the disk of `destination` has no room for what is missing there."""
    _require_room(plan.objects if access_mode == "overwrite" else missing(plan, destination), destination)


def _require_room(todo: tuple[FetchObject, ...], destination: Path) -> None:
    needed = sum(o.bytes for o in todo) + SPARE_BYTES
    free = shutil.disk_usage(_existing(destination)).free
    if todo and needed > free:
        needed -= sum(max(0, _size(destination, o)) for o in todo)
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


def _carry(plan: Plan, root: Path, todo: Sequence[Any]) -> None:
    """Get every object, go on after those that cannot be got, and name them at the end."""
    failed: list[str] = []
    with Notes(root) as notes:
        if isinstance(plan, ArchivePlan):
            unpacking = Unpacking(plan, root)
            try:
                rest = _work(list(spans(todo)), unpacking.unpack, plan.source.workers, notes, failed)
            except BaseException:
                unpacking.abandon()
                raise
            for record in unpacking.finish():
                notes.add(record)
        else:
            source, landing = plan.source, Landing(root)
            rest = _work(todo, lambda o: [land(landing, source, o)], source.workers, notes, failed)
    if not failed:
        return
    why = f" (the last failed one after the other, so {rest} requests were not made)" if rest else ""
    raise TransferError(
        f"{len(failed)} of {len(todo)} objects could not be fetched{why}; what arrived is in {root}, "
        "and the same line asks only for what is missing:\n" + "\n".join(failed)
    )


def _work(
    jobs: Sequence[T], work: Callable[[T], Results], workers: int, notes: Notes, failed: list[str]
) -> int:
    """Do all jobs, note what arrives, gather what failed; returns how many jobs were not begun."""
    in_a_row = 0
    for done, results in enumerate(track(as_done(jobs, work, workers), "fetch", total=len(jobs)), 1):
        problems = [result for result in results if isinstance(result, str)]
        for record in results:
            if isinstance(record, Arrived):
                notes.add(record)
        failed += problems
        in_a_row = in_a_row + 1 if problems and len(problems) == len(results) else 0
        if in_a_row >= max(FEWEST_IN_A_ROW, ROUNDS_IN_A_ROW * workers):
            return len(jobs) - done
    return 0
