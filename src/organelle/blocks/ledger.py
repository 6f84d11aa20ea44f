"""The ledger of a job: what it is, and which of its blocks are done, shared by any number of processes.

A folder `NAME.ledger`::

    job.json        what the job is: `made_of`, the number of blocks, tries and patience; written once
    states          one byte per block, sparse (see `ledger_states`)
    failures.jsonl  a line for each time that a block failed
    *.lease         one per worker that holds blocks (see `leases`)
    *.limit         one per worker whose blocks may take so long only (see `limits`)

Ten million blocks are 10 MB. A kill cannot leave a change half done that matters: a lease is written before
the states of its blocks, and a block that is leased but in no lease is freed when workers run out of others.
A block may be worked on twice (a worker was taken for dead and was not), so work must be idempotent; it is
never left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organelle.blocks.leases import Lease, read_leases
from organelle.blocks.ledger_states import DONE, FAILED, LEASED, MOST_TRIES, StateFile, States, Tally
from organelle.blocks.limits import forget_limit, told_of_limit
from organelle.errors import FileMissing, FormatError, LedgerError
from organelle.files import read_json, require_local

TRIES = 3
"""How often a block is begun: the first failure may be the network's, the third is its own."""

PATIENCE_SECONDS = 120.0
"""How long a worker of another host may be silent: longer than code that never lets other threads run."""

REASON_LETTERS = 2000
_FORM = "organelle ledger 1"


@dataclass(frozen=True, slots=True)
class FailedBlock:
    """A block that was given up, and why it failed the last time."""

    index: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger in `folder`. `Ledger.open` makes it, or takes up the one that is there; may be pickled."""

    folder: Path
    count: int
    made_of: Mapping[str, Any]
    tries: int
    patience: float
    states: StateFile

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        count: int,
        made_of: Mapping[str, Any],
        tries: int = TRIES,
        patience: float = PATIENCE_SECONDS,
    ) -> Ledger:
        """The ledger of a job of `count` blocks in `folder`, made when there is none.

        Several processes may do this at once; all get the same ledger.

        Args:
            folder: A folder of its own, by custom `NAME.ledger`, that all workers see under this path.
            count: Number of blocks, 0 or more.
            made_of: All that determines the results, in values that JSON can hold.
            tries: How often a block is begun before it is given up, at most 15. That of a ledger that is
                there stays.
            patience: Seconds of silence after which a worker of another host counts as dead. That of a ledger
                that is there stays.

        Raises:
            LedgerError: the ledger is that of another job (names what differs), or damaged.
        """
        place = require_local(folder)
        wanted = json.loads(json.dumps({"count": count, "made_of": dict(made_of)}, allow_nan=False))
        if not 1 <= tries <= MOST_TRIES or count < 0:
            raise ValueError(f"{count} blocks with {tries} tries each; tries are 1 to {MOST_TRIES}")
        if not (place / "job.json").exists():
            _create(place, {"form": _FORM, **wanted, "tries": tries, "patience": patience})
        ledger = cls.at(place)
        differing = _differences(
            {"count": ledger.count, "made_of": ledger.made_of}, {"count": count, "made_of": wanted["made_of"]}
        )
        if differing:
            raise LedgerError(
                f"{place} belongs to another job: {'; '.join(differing)}. Go on with what it was made "
                "with, or choose another output, or remove that folder to do every block anew"
            )
        return ledger

    @classmethod
    def at(cls, folder: Path | str) -> Ledger:
        """The ledger that is in `folder`, whatever its job.

        Raises:
            FileMissing: there is none.
            LedgerError: it is damaged.
        """
        place = Path(folder).absolute()  # workers may run in another folder
        if not (place / "job.json").is_file():
            raise FileMissing(f"no ledger at {place}; on a cluster, every worker must see it under this path")
        try:
            job = read_json(place / "job.json")
            form, count, made_of = job["form"], int(job["count"]), dict(job["made_of"])
            tries, patience = int(job["tries"]), float(job["patience"])
        except (FormatError, TypeError, KeyError, ValueError) as error:
            raise LedgerError(f"{place / 'job.json'} is no ledger's: {error!r}; remove {place}") from None
        if form != _FORM:
            raise LedgerError(f"{place} was made by another version of organelle ({form}); remove it")
        states = StateFile(place / "states", count, _stamp(place / "job.json"))
        states.check()
        return cls(place, count, made_of, tries, patience, states)

    def tally(self) -> Tally:
        """How many blocks are in which state now; reads a byte per block."""
        with self.states.open() as states:
            return states.tally()

    def done(self) -> list[int]:
        """The blocks that are done, in order."""
        with self.states.open() as states:
            return states.which(DONE)

    def failed(self) -> list[FailedBlock]:
        """The blocks that were given up, in order, each with its last reason."""
        with self.states.open() as states:
            given_up = states.which(FAILED)
        told = (
            {entry["block"]: entry for entry in _entries(self.folder / "failures.jsonl")} if given_up else {}
        )
        lost: dict[str, Any] = {"name": "", "reason": "its reason was lost"}
        entries = ((block, told.get(block, lost)) for block in given_up)
        return [FailedBlock(b, str(e["name"]) or f"block {b}", str(e["reason"])) for b, e in entries]

    def retry_failed(self) -> int:
        """Give blocks that were given up all their tries again; returns how many there were."""
        with self.states.locked() as states:
            given_up = states.which(FAILED)
            for block in given_up:
                states.write(block, 0)
        return len(given_up)

    def leases(self) -> list[Lease]:
        """All leases that are out."""
        return read_leases(self.folder)

    def count_failure(self, states: States, block: int, name: str, reason: str) -> None:
        """Note that a leased block failed, and let it wait for another try, or give it up after the last one.

        `states` are locked, and the caller holds the block. Nothing happens if it is done: a worker that was
        taken for dead did it after all.
        """
        if (before := states.failures_of_leased(block)) is None:
            return
        failures = before + 1
        _append(
            self.folder / "failures.jsonl",
            {"block": block, "name": name, "try": failures, "reason": reason[:REASON_LETTERS]},
        )
        states.write(block, FAILED if failures >= self.tries else failures)

    def take_back(self, lease: Lease, reason: str | None, name: Callable[[int], str] = str) -> None:
        """Free the blocks of a lease whose owner is dead; the one it worked on counts as failed for `reason`.

        Without a reason none does; a worker that was ended for its limit has its own. Nothing happens if
        somebody else took it back meanwhile. Should the owner live after all, it notices that its lease is
        gone, and stops after the block that it is at.
        """
        with self.states.locked() as states:
            if not lease.path.exists():
                return
            if reason is not None:
                reason = told_of_limit(self.folder, lease.owner) or reason
            leases = {other.path: other for other in self.leases()}
            latest = leases.pop(lease.path, lease)
            elsewhere = {block for other in leases.values() for block in other.blocks}
            held = [b for b in latest.blocks if b < self.count and b not in elsewhere]
            for block in held:
                if reason is not None and block == latest.current:
                    self.count_failure(states, block, name(block), reason)
                else:
                    states.free(block)
            lease.path.unlink(missing_ok=True)
            forget_limit(self.folder, lease.owner)

    def free_strays(self) -> None:
        """Free blocks that are leased but in no lease, as a kill between two writes leaves them."""
        with self.states.open() as states:
            if not self._strays(states):
                return
        with self.states.locked() as states:
            for block in self._strays(states):
                states.free(block)

    def _strays(self, states: States) -> list[int]:
        leased = states.which(LEASED, LEASED + MOST_TRIES)
        held = {block for lease in self.leases() for block in lease.blocks}
        return [block for block in leased if block not in held]


def _create(folder: Path, job: Mapping[str, Any]) -> None:
    """Make the folder whole beside its place, and move it there, unless somebody else was first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    made.mkdir()
    (made / "job.json").write_text(json.dumps(job, indent=1, allow_nan=False) + "\n")
    StateFile(made / "states", job["count"], _stamp(made / "job.json")).create()
    try:
        made.rename(folder)
    except OSError as error:
        for file in made.iterdir():
            file.unlink()
        made.rmdir()
        if not (folder / "job.json").exists():
            raise LedgerError(
                f"no ledger can be made at {folder} ({error.strerror}): something else stands there"
            ) from error


def _stamp(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:40]


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs, one phrase per key; keys of inner tables behind a dot."""
    found: list[str] = []
    for key in {**there, **here}:
        name = f"{prefix}{key}".removeprefix("made_of.")
        old, new = there.get(key, "not there"), here.get(key, "not there")
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{name} was {_short(old)} and is {_short(new)} now")
    return found


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-50:]}"


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a line, also behind one that was cut off; the ledger is locked."""
    with path.open("ab+") as file:
        whole = file.tell() == 0 or (file.seek(-1, os.SEEK_END), file.read(1))[1] == b"\n"
        file.write((b"" if whole else b"\n") + json.dumps(entry).encode() + b"\n")


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """The lines that are whole."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and {"block", "name", "reason"} <= entry.keys():
                yield entry
