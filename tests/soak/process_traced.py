"""A region that is processed by many, whose workers note whether they are reading, computing or writing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predict_traced import Traced

from organelle.blocks import Done, FailedBlock, Ledger
from organelle.blocks.workers import work_until_nothing_is_left
from organelle.catalog import Catalog, Dataset, Region
from organelle.process import ProcessSettings, kept, process, scratch_shared, spread, spread_local
from organelle.process.job import Crew
from organelle.process.scratch_shared import SharedStore
from organelle.process.spread import StepWork
from organelle.process.spread_local import Leaders
from organelle.settings import parse_settings
from organelle.volumes import Volume

CATALOG = Catalog("drawn", {"liver": Dataset("liver")}, {}, {})
REGION = Region("liver")
PARTS = [
    {"part": "threshold"},
    {"part": "fill_holes"},
    {"part": "split", "limit_nm": 60, "window_nm": 17, "tile": [32, 32, 48], "halo_nm": 64},
    {"part": "min_volume", "volume_nm3": 5000},
]


def settings(*, alone: bool = False) -> ProcessSettings:
    """A recipe of many steps, in 18 blocks."""
    cut = {"block_shape": [24, 40, 48], "alone_voxels": 2**29 if alone else 1000}
    return parse_settings(ProcessSettings, {"mito": {"parts": PARTS}, **cut}, "test")


@dataclass(frozen=True)
class TracedStep(Traced):
    """A step of a recipe; joint steps are only traced where their leader may die, too."""

    job: StepWork  # type: ignore[assignment]
    leaders: bool = False

    def run(self, index: int) -> None:
        if self.job.is_joint and not self.leaders:
            self.job.run(index)
            return
        Volume._decode = self.noted("reading", index, _decode)  # type: ignore[method-assign]
        SharedStore.block = self.noted("reading", index, _block)  # type: ignore[method-assign]
        Volume.write = self.noted("writing", index, _write)  # type: ignore[method-assign]
        for module in (kept, scratch_shared):
            module.replacing = self.noted("writing", index, _replacing)  # type: ignore[attr-defined]
        self.noted("computing", index, self.job.run)(index)
        self.note("done", index)


_decode, _block, _write, _replacing = Volume._decode, SharedStore.block, Volume.write, kept.replacing
_open, _work_through = Ledger.open, Crew.work_through


def _patient(place: Path, *, tries: int = 15, **how: Any) -> Ledger:
    return _open(place, tries=tries, **how)


class TracedLeaders(Leaders):
    """Local processes that go through a volume."""

    def _do_here(self, work: StepWork, ledger: Ledger) -> Sequence[FailedBlock]:
        spread.Ledger.open = staticmethod(_patient)  # type: ignore[assignment, method-assign]
        step: Any = TracedStep(work, Path(sys.argv[1]), leaders=True)
        for _ in work_until_nothing_is_left(step, ledger):
            pass
        return ledger.failed()


def traced(folder: Path) -> Traced:
    """What looks at the notes."""
    return Traced(None, folder)  # type: ignore[arg-type]


def main() -> None:
    """`process_traced.py FOLDER WORKERS [SCHEDULER]`; with one worker and no scheduler it may die itself."""
    folder, workers, scheduler = Path(sys.argv[1]), int(sys.argv[2]), (sys.argv[3:] or [None])[0]
    leaders = workers == 1 and scheduler is None

    def work_through(self: Crew, work: Any, ledger: Ledger, title: str) -> Done:
        step = TracedStep(work, folder, leaders) if isinstance(work, StepWork) else work
        return _work_through(self, step, ledger, title)

    spread.Ledger.open = staticmethod(_patient)  # type: ignore[assignment, method-assign]
    Crew.work_through = work_through  # type: ignore[method-assign]
    spread_local.Leaders = TracedLeaders  # type: ignore[misc]
    process(
        CATALOG,
        None,
        work=folder,
        output=folder / "work",
        settings=settings(),
        regions=[REGION],
        classes=["mito"],
        workers=workers,
        scheduler=scheduler,
    )


if __name__ == "__main__":
    import process_traced  # workers know its classes by this name

    process_traced.main()
