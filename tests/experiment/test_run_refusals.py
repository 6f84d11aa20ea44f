"""What a run answers to mistakes, missing data, failing stages, and to another that is at work."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import dates, done, experiment, planned, states

from organelle.catalog import load_catalog
from organelle.errors import EMMissing, OrganelleError, OutputExists, SettingsError
from organelle.experiment import RunChoices, Span, State, plan_run

HOLDING = """
import sys, time
from pathlib import Path
from organelle.experiment.sole_run import sole_run
with sole_run(Path(sys.argv[1]), ["small"]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"first": "predikt"}, r"'predikt' is no stage; nearest: predict"),
        ({"last": "score"}, r"they are: fetch, train, predict, process, pack, validate, evaluate"),
        ({"first": "pack", "last": "train"}, r"nothing is left"),
        ({"only": "pack", "first": "train"}, r"leave out --from and --until"),
    ],
)
def test_stages_that_cannot_be_meant(choice: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Span.named(**choice)


def test_a_span_holds_its_ends_and_what_lies_between() -> None:
    assert [s.value for s in Span.named("train", "process").stages] == ["train", "predict", "process"]
    assert [s.value for s in Span.named(only="pack").stages] == ["pack"]


def test_experiments_that_do_not_go_together(tiny_challenge: Path, tmp_path: Path) -> None:
    one, same = experiment(tmp_path), experiment(tmp_path, classes='["er"]')
    other = experiment(tmp_path, name="other", classes='["pm", "er"]')
    catalog, places = (
        load_catalog(tiny_challenge),
        {"data": tiny_challenge / "bucket", "work": tmp_path / "w"},
    )
    with pytest.raises(SettingsError, match="two experiments are named small"):
        plan_run([one, same], catalog, **places)
    with pytest.raises(SettingsError, match=r"both write pm of crop 14, 21; .*\[assemble\]"):
        plan_run([one, other], catalog, **places)
    apart = experiment(tmp_path, "[pack]\nchunk_voxels = 64\n", name="apart", classes='["er"]')
    with pytest.raises(SettingsError, match=r"small, apart are packed together, but differ in \[pack\]"):
        plan_run([one, apart], catalog, **places)
    with pytest.raises(SettingsError, match="no experiment to run"):
        plan_run([], catalog, **places)


def test_several_experiments_are_packed_once(tiny_challenge: Path, tmp_path: Path) -> None:
    both = [experiment(tmp_path), experiment(tmp_path, name="other", classes='["er"]')]
    plan = plan_run(both, load_catalog(tiny_challenge), data=tiny_challenge / "bucket", work=tmp_path / "w")
    assert [step.name for step in plan.steps] == [
        "fetch", "train small", "predict small", "process small", "train other", "predict other",
        "process other", "pack", "validate", "evaluate small", "evaluate other",
    ]  # fmt: skip


def test_missing_data_stop_a_run_unless_there_is_a_source(tiny_challenge: Path, tmp_path: Path) -> None:
    small, data, work = experiment(tmp_path), tmp_path / "data", tmp_path / "work"
    data.mkdir()
    with pytest.raises(OrganelleError, match=r"fetch is not possible: crops 11,14,21 are not, .*--source"):
        done(small, tiny_challenge, work, data=data)
    assert not (work / "runs").exists()
    bucket = RunChoices(source=tiny_challenge / "bucket", span=Span.named(last="fetch"))
    found = done(small, tiny_challenge, work, bucket, data=data)
    assert "of 3 crops, from" in found.plan.steps[0].what
    assert states(planned(small, tiny_challenge, work, data=data))["fetch"] is State.DONE
    assert states(planned(small, tiny_challenge, work, bucket, data=data))["fetch"] is State.DONE
    shutil.rmtree(data / "phantom-1" / "phantom-1.zarr" / "recon-1" / "labels" / "groundtruth" / "crop14")
    missing = planned(small, tiny_challenge, work, RunChoices(fallback=tiny_challenge / "bucket"), data=data)
    assert missing.steps[0].state is State.TO_DO
    assert missing.steps[0].crops == {14}


def test_a_source_that_is_not_there_is_told_before_any_work(tiny_challenge: Path, tmp_path: Path) -> None:
    choices = RunChoices(source=tmp_path / "nowhere")
    with pytest.raises(OrganelleError, match=r"fetch is not possible: .*nowhere"):
        done(experiment(tmp_path), tiny_challenge, tmp_path / "work", choices)


def test_without_anything_to_score_the_rest_is_done(tiny_challenge: Path, tmp_path: Path) -> None:
    chosen = experiment(tmp_path)
    alone = chosen.model_copy(update={"data": chosen.data.model_copy(update={"validate_on": ()})})
    plan = planned(alone, tiny_challenge, tmp_path / "work")
    assert states(plan)["evaluate"] is State.NOT_POSSIBLE
    assert "--truth-path" in plan.steps[-1].what
    assert plan.impossible == ()


def test_a_folder_of_something_else_is_left_alone(tiny_challenge: Path, tmp_path: Path) -> None:
    mine = tmp_path / "work" / "runs" / "small" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(OrganelleError, match=r"train small is not possible: .*holds no training run"):
        done(experiment(tmp_path), tiny_challenge, tmp_path / "work", RunChoices(overwrite=True))
    assert mine.read_text() == "mine"


def test_predicting_without_a_network_says_who_makes_one(tiny_challenge: Path, tmp_path: Path) -> None:
    choices = RunChoices(span=Span.named("predict"))
    with pytest.raises(OrganelleError, match="predict small is not possible: no trained network"):
        done(experiment(tmp_path), tiny_challenge, tmp_path / "work", choices)


def test_a_stage_that_fails_is_named_with_what_stays(tiny_challenge: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(tiny_challenge / "bucket", tmp_path / "bucket"))
    em = data / "phantom-1" / "phantom-1.zarr" / "recon-1" / "em" / "fibsem-uint8" / "s0"
    for chunk in (path for path in em.rglob("*") if path.is_file() and not path.name.startswith(".z")):
        chunk.write_bytes(b"no chunk")
    with pytest.raises(OrganelleError) as told:
        done(experiment(tmp_path), tiny_challenge, tmp_path / "work", data=data)
    assert not isinstance(told.value, EMMissing)
    assert "train small failed; done and kept: fetch. The same command goes on there" in str(told.value)


def test_two_processes_do_not_run_the_same_experiment(tiny_challenge: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    command = [sys.executable, "-c", HOLDING, str(work / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = dates(work)
        with pytest.raises(OutputExists, match="runs small in the same work folder") as told:
            done(experiment(tmp_path), tiny_challenge, work)
        assert f"process {holder.pid} on {socket.gethostname()}" in str(told.value)
        assert dates(work) == before
        holder.kill()
    with pytest.raises(OrganelleError, match="no trained network"):  # the lock went with its process
        done(experiment(tmp_path), tiny_challenge, work, RunChoices(span=Span.named("predict")))
