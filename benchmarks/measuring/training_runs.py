"""What is trained, and where: challenges, experiments, and one folder per run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from organelle.catalog import Catalog, load_catalog
from organelle.demo.plan import FULL, REAL, Effort, plan_experiments
from organelle.errors import FileMissing
from organelle.experiment import Experiment, load_experiment
from organelle.files import whole
from organelle.phantom import write_phantom

OURS, RECIPE = "ours", "recipe"
METHODS = (OURS, RECIPE)
OWN, PLAIN = "own", "plain"
"""How probabilities become objects: with the experiment's recipes, or the threshold 0.5 and no more."""
PHANTOM_SEED = 0
SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "sample"
EFFORTS = {"phantom": replace(FULL, fitted=True), "sample": REAL}
"""Those of the tour; but the recipes of the phantom are fitted, too."""


@dataclass(frozen=True)
class Challenge:
    """Tables, volumes and truth to train and score on, and the folder for what is made of them."""

    name: str
    source: Path
    work: Path

    @property
    def catalog(self) -> Catalog:
        """What exists."""
        return load_catalog(self.source)

    @property
    def data(self) -> Path:
        """EM and labels."""
        return self.source / "bucket"

    @property
    def truth(self) -> Path:
        """Of the test crops."""
        return self.source / "truth.zarr"

    @property
    def costs(self) -> Path:
        """CPU seconds per training step, as measured before the first run."""
        return self.work / "costs.json"

    @property
    def effort(self) -> Effort:
        """The tour's."""
        return EFFORTS[self.name]

    def run(self, minutes: float, method: str, seed: int) -> Run:
        """A run, done or not."""
        return Run(self, minutes, method, seed)

    def experiments(self) -> list[Experiment]:
        """As the tour plans them, one per dataset; the files are written once."""
        found = []
        for plan in plan_experiments(self.catalog, self.data, self.effort, seed=0):
            path = self.work / "experiments" / f"{plan.dataset}.toml"
            if not path.is_file():
                with whole(path) as part:
                    part.write_text(plan.toml())
            found.append(load_experiment(path))
        return found


@dataclass(frozen=True)
class Run:
    """One method trained from one seed."""

    challenge: Challenge
    minutes: float
    """CPU time per network."""
    method: str
    seed: int

    @property
    def folder(self) -> Path:
        """Where everything stands."""
        return self.challenge.work / f"{self.minutes:g}-minutes" / f"{self.method}-{self.seed}"

    @property
    def record(self) -> Path:
        """What came of it; there when the run is finished."""
        return self.folder / "run.json"

    def __str__(self) -> str:
        return f"{self.challenge.name}, {self.method}, seed {self.seed}"


def find_challenge(name: str, work: Path) -> Challenge:
    """The phantom, drawn if need be, or the sample.

    Raises:
        FileMissing: there is no sample here.
    """
    place = work / name
    if name == "sample":
        if not SAMPLE.is_dir():
            raise FileMissing(f"no sample at {SAMPLE}")
        return Challenge(name, SAMPLE, place)
    source = place / "challenge"
    if not source.is_dir():
        write_phantom(source, seed=PHANTOM_SEED)
    return Challenge(name, source, place)
