"""A prediction whose workers note whether they are reading, computing or writing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from organelle.blocks import Ledger, work_through
from organelle.catalog import Catalog, Dataset, Region
from organelle.predict import PredictSettings, plan_predict
from organelle.predict import em as reading
from organelle.predict import job as jobs
from organelle.predict.job import PredictJob

CATALOG = Catalog("bare", {"liver": Dataset("liver")}, {}, {})
PHASE_SECONDS = 0.05
WANTED = "wanted"
"""The file that names the phase in which a worker is to be killed next: who is in it stays until then."""
LONGEST_SECONDS = 120


@dataclass(frozen=True)
class Traced:
    """The work of a prediction job, as `organelle.blocks.Work` wants it."""

    job: PredictJob
    folder: Path

    @property
    def count(self) -> int:
        return self.job.count

    @property
    def made_of(self) -> Mapping[str, Any]:
        return self.job.made_of

    def name(self, index: int) -> str:
        return self.job.name(index)

    def run(self, index: int) -> None:
        reading.ModelEM._read = self.noted("reading", index, _read)  # type: ignore[method-assign]
        jobs.predict_views = self.noted("computing", index, _views)  # type: ignore[attr-defined]
        jobs._write = self.noted("writing", index, _write)
        self.job.run(index)
        self.note("done", index)

    def noted(self, phase: str, index: int, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **how: Any) -> Any:
            self.note(phase, index)
            time.sleep(PHASE_SECONDS)
            self.stay(phase)
            return function(*arguments, **how)

        return call

    def stay(self, phase: str) -> None:
        end = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < end and self.wanted() == phase:
            time.sleep(0.01)

    def wanted(self) -> str:
        place = self.folder / WANTED
        return place.read_text() if place.exists() else ""

    def note(self, phase: str, index: int) -> None:
        with (self.folder / "notes").open("a") as notes:
            notes.write(f"{phase} {index} {os.getpid()}\n")

    def notes(self) -> list[list[str]]:
        place = self.folder / "notes"
        return [line.split() for line in place.read_text().splitlines()] if place.exists() else []


_read, _views, _write = reading.ModelEM._read, jobs.predict_views, jobs._write


def traced(folder: Path) -> Traced:
    """The job of `folder`, which holds the EM and a checkpoint."""
    plan = plan_predict(
        folder / "network.ckpt",
        CATALOG,
        None,
        data=folder / "data",
        work=folder / "work",
        regions=[Region("liver")],
        settings=PredictSettings(memory_gb=1e-6),
        classes=["er", "mito"],
    )
    return Traced(PredictJob.open(plan), folder)


def main() -> None:
    """`predict_traced.py FOLDER WORKERS [SCHEDULER]`."""
    folder, workers, scheduler = Path(sys.argv[1]), int(sys.argv[2]), (sys.argv[3:] or [None])[0]
    work = traced(folder)
    place = work.job.folder / "blocks.ledger"
    ledger = Ledger.open(place, count=work.count, made_of=work.made_of, tries=15)
    done = work_through(work, ledger, workers=workers, scheduler=scheduler)
    assert not done.failed, done.failed
    work.job.finish()


if __name__ == "__main__":
    main()
