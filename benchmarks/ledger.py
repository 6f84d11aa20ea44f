"""Claim: a ledger of ten million blocks opens within 1 s and 100 MB; a block costs a fraction of a ms."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from organelle.blocks import Ledger
from organelle.blocks.leases_holder import Holder
from organelle.blocks.ledger_states import DONE, HEADER_BYTES

BLOCKS = 10_000_000
MADE_OF = {"checkpoint": "0" * 64, "shape": [49625, 21500, 23625]}
OPEN = """
import re, sys, time
from pathlib import Path
from organelle.blocks import Ledger
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before, start = peak(), time.perf_counter()
ledger = Ledger.open(sys.argv[1], count=int(sys.argv[2]), made_of=eval(sys.argv[3]))
took = time.perf_counter() - start
tally = ledger.tally()
print(f"{took:.3f} s, then counted in {time.perf_counter() - start - took:.3f} s: {tally.done} done; "
      f"{peak():.0f} MB at most, {before:.0f} MB of them before")
"""
WORK = """
import sys
from organelle.blocks import Ledger
from organelle.blocks.leases_holder import Holder
ledger = Ledger.at(sys.argv[1])
with Holder(ledger) as holder:
    for _ in range(20):
        for block in holder.take(100):
            holder.begin(block)
            holder.finish(block)
"""


def main() -> None:
    """Make, open, lease and settle, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "new.ledger"
        took = seconds(lambda: Ledger.open(place, count=BLOCKS, made_of=MADE_OF))
        print(f"{BLOCKS} blocks, none done: made in {took:.3f} s; {on_disk(place)}")
        opened("none done", place)
        cost_per_block(Ledger.at(place))
        shared(place, 4)

        old = Path(folder) / "old.ledger"
        ledger = Ledger.open(old, count=BLOCKS, made_of=MADE_OF)
        settle_most(ledger)
        opened("all but the last done", old)
        print(f"all but the last done: {on_disk(old)}")
        with Holder(ledger) as holder:
            print(f"the last one is found and leased in {1e3 * seconds(lambda: holder.take(1)):.1f} ms")


def opened(what: str, place: Path) -> None:
    """Open it in a fresh process."""
    command = [sys.executable, "-c", OPEN, str(place), str(BLOCKS), repr(MADE_OF)]
    for line in sorted(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(3)
    )[:1]:
        print(f"{what}: opened in {line.strip()}")


def cost_per_block(ledger: Ledger) -> None:
    """Lease, begin and settle 10,000 blocks in leases of several sizes."""
    for most in (1, 10, 100, 1000):
        with Holder(ledger) as holder:
            cpu = cpu_seconds()
            took = seconds(lambda: work(holder, most))  # noqa: B023  (called at once)
            cpu = cpu_seconds() - cpu
        print(f"leases of {most}: {100 * took:.0f} us per block, {100 * cpu:.0f} us of CPU time")


def work(holder: Holder, most: int) -> None:
    for _ in range(10_000 // most):
        for block in holder.take(most):
            holder.begin(block)
            holder.finish(block)


def shared(place: Path, workers: int) -> None:
    """Several processes at once, which stand in each other's way."""
    before = Ledger.at(place).tally().done
    crew = [subprocess.Popen([sys.executable, "-c", WORK, str(place)]) for _ in range(workers)]
    took = seconds(lambda: [one.wait() for one in crew])
    done = Ledger.at(place).tally().done - before
    print(f"{workers} processes at once: {done} blocks in {took:.2f} s, their start included")


def settle_most(ledger: Ledger) -> None:
    """Mark all but the last block as done, as no worker does it: at once."""
    with ledger.states.path.open("r+b") as file:
        file.seek(HEADER_BYTES)
        file.write(bytes([DONE]) * (BLOCKS - 1))


def on_disk(place: Path) -> str:
    """Files and what they take of the disk."""
    files = list(place.iterdir())
    taken = sum(file.stat().st_blocks for file in files) * 512
    return f"{len(files)} files, {taken / 1e6:.2f} MB on disk"


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def seconds(what: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
