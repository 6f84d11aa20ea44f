"""From data to score in one call: what is lacking is done, what is there and unchanged is left alone."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from small_run import dates, done, experiment, planned, states

from organelle.catalog import em_path, load_catalog
from organelle.errors import OutputExists
from organelle.experiment import RunChoices, RunReport, Span, State
from organelle.pack import read_lineage
from organelle.volumes import open_multiscale

ALL_DONE = dict.fromkeys(("fetch", "train", "predict", "process", "pack", "validate", "evaluate"), State.DONE)


@pytest.fixture(scope="module")
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a finished run, only to be read or copied."""
    return tmp_path_factory.mktemp("made") / "work"


@pytest.fixture(scope="module")
def report(tiny_challenge: Path, made: Path, screen: io.StringIO) -> RunReport:
    return done(experiment(made.parent), tiny_challenge, made, screen=screen)


@pytest.fixture
def work(report: RunReport, made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "work"))


def test_a_plan_says_how_much_there_is_to_do_and_changes_nothing(
    tiny_challenge: Path, tmp_path: Path
) -> None:
    plan = planned(experiment(tmp_path), tiny_challenge, tmp_path / "work")
    assert [step.name for step in plan.left] == [
        "train small", "predict small", "process small", "pack", "validate", "evaluate small",
    ]  # fmt: skip
    what = {step.stage: step.what for step in plan.steps}
    assert what["fetch"].startswith("3 crops are in")
    assert what["train"] == "2 steps, 1 crops, 1 held out"
    assert what["process"] == "4 volumes after predict small"
    assert what["evaluate"] == "2 rows of crops held out after process small"
    assert not (tmp_path / "work").exists()


def test_a_run_ends_with_a_zip_and_scores(report: RunReport, made: Path, screen: io.StringIO) -> None:
    assert report.submission == made / "submission.zip"
    assert [row["row"] for row in read_lineage(made / "submission.zip")["rows"] if row["source"]] == [
        "crop21/pm", "crop21/mito",
    ]  # fmt: skip
    (score,) = report.scores
    assert score.name == "small, held out"
    assert set(score.classes) == {"mito", "pm"}
    told = json.loads((made / "held-out" / "small" / "result.json").read_text())
    assert told["overall_score"] == score.overall
    shown = screen.getvalue()
    for words in ("to do", "train small: 2 steps", "Scores", "overall"):
        assert words in shown


def test_what_is_done_and_unchanged_is_not_entered(
    report: RunReport, tiny_challenge: Path, made: Path
) -> None:
    before = dates(made)
    again = done(experiment(made.parent), tiny_challenge, made)
    assert states(again.plan) == ALL_DONE
    assert again.scores == report.scores
    assert dates(made) == before


def test_another_recipe_redoes_what_depends_on_it_and_only_when_asked(
    tiny_challenge: Path, work: Path
) -> None:
    other = experiment(work.parent, "[process.mito]\nthreshold = 0.3\n")
    before = dates(work)
    with pytest.raises(OutputExists, match="in the way") as told:
        done(other, tiny_challenge, work)
    for words in (
        "crop21/mito was made by another recipe",
        "submission.zip was packed before",
        "--overwrite",
    ):
        assert words in str(told.value)
    assert dates(work) == before
    found = done(other, tiny_challenge, work, RunChoices(overwrite=True))
    assert [name for name, state in states(found.plan).items() if state is State.DONE] == [
        "fetch", "train", "predict",
    ]  # fmt: skip
    after = dates(work)
    for path, date in before.items():
        if path.parts[-4:-1] == ("crop21", "pm", "s0") or "runs" in path.parts or "predictions" in path.parts:
            assert after[path] == date
    mito = open_multiscale(work / "processed" / "phantom-1.zarr" / "crop21" / "mito")
    assert "0.3" in json.dumps(mito.attributes["organelle"]["recipe"])
    assert states(planned(other, tiny_challenge, work)) == ALL_DONE


def test_other_training_is_another_run(tiny_challenge: Path, work: Path) -> None:
    other = experiment(work.parent).model_copy(
        update={"train": experiment(work.parent).train.model_copy(update={"steps": 3})}
    )
    found = states(planned(other, tiny_challenge, work))
    assert [found[name] for name in ("train", "predict", "process", "pack")] == [State.STALE] * 4
    kept = states(planned(other, tiny_challenge, work, RunChoices(span=Span.named("predict"))))
    assert kept["train"] is State.LEFT_OUT
    assert {kept[name] for name in ("predict", "process", "pack", "evaluate")} == {State.DONE}


def test_a_stage_whose_output_is_gone_is_done_again(tiny_challenge: Path, work: Path) -> None:
    (work / "submission.zip").unlink()
    (work / "submission.lineage.json").unlink()
    found = states(planned(experiment(work.parent), tiny_challenge, work))
    assert found == {**ALL_DONE, "pack": State.TO_DO, "validate": State.TO_DO}
    shutil.rmtree(work / "processed" / "phantom-1.zarr" / "crop14" / "pm")
    found = states(planned(experiment(work.parent), tiny_challenge, work))
    late = dict.fromkeys(("process", "pack", "validate"), State.TO_DO)
    assert found == {**ALL_DONE, **late, "evaluate": State.STALE}


def test_data_count_as_changed_by_what_they_hold_not_by_their_date(
    tiny_challenge: Path, work: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(tiny_challenge / "bucket", tmp_path / "bucket"))
    small = experiment(work.parent)
    assert states(planned(small, tiny_challenge, work, data=data)) == ALL_DONE  # other files, same voxels
    labels = data / "phantom-1" / "phantom-1.zarr" / "recon-1" / "labels" / "groundtruth" / "crop11" / "mito"
    level = open_multiscale(labels, writable=True).levels[0]
    level.write(level.grid.box, 1 - (level.read() > 0).astype(level.dtype))
    plan = planned(small, tiny_challenge, work, data=data)
    assert states(plan)["train"] is State.STALE
    assert "crop11 changed since" in plan.stale[0].what


def test_a_truth_of_the_test_crops_is_used_when_there_is_one(tiny_challenge: Path, work: Path) -> None:
    choices = RunChoices(truth=tiny_challenge / "truth.zarr")
    found = done(experiment(work.parent), tiny_challenge, work, choices)
    assert [step.name for step in found.plan.left] == ["evaluate"]
    assert [score.name for score in found.scores] == ["test crops"]
    assert states(planned(experiment(work.parent), tiny_challenge, work, choices)) == ALL_DONE
    other = RunChoices(truth=tiny_challenge / "truth.zarr", metric="2026-07")
    assert states(planned(experiment(work.parent), tiny_challenge, work, other))["evaluate"] is State.STALE


def test_another_way_of_packing_is_only_packed_again(tiny_challenge: Path, work: Path) -> None:
    finer = experiment(work.parent, "[pack]\nchunk_voxels = 64\n")
    late = {"pack": State.STALE, "validate": State.TO_DO}
    assert states(planned(finer, tiny_challenge, work)) == {**ALL_DONE, **late}
    best = experiment(work.parent, f'[assemble]\nmito = ["elsewhere", "{work}"]\n')
    (work.parent / "elsewhere" / "processed").mkdir(parents=True)
    assert states(planned(best, tiny_challenge, work))["pack"] is State.DONE
    none = experiment(work.parent, '[assemble]\nmito = "zeros"\n')
    plan = planned(none, tiny_challenge, work)
    assert [step.what.rpartition("rows ")[2] for step in plan.stale] == ["crop21/mito"]


def test_predictions_made_in_another_way_are_processed_again(tiny_challenge: Path, work: Path) -> None:
    wider = experiment(work.parent, "[predict]\nwindow = [32, 32, 32]\n")
    found = done(wider, tiny_challenge, work, RunChoices(overwrite=True))
    assert [step.name for step in found.plan.stale][:2] == ["predict small", "process small"]
    mito = open_multiscale(work / "processed" / "phantom-1.zarr" / "crop14" / "mito")
    assert mito.attributes["organelle"]["predictions"]["mito"]["window"] == [32, 32, 32]
    assert states(planned(wider, tiny_challenge, work)) == ALL_DONE


def test_em_that_was_replaced_is_predicted_again(
    tiny_challenge: Path, report: RunReport, work: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(tiny_challenge / "bucket", tmp_path / "bucket"))
    small = experiment(work.parent)
    assert states(planned(small, tiny_challenge, work, data=data)) == ALL_DONE
    em = open_multiscale(em_path(data, "phantom-1"), writable=True).levels[0]
    held_out = load_catalog(tiny_challenge).crop(14)
    box = em.grid.box_of(held_out.extent, snap="outer")
    em.write(box, 255 - em.read(box))
    plan = planned(small, tiny_challenge, work, RunChoices(span=Span.named("predict")), data)
    assert [step.name for step in plan.stale] == [
        "predict small", "process small", "pack", "evaluate small",
    ]  # fmt: skip
    assert "predicted from other EM" in plan.stale[0].what
    choices = RunChoices(span=Span.named("predict"), overwrite=True)
    done(small, tiny_challenge, work, choices, data)
    assert states(planned(small, tiny_challenge, work, choices))["predict"] is State.STALE  # EM of before
    after = planned(small, tiny_challenge, work, choices, data)
    assert {step.state for step in after.steps} == {State.DONE, State.LEFT_OUT}
