"""What a run was asked for: experiments, places, and how far it may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path

from organelle.catalog import Catalog, Crop, Datasplit, split_place
from organelle.errors import FileMissing, SettingsError
from organelle.experiment.crops import datasplit
from organelle.experiment.settings import Experiment
from organelle.experiment.stages import CACHE_BYTES, classes_wanted, run_folder
from organelle.experiment.steps import Span
from organelle.fetch import Padding, Source
from organelle.pack import AssembleSettings, PackSettings
from organelle.stores import Place, as_place


@dataclass(frozen=True)
class RunChoices:
    """What may be chosen for a run beside its experiments and places.

    Attributes:
        source: where volumes are fetched from, what `organelle.fetch.open_source` takes; None: nothing is
            fetched, unless crops are missing and there is a `fallback`.
        fallback: such a source, asked only when crops are missing.
        padding: EM around the crops, to be fetched.
        truth: of the test crops, for whoever holds one; None: the crops that each experiment held out are
            predicted too, and scored by their labels.
        metric: version of the metric.
        cache: folder of decoded crops; `cache_bytes` is what they may fill (see `train_experiment`).
        span: the stages that are asked for; those before them are taken as they are.
        overwrite: replace outputs that were made in another way. What is unchanged stays all the same.
        workers: local processes that predict, process and pack.
        scheduler: address of a Dask scheduler, whose workers predict and process instead.
        block_seconds: what a block of them may take until its worker is ended; None: any time.
    """

    source: Source | Path | str | None = None
    fallback: Source | Path | str | None = None
    padding: Padding = field(default_factory=Padding)
    truth: Path | None = None
    metric: str = "2026-06"
    cache: Path | None = None
    cache_bytes: int = CACHE_BYTES
    span: Span = field(default_factory=Span)
    overwrite: bool = False
    workers: int = 1
    scheduler: str | None = None
    block_seconds: float | None = None


@dataclass(frozen=True)
class Setup:
    """The arguments of `run_experiments`, and what follows from them."""

    experiments: tuple[Experiment, ...]
    catalog: Catalog
    data: Place
    work: Path
    choices: RunChoices

    @property
    def records(self) -> Path:
        """Folder of what the run notes for itself."""
        return self.work / "run"

    @property
    def submission(self) -> Path:
        """The zip of the test crops."""
        return self.work / "submission.zip"

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Each experiment with its crops."""
        return tuple(Member(self, experiment) for experiment in self.experiments)

    @property
    def pack_settings(self) -> PackSettings:
        """The section `[pack]`."""
        return self.experiments[0].pack

    @property
    def assemble(self) -> AssembleSettings:
        """The section `[assemble]`."""
        return self.experiments[0].assemble

    @cached_property
    def test_crops(self) -> frozenset[int]:
        """Numbers of the test crops that some experiment predicts."""
        return frozenset(crop.id for member in self.members for crop in member.tests)


@dataclass(frozen=True)
class Member:
    """One experiment of the run, and the crops that it has to do with."""

    setup: Setup
    experiment: Experiment

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.experiment.name

    @property
    def folder(self) -> Path:
        """Of its training run."""
        return run_folder(self.experiment, self.setup.work)

    @property
    def home(self) -> Path:
        """Folder for the score on its held-out crops."""
        return self.setup.work / "held-out" / self.name

    @cached_property
    def split(self) -> Datasplit:
        """The crops to learn from, and those held out."""
        return datasplit(self.experiment, self.setup.catalog)

    @cached_property
    def tests(self) -> tuple[Crop, ...]:
        """The test crops in its datasets."""
        data, catalog = self.experiment.data, self.setup.catalog
        named = (*data.datasets, *data.hold_out) if data.datasets else ()
        datasets = {catalog.dataset(name).name for name in named} or set(catalog.datasets)
        return tuple(crop for crop in catalog.test_crops.values() if crop.dataset in datasets)

    @cached_property
    def predicted(self) -> tuple[Crop, ...]:
        """The test crops; and those held out, where nothing else can be scored."""
        return self.tests if self.setup.choices.truth else (*self.tests, *self.split.validate)

    @cached_property
    def volumes(self) -> tuple[tuple[Crop, str], ...]:
        """Crop and class of all that it makes in the end."""
        return tuple((c, name) for c in self.predicted for name in classes_wanted(self.experiment, c))

    @property
    def learned_place(self) -> Place:
        """Where the crops to learn from are read: below `data`, or where the table of the split says."""
        table, data = self.experiment.data.datasplit, self.setup.data
        try:
            return split_place(table, self.setup.catalog, data) if table else data
        except FileMissing:
            return data


def prepare(
    experiments: Experiment | Sequence[Experiment],
    catalog: Catalog,
    *,
    data: Place | str,
    work: Path | str,
    choices: RunChoices | None = None,
) -> Setup:
    """Check that the experiments go together.

    Raises:
        SettingsError: two of one name, two that write the same class of the same crop, or that say otherwise
            how rows are packed.
    """
    chosen = (experiments,) if isinstance(experiments, Experiment) else tuple(experiments)
    if not chosen:
        raise SettingsError("no experiment to run; name its TOML file")
    if any((e.pack, e.assemble) != (chosen[0].pack, chosen[0].assemble) for e in chosen):
        names = ", ".join(experiment.name for experiment in chosen)
        raise SettingsError(f"{names} are packed together, but differ in [pack] or [assemble]; say the same")
    setup = Setup(chosen, catalog, as_place(data), Path(work), choices or RunChoices())
    for one, other in combinations(setup.members, 2):
        _require_apart(one, other)
    return setup


def _require_apart(one: Member, other: Member) -> None:
    if one.name == other.name:
        raise SettingsError(f"two experiments are named {one.name}; give each a name of its own")
    shared = [(crop.id, name) for crop, name in one.volumes if (crop, name) in other.volumes]
    if shared:
        crops, classes = {crop for crop, _ in shared}, list(dict.fromkeys(name for _, name in shared))
        numbers = ", ".join(map(str, sorted(crops)[:5])) + (" ..." if len(crops) > 5 else "")
        raise SettingsError(
            f"{one.name} and {other.name} both write {', '.join(classes)} of crop {numbers}; let one of them "
            "learn other classes or datasets, or run each with a --work of its own and say in [assemble] "
            "which of them a class is taken from: csc pack-results CONFIG"
        )
