"""The tour in small: every stage, once, and again."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from organelle.catalog import load_catalog
from organelle.demo import demo
from organelle.demo.plan import FULL, REAL, plan_experiments
from organelle.demo.tour import DemoReport
from organelle.errors import FileMissing, OutputExists
from organelle.experiment import load_experiment
from organelle.files import sha256
from organelle.process import ProcessSettings


@pytest.fixture(scope="module")
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def toured(tiny_challenge: Path, work: Path, screen: io.StringIO) -> DemoReport:
    return demo(work, challenge=tiny_challenge, quick=True, console=Console(file=screen, width=80))


@pytest.mark.soak
def test_it_ends_with_a_table_of_times_and_scores_and_the_place_of_the_report(
    toured: DemoReport, screen: io.StringIO, work: Path
) -> None:
    told = screen.getvalue()
    for word in (
        "Where the time went",
        "train phantom-1",
        "Scores on the test crops",
        "grey value",
        "overall",
    ):
        assert word in told
    assert "…" not in told, "a name was cut in a terminal of 80 columns"
    assert str(work / "report.html") in told
    assert "data:image/png" in (work / "report.html").read_text()


@pytest.mark.soak
def test_every_class_stands_beside_both_baselines(
    toured: DemoReport, work: Path, tiny_challenge: Path
) -> None:
    rows = json.loads((work / "summary.json").read_text())["rows"]
    assert [row["class"] for row in rows] == [name for _, name in load_catalog(tiny_challenge).rows()]
    present = [row for row in rows if row["present"]]
    assert len(present) > 5
    assert all(row["nothing"] == 0 for row in present)
    assert all(0 <= row["threshold"] <= 1 for row in present)
    assert {row.class_name: row.score for row in toured.rows} == {row["class"]: row["score"] for row in rows}


@pytest.mark.soak
def test_a_second_tour_leaves_what_is_done(toured: DemoReport, work: Path, tiny_challenge: Path) -> None:
    before = {
        p: p.stat().st_mtime_ns for p in work.rglob("s0/*") if p.is_file() and "baselines" not in p.parts
    }
    checkpoint = sha256(next(work.rglob("best.ckpt")))
    packed = sha256(work / "submission.zip")
    again = demo(work, challenge=tiny_challenge, quick=True, console=Console(file=io.StringIO()))
    assert again.rows == toured.rows
    assert sha256(next(work.rglob("best.ckpt"))) == checkpoint
    assert sha256(work / "submission.zip") == packed
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.soak
def test_the_challenge_is_only_read(toured: DemoReport, tiny_challenge: Path) -> None:
    assert sorted(p.name for p in tiny_challenge.iterdir()) == [
        "bucket",
        "datasets.csv",
        "test_crops.csv",
        "train_crops.csv",
        "truth.zarr",
    ]


@pytest.mark.soak
def test_another_tour_does_not_mix_with_it(toured: DemoReport, work: Path, tiny_challenge: Path) -> None:
    with pytest.raises(OutputExists, match="another tour"):
        demo(work, challenge=tiny_challenge, quick=True, seed=5)
    with pytest.raises(OutputExists, match="--steps"):
        demo(work, challenge=tiny_challenge, quick=True, steps=3)


def test_fewer_steps_are_judged_at_the_latest_at_their_end() -> None:
    assert FULL.of(None) is FULL
    few = FULL.of(40)
    assert (few.steps_3d, few.steps_2d, few.validate_every) == (40, 40, 40)
    assert FULL.of(2000).validate_every == FULL.validate_every


def test_a_challenge_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="mini challenge"):
        demo(tmp_path / "work", challenge=tmp_path / "nowhere")


def test_plans_hold_out_the_smallest_crop_and_fit_the_data(tiny_challenge: Path, tmp_path: Path) -> None:
    catalog = load_catalog(tiny_challenge)
    (plan,) = plan_experiments(catalog, tiny_challenge / "bucket", FULL, seed=3)
    sizes = {crop.id: crop.grid.box.size for crop in catalog.train_crops.values()}
    assert sizes[plan.validate[0]] == min(sizes.values())
    assert set(plan.train) | set(plan.validate) == set(sizes)
    (tmp_path / "plan.toml").write_text(plan.toml())
    experiment = load_experiment(tmp_path / "plan.toml")
    assert experiment.model.network == "unet_2d"
    assert experiment.train.seed == 3
    assert experiment.process == ProcessSettings()


def test_real_cells_are_cut_apart_by_their_membranes(tiny_challenge: Path, tmp_path: Path) -> None:
    catalog = load_catalog(tiny_challenge)
    (plan,) = plan_experiments(catalog, tiny_challenge / "bucket", REAL, seed=3)
    (tmp_path / "plan.toml").write_text(plan.toml())
    experiment = load_experiment(tmp_path / "plan.toml")
    assert experiment.process.recipe("cell").minus == ("pm",)
    assert experiment.process.recipe("mito").min_volume_nm3 > 0


def test_thick_sections_get_a_2d_network_in_the_sharp_plane(shared: Path) -> None:
    catalog = load_catalog(shared / "sample")
    plans = plan_experiments(catalog, shared / "sample" / "bucket", replace(FULL, planar=False), seed=0)
    shapes = {plan.dataset: plan.patch_shape for plan in plans}
    assert shapes == {"fib25-medulla": (64, 64, 64), "vnc-larva": (1, 128, 128)}


def test_few_common_classes_of_real_cubes_are_learned_plane_by_plane(shared: Path, tmp_path: Path) -> None:
    catalog = load_catalog(shared / "sample")
    for plan in plan_experiments(catalog, shared / "sample" / "bucket", REAL, seed=0):
        (tmp_path / "plan.toml").write_text(plan.toml())
        experiment = load_experiment(tmp_path / "plan.toml")
        assert experiment.model.network == "unet_2d"
        assert experiment.model.patch_shape == (1, 128, 128)
        sections = plan.dataset == "vnc-larva"
        assert experiment.predict.window == ((1, 256, 256) if sections else None)
        assert experiment.predict.planes == ("patch" if sections else "any")
        assert experiment.train.rare_weight == (1 if sections else 4)


def test_rare_classes_are_looked_for(tiny_challenge: Path, tmp_path: Path) -> None:
    (plan,) = plan_experiments(load_catalog(tiny_challenge), tiny_challenge / "bucket", FULL, seed=0)
    for share, balanced in ((0.03, 0.5), (0.01, 0.8)):
        (tmp_path / "plan.toml").write_text(replace(plan, least_share=share).toml())
        assert load_experiment(tmp_path / "plan.toml").sampling.balanced == balanced
    assert 0.001 < plan.least_share < 0.1
