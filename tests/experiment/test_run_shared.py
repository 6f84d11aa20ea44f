"""A run whose stages are shared by several processes, here or of a cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_run import done, experiment, states

from organelle.errors import SettingsError
from organelle.experiment import Experiment, RunChoices, Span, State

UNTIL_PACK = Span.named("train", "pack")
SHARED = Span.named("predict", "pack")


def unscored(folder: Path) -> Experiment:
    """Without crops held out: one crop is left to predict, and two classes of it to process and pack."""
    chosen = experiment(folder)
    return chosen.model_copy(update={"data": chosen.data.model_copy(update={"validate_on": ()})})


@pytest.fixture(scope="module")
def alone(tiny_challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a run in one process, up to the zip."""
    folder = tmp_path_factory.mktemp("alone")
    done(unscored(folder), tiny_challenge, folder / "work", RunChoices(span=UNTIL_PACK))
    return folder / "work"


@pytest.fixture
def trained(alone: Path, tmp_path: Path) -> Path:
    """Another work folder with the same network."""
    shutil.copytree(alone / "runs", tmp_path / "work" / "runs")
    return tmp_path / "work"


def results(work: Path) -> dict[str, bytes]:
    """Predictions, objects and zip, to the byte."""
    below = [*(work / "predictions").rglob("*"), *(work / "processed").rglob("*"), work / "submission.zip"]
    return {str(path.relative_to(work)): path.read_bytes() for path in below if path.is_file()}


@pytest.mark.parametrize(
    ("first", "stages"), [("process", 2), pytest.param("predict", 3, marks=pytest.mark.soak)]
)
def test_local_workers_make_the_same(
    alone: Path,
    tiny_challenge: Path,
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    stages: int,
) -> None:
    import organelle.blocks.workers_local as local
    import organelle.pack.run as packing

    asked: list[int] = []
    start, in_children = local.work_in_processes, packing._in_children
    monkeypatch.setattr(
        local,
        "work_in_processes",
        lambda w, ledger, n, *more: (asked.append(n), start(w, ledger, n, *more))[1],
    )
    monkeypatch.setattr(
        packing, "_in_children", lambda t, folder, n: (asked.append(n), in_children(t, folder, n))[1]
    )
    if first == "process":
        shutil.copytree(alone / "predictions", trained / "predictions")
    choices = RunChoices(span=Span.named(first, "pack"), workers=2)
    done(unscored(trained.parent), tiny_challenge, trained, choices)
    assert asked == [2] * stages
    assert results(trained) == results(alone)


def test_workers_of_a_cluster_make_the_same(alone: Path, tiny_challenge: Path, trained: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as cluster:
        choices = RunChoices(span=SHARED, scheduler=cluster.scheduler_address)
        done(unscored(trained.parent), tiny_challenge, trained, choices)
    assert results(trained) == results(alone)


def test_a_scheduler_that_does_not_answer_is_told_before_anything_is_trained(
    alone: Path, tiny_challenge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("organelle.blocks.workers_dask.CONNECT_SECONDS", 0.5)
    absent = RunChoices(span=UNTIL_PACK, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(SettingsError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        done(unscored(tmp_path), tiny_challenge, tmp_path / "work", absent)
    assert not (tmp_path / "work" / "runs").exists()
    found = done(unscored(tmp_path), tiny_challenge, alone, absent)  # nothing is left for it to do
    assert states(found.plan)["pack"] is State.DONE
