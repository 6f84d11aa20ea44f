"""Crops as they are drawn from, kept on disk: decoded once, then mapped into the memory of every process.

Each crop is a folder named by a hash of all that it was made of: the crop, what the model and the settings
ask for, and the stamps (size and time, or ETag) of the stored chunks. When one of these changes, another name
is looked for, so that nothing stale is ever read; what is no longer used goes when room is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import OutputExists
from organelle.files import locked, whole, write_json
from organelle.sampling.palette import Palette
from organelle.sampling.planes import Turned

VERSION = 1
"""Of what the folders hold; raised when that changes."""

RECORD = "crop.json"


@dataclass(frozen=True, eq=False)
class Kept:
    """The arrays of one crop, none of them to be written to."""

    em: NDArray[Any]
    present: NDArray[np.bool_]
    labels: Palette
    ids: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)
    context: tuple[tuple[NDArray[Any], NDArray[np.bool_]], ...] = ()
    """EM of the surroundings, and where it is present, as `em` and `present`; one pair per context."""
    turned: Turned | None = None
    """Planes across x once more."""


@dataclass
class CropCache:
    """A folder of crops, which many processes may use at the same time.

    When it cannot hold a crop (no room within `limit_bytes`, a full or read-only disk), the crop stays in
    memory and `notes` says why: training goes on, only with more memory.

    Attributes:
        folder: made when the first crop is kept.
        limit_bytes: of all crops together; those that were used longest ago go first, those that this run
            uses never.
        notes: what could not be kept, and why.
    """

    folder: Path
    limit_bytes: int
    notes: list[str] = field(default_factory=list)
    _in_use: set[str] = field(default_factory=set)

    def get(self, made_of: Mapping[str, Any], make: Callable[[], Kept]) -> Kept:
        """What is kept for `made_of` (plain JSON values), else what `make` makes, kept from then on."""
        key = _key(made_of)
        self._in_use.add(key)
        place = self.folder / key
        found = _open(place)
        if found is not None:
            return found
        shutil.rmtree(place, ignore_errors=True)  # what cannot be opened is damaged, if it is there at all
        made = make()
        try:
            self._keep(place, made, made_of)
        except OSError as error:
            self.notes.append(f"{self.folder} could not keep a crop ({error}), so it stays in memory")
            return made
        return _open(place) or made

    def _keep(self, place: Path, made: Kept, made_of: Mapping[str, Any]) -> None:
        needed = sum(array.nbytes for array in _arrays(made).values())
        if needed > self.limit_bytes:
            self.notes.append(
                f"a crop of {needed:,} bytes is larger than the cache may be; it stays in memory"
            )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".lock"):
            if not self._make_room(needed):
                self.notes.append(
                    f"the crops of this run need more than the {self.limit_bytes:,} bytes that the cache may "
                    "hold; the rest stays in memory (--cache-size allows more)"
                )
                return
        try:
            with whole(place) as part:
                part.mkdir()
                for name, array in _arrays(made).items():
                    np.save(part / f"{name}.npy", array)
                write_json(part / RECORD, {"version": VERSION, "made_of": made_of})
        except OutputExists:
            return  # another process was faster

    def _make_room(self, needed: int) -> bool:
        """Delete what was used longest ago until `needed` bytes fit; whether they do."""
        there = sorted(_folders(self.folder), key=lambda entry: entry.used)
        total = sum(entry.bytes for entry in there)
        for entry in there:
            if total + needed <= self.limit_bytes:
                break
            if entry.path.name not in self._in_use:
                shutil.rmtree(entry.path, ignore_errors=True)
                total -= entry.bytes
        return total + needed <= self.limit_bytes


def frozen(*arrays: NDArray[Any]) -> None:
    """Let nobody write to arrays that many patches are drawn from."""
    for array in arrays:
        array.flags.writeable = False


@dataclass(frozen=True)
class _Entry:
    path: Path
    bytes: int
    used: float


def _folders(folder: Path) -> Iterator[_Entry]:
    for place in folder.iterdir():
        try:
            if place.is_dir() and not place.name.startswith("."):
                used = (place / RECORD).stat().st_mtime
                yield _Entry(place, sum(file.stat().st_size for file in place.iterdir()), used)
        except OSError:
            continue  # another process has just removed it


def _key(made_of: Mapping[str, Any]) -> str:
    text = json.dumps({"version": VERSION, **made_of}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _arrays(kept: Kept) -> dict[str, NDArray[Any]]:
    labels = kept.labels
    stops = np.cumsum([len(anchors) for anchors in labels.anchors])
    places = np.concatenate([*labels.anchors, np.zeros(0, np.int64)])
    tables = {"present": labels.present, "known": labels.known, "counts": labels.counts}
    ids = {f"ids-{name}": array for name, array in kept.ids.items()}
    imaged: dict[str, NDArray[Any]] = {"imaged": kept.present} if kept.present.size else {}
    for i, (em, present) in enumerate(kept.context):
        imaged |= {f"context-{i}": em} | ({f"imaged-{i}": present} if present.size else {})
    if kept.turned:
        imaged |= {"turned": kept.turned.em, "turned-codes": kept.turned.codes}
        imaged |= {"turned-imaged": kept.turned.present} if kept.turned.present.size else {}
    return {
        "em": kept.em,
        "codes": labels.codes,
        **tables,
        "stops": stops,
        "anchors": places,
        **imaged,
        **ids,
    }


def _open(place: Path) -> Kept | None:
    """The crop kept at `place`, mapped; None when there is none (or it goes at this moment)."""
    try:
        os.utime(place / RECORD)
    except OSError:
        if not (place / RECORD).is_file():
            return None
    try:
        arrays = {f.stem: np.asarray(np.load(f, mmap_mode="r")) for f in place.glob("*.npy")}
        anchors = tuple(np.split(arrays["anchors"], arrays["stops"][:-1]))
        present, known, counts = (np.array(arrays[name]) for name in ("present", "known", "counts"))
        labels = Palette(arrays["codes"], present, known, counts, anchors)
        ids = {name.removeprefix("ids-"): a for name, a in arrays.items() if name.startswith("ids-")}
        nothing = np.zeros((0, 0, 0), bool)
        far = sum(name.startswith("context-") for name in arrays)
        context = tuple((arrays[f"context-{i}"], arrays.get(f"imaged-{i}", nothing)) for i in range(far))
        turned = None
        if "turned" in arrays:
            there = arrays.get("turned-imaged", nothing)
            turned = Turned(arrays["turned"], there, arrays["turned-codes"])
        return Kept(arrays["em"], arrays.get("imaged", nothing), labels, ids, context, turned)
    except (OSError, ValueError, KeyError):
        return None
