"""From classes to experiment files that load, with figures of real steps."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from drawn_dataset import Drawn, draw_dataset
from typer.testing import CliRunner

from organelle.catalog import load_catalog, write_tables
from organelle.cli.everything import app
from organelle.errors import OutputExists, SettingsError
from organelle.experiment import datasplit, load_experiment, train_experiment
from organelle.geometry import Nm
from organelle.models import ModelSettings
from organelle.plan import Choice, PlanReport, Proposal, form_groups, measure, plan, survey
from organelle.plan.measure import TooMuch
from organelle.sampling import SamplingSettings
from organelle.stores import as_place
from organelle.train import TrainSettings


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw_dataset(tmp_path_factory.mktemp("drawn"), classes=("pm", "mito", "cell"))


def quick(drawn: Drawn, folder: Path, *classes: str, **more: float) -> PlanReport:
    return plan(drawn.catalog, classes, data=drawn.data, output=folder, measured=False, **more)


def test_each_group_gets_a_file_that_loads(drawn: Drawn, tmp_path: Path) -> None:
    report = quick(drawn, tmp_path / "plan", "mito", "pm", minutes=20)
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == [
        "cubes-4nm.toml",
        "cubes-8nm.toml",
        "plan.json",
    ]
    for proposal in report.proposals:
        experiment = load_experiment(report.file(proposal))
        assert experiment.name == proposal.name
        assert experiment.model.classes == proposal.classes
        assert experiment.train.steps == proposal.steps
        assert experiment.sampling.batch_size == proposal.choice.batch
        split = datasplit(experiment, drawn.catalog)
        assert (len(split.train), len(split.validate)) == (1, 1)
    assert [p.classes for p in report.proposals] == [("pm",), ("mito",)]
    kept = json.loads((tmp_path / "plan" / "plan.json").read_text())
    assert [one["measured"] for one in kept["experiments"]] == [False, False]


def test_the_reasons_stand_beside_the_keys(drawn: Drawn, tmp_path: Path) -> None:
    report = quick(drawn, tmp_path / "plan", "pm", "cell", minutes=20)
    (proposal,) = report.proposals
    text = report.file(proposal).read_text()
    assert "Estimated, not measured" in text
    assert "pm is " in text
    assert "finer is not stored" in text
    recipe = load_experiment(report.file(proposal)).process.recipe("cell")
    assert recipe.minus == ("pm",)


def test_rare_classes_get_places_and_weights_of_their_own(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, (1.0, 1.0, 8.0), ("pm",))  # 1 of 64
    report = quick(drawn, tmp_path / "plan", "pm")
    experiment = load_experiment(report.file(report.proposals[0]))
    assert experiment.sampling.balanced == 0.8
    assert experiment.train.rare_weight == TrainSettings().rare_weight


@pytest.mark.parametrize(("size", "flat"), [((40.0, 4.0, 4.0), 0), ((4.0, 40.0, 4.0), 1)])
def test_sections_are_learned_in_the_sharp_plane(tmp_path: Path, size: Nm, flat: int) -> None:
    drawn = draw_dataset(tmp_path, size, ("mito",))
    report = quick(drawn, tmp_path / "plan", "mito")
    experiment = load_experiment(report.file(report.proposals[0]))
    assert experiment.model.flat_axis == flat
    assert experiment.model.voxel_size_nm[flat] == 40
    assert experiment.predict.window is not None


def test_time_asked_for_is_time_planned(drawn: Drawn, tmp_path: Path) -> None:
    hour, day = (quick(drawn, tmp_path / f"{m}", "mito", minutes=m).proposals[0] for m in (60, 1440))
    for proposal in (hour, day):
        seconds = 60 * proposal.minutes
        assert 0.8 * seconds < proposal.steps * proposal.step_seconds <= 0.9 * seconds
        validations = proposal.steps // proposal.validate_every
        assert validations >= 4
        assert validations * proposal.patch_seconds < 0.1 * seconds
    assert day.choice.batch > hour.choice.batch or day.choice.width > hour.choice.width


def test_validation_takes_a_tenth_of_the_time_however_small_the_crops_are(drawn: Drawn) -> None:
    (found,) = survey(drawn.catalog, ["pm"], data=drawn.data)
    (group,) = form_groups(found)
    first, second = found.crops  # 64 voxels each way: with steps of 48 three patches, as the grid lies
    choice = Choice("unet_2d", 16, group.voxel_size_nm, (1, 64, 64), 4)
    plan = Proposal(group, choice, (first,), (second,), 60, 0.1, 1e9, 0.01, measured=True)
    one_validation = 64 * 3 * 3 * 0.01
    assert one_validation <= 0.1 * plan.validate_every * 0.1
    assert plan.steps == 32_000
    hurried = replace(plan, minutes=2, patch_seconds=0.1)
    assert hurried.megavoxels == 0.25
    assert hurried.validate_every == hurried.steps


@pytest.mark.soak
def test_steps_and_memory_are_measured_in_a_process_of_their_own(drawn: Drawn, tmp_path: Path) -> None:
    report = plan(drawn.catalog, ["mito"], data=drawn.data, output=tmp_path / "plan", minutes=1)
    (proposal,) = report.proposals
    assert proposal.measured
    assert 1e-4 < proposal.step_seconds < 60
    assert 1e8 < proposal.memory_bytes <= report.machine.memory_bytes
    assert 0 < proposal.patch_seconds < proposal.step_seconds
    assert "Measured" in report.file(proposal).read_text()


def test_what_was_planned_trains(drawn: Drawn, tmp_path: Path) -> None:
    report = quick(drawn, tmp_path / "plan", "mito", minutes=1)
    experiment = load_experiment(report.file(report.proposals[0]))
    short = experiment.model_copy(update={"train": experiment.train.model_copy(update={"steps": 2})})
    done = train_experiment(short, drawn.catalog, data=drawn.data, work=tmp_path, cache_bytes=0)
    assert done.steps == 2
    assert done.best is not None


def test_data_may_lie_on_a_server(drawn: Drawn, tmp_path: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(drawn.data)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        data = as_place(f"http://127.0.0.1:{server.server_port}")
        there = plan(drawn.catalog, ["pm"], data=data, output=tmp_path / "there", measured=False)
    finally:
        server.shutdown()
        server.server_close()
    here = quick(drawn, tmp_path / "here", "pm")
    assert there.proposals[0].group == here.proposals[0].group
    assert as_place(str(data)) == data  # as the process that takes the steps is told


@pytest.mark.soak
def test_a_trial_beyond_its_memory_is_stopped(drawn: Drawn) -> None:
    crops = [drawn.catalog.crop(1)]
    size = (4.0, 4.0, 4.0)
    model = ModelSettings(network="unet_3d", classes=("mito",), voxel_size_nm=size, patch_shape=(64, 64, 64))
    how = SamplingSettings(batch_size=4)
    found = measure(
        model, how, TrainSettings(), crops, data=drawn.data, threads=1, memory_bytes=3e8, gpu=False
    )
    assert isinstance(found, TooMuch)
    assert "0.3 GiB" in found.why


def test_what_stands_in_the_way_is_told(drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputExists, match="--overwrite"):
        quick(drawn, tmp_path / "taken", "mito")
    with pytest.raises(SettingsError, match=r"no network for mito fits into 0\.1 GiB"):
        quick(drawn, tmp_path / "plan", "mito", memory_bytes=2.0**30 / 10)
    with pytest.raises(SettingsError, match="0 minutes"):
        quick(drawn, tmp_path / "plan", "mito", minutes=0)
    assert not (tmp_path / "plan").exists()
    assert quick(drawn, tmp_path / "taken", "mito", overwrite=True).proposals


def test_the_command_prints_what_it_wrote(drawn: Drawn, tmp_path: Path) -> None:
    write_tables(drawn.catalog, tmp_path / "tables")
    places = [
        "--catalog",
        str(tmp_path / "tables"),
        "--data",
        str(drawn.data),
        "--out",
        str(tmp_path / "plan"),
    ]
    done = CliRunner().invoke(app, ["plan", "--classes", "pm,mito", "--quick", *places])
    assert done.exit_code == 0, done.output
    assert "estimated" in done.output
    for name in ("cubes-4nm", "cubes-8nm"):
        assert f"csc train {tmp_path / 'plan' / name}.toml" in done.output
    assert load_catalog(tmp_path / "tables").train_crops
