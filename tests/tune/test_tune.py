"""Recipes are tuned where the best one is known."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tuned_world
from tuned_world import CROPS, SHAPE, catalog, draw, write_labels, write_prediction

from organelle.catalog import load_catalog, prediction_path
from organelle.classes import Kind
from organelle.errors import ClassNotFound, FileMissing, ScoringError, SettingsError, WorkError
from organelle.evaluate import evaluate, make_truth
from organelle.pack import pack
from organelle.process import ProcessSettings, process
from organelle.settings import parse_settings
from organelle.tune import TuneChoices, Tuned, TuneReport, draw_search, tune, write_scores
from organelle.volumes import open_multiscale

FLAT = {"mito": {"min_volume_nm3": 0}}


def use(**values: object) -> ProcessSettings:
    return parse_settings(ProcessSettings, {**FLAT, **values}, "experiment.toml")


def tuned(folder: Path, *, name: str = "small", crops=CROPS, settings=None, **choices) -> TuneReport:
    classes = choices.pop("classes", None)
    return tune(
        catalog(),
        crops,
        data=folder / "data",
        work=folder / "work",
        name=name,
        settings=settings or use(),
        classes=classes,
        choices=TuneChoices(**{"trials": 40, **choices}),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks that are too timid about mito, and too bold about pm."""
    return draw(tmp_path_factory.mktemp("world"), {"mito": 0.3, "pm": 0.7})


@pytest.fixture(scope="module")
def report(world: Path) -> TuneReport:
    return tuned(world, name="found")


def test_the_best_threshold_is_found_and_nothing_else_is_changed(report: TuneReport) -> None:
    pm, mito = report.classes
    for one, border in ((pm, 0.7), (mito, 0.3)):
        assert [change.name for change in one.changes] == ["threshold"]
        assert one.recipe.threshold == pytest.approx(border, abs=0.03)
        assert one.after > one.before + 0.5
        assert one.crossed_gain == pytest.approx(one.gain, abs=0.05)
        assert len(one.trials) <= 40
    assert pm.after > 0.98
    assert mito.objects == 12
    assert report.notes == ()


def test_the_score_is_that_of_a_submission(world: Path, report: TuneReport, tmp_path: Path) -> None:
    """Process, pack and evaluate, by the labels of the same crops."""
    truth = make_truth(catalog(), CROPS, data=world / "data", out=tmp_path / "challenge")
    challenge = load_catalog(truth.path)
    settings = use(
        **{one.class_name: {**FLAT.get(one.class_name, {}), **_flat(one)} for one in report.classes}
    )
    process(challenge, CROPS, work=world / "work", settings=settings, output=tmp_path / "work")
    pack(challenge, tmp_path / "work", tmp_path / "submission.zip")
    result = evaluate(tmp_path / "submission.zip", truth.store, challenge, workers=0)
    scores = {name: score.score for name, score in result.scores.classes.items()}
    assert scores == pytest.approx({one.class_name: one.after for one in report.classes})


def _flat(one: Tuned) -> dict[str, float]:
    return {change.name: change.after for change in one.changes}


@pytest.mark.parametrize("metric", ["2026-07", "pq"])
def test_other_versions_of_the_metric_find_it_too(world: Path, metric: str) -> None:
    mito = tuned(world, name=metric, classes=["mito"], metric=metric, trials=30).classes[0]
    assert mito.recipe.threshold == pytest.approx(0.3, abs=0.05)
    assert mito.after > mito.before


def test_workers_change_nothing(world: Path, report: TuneReport) -> None:
    again = tuned(world, name="side-by-side", workers=2)
    assert again.classes == report.classes


def test_what_is_known_is_not_tried_again(world: Path, report: TuneReport) -> None:
    journal = report.folder / "mito.jsonl"
    before = journal.read_bytes()
    assert tuned(world, name="found").classes == report.classes
    assert journal.read_bytes() == before
    other = tuned(world, name="found", metric="pq", classes=["mito"], trials=5)
    assert len(other.classes[0].trials) == 5
    assert journal.read_bytes().startswith(before)


def test_a_search_that_was_killed_goes_on(world: Path, report: TuneReport) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nfrom test_tune import tuned\n"
        f"if __name__ == '__main__': tuned(Path({str(world)!r}), name='killed')\n"
    )
    journal = world / "work" / "tune" / "killed" / "pm.jsonl"
    with subprocess.Popen([sys.executable, "-c", script]) as search:
        until = time.monotonic() + 120
        while time.monotonic() < until and search.poll() is None:
            if journal.is_file() and len(journal.read_bytes().splitlines()) > 4:
                break
            time.sleep(0.01)
        os.kill(search.pid, signal.SIGKILL)
    kept = journal.read_bytes().splitlines()
    assert len(kept) > 4
    with journal.open("ab") as stream:
        stream.write(b'{"key": "half a li')
    assert tuned(world, name="killed").classes == report.classes
    lines = journal.read_bytes().splitlines()
    assert lines[: len(kept)] == kept
    known = [json.loads(line)["key"] for line in lines if line.endswith(b"}")]
    assert len(known) == len(set(known)) == len(report.classes[0].trials), "no recipe was tried twice"


def test_no_gain_no_change(tmp_path: Path) -> None:
    draw(tmp_path, {"pm": 0.5})
    pm = tuned(tmp_path, trials=20).classes[0]
    assert pm.changes == ()
    assert pm.gain == pm.crossed_gain == 0
    assert pm.recipe == pm.space.recipe


def test_one_crop_tells_nothing_of_chance(world: Path) -> None:
    found = tuned(world, name="one", crops=[2], classes=["pm"], trials=20)
    pm = found.classes[0]
    assert pm.gain > 0.3
    assert math.isnan(pm.crossed)
    assert math.isnan(pm.error)
    assert "tuned on one crop" in found.notes[0]


def test_a_gain_that_other_crops_do_not_see_is_told(tmp_path: Path) -> None:
    draw(tmp_path, {"pm": 0.7}, (1,))
    for number, border in ((2, 0.3), (3, 0.5)):
        mask = np.zeros(SHAPE, bool)
        mask[:, :, 10:13] = True
        write_labels(tmp_path / "data", number, "pm", mask.astype(np.uint8), Kind.SEMANTIC)
        write_prediction(tmp_path / "work", number, "pm", tuned_world.timid(mask, border))
    found = tuned(tmp_path, classes=["pm"], trials=25)
    pm = found.classes[0]
    assert pm.gain > 0
    assert pm.crossed_gain < pm.gain - 0.05
    assert pm.error > 0.05


def test_test_crops_are_refused(world: Path) -> None:
    with pytest.raises(SettingsError, match="9 are test crops"):
        tuned(world, name="test", crops=[1, 9])
    assert not (world / "work" / "tune" / "test").exists()


def test_bad_input_is_named(world: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no crop to tune on"):
        tuned(world, crops=[])
    with pytest.raises(ScoringError, match="2026-6"):
        tuned(world, metric="2026-6")
    with pytest.raises(ClassNotFound, match="mito"):
        tuned(world, classes=["mitto"])
    with pytest.raises(SettingsError, match="er is annotated in the validation crops"):
        tuned(world, classes=["er"])
    with pytest.raises(FileMissing, match=r"crop1 of fly has no prediction.*csc predict"):
        tuned(tmp_path)
    circle = [{"part": "threshold"}, {"part": "restrict", "finished": True}]
    rounds = {n: {"parts": [circle[0], {**circle[1], "to": o}]} for n, o in (("mito", "pm"), ("pm", "mito"))}
    with pytest.raises(SettingsError, match="wait for each other's objects"):
        tuned(world, settings=use(**rounds))


def test_classes_that_cannot_be_tuned_stay_as_they_are(tmp_path: Path) -> None:
    draw(tmp_path, {"mito": 0.3, "pm": 0.7})
    for number in CROPS:
        write_labels(tmp_path / "data", number, "mito", np.zeros(SHAPE, np.uint16), Kind.INSTANCE)
    own = {"parts": [{"part": "own_foreground:Above"}, {"part": "renumber"}]}
    found = tuned(
        tmp_path, classes=["mito", "pm", "er"], trials=10, settings=use(pm={"parts": own["parts"][:1]})
    )
    assert {left.class_name for left in found.left} == {"mito", "er"}
    assert "mito stays as it is: there is none of it in the validation crops" in "\n".join(found.notes)
    assert "er stays as it is: its recipe needs er, which is not predicted" in "\n".join(found.notes)
    assert "pm: no part of its recipe has parameters that can be tuned" in "\n".join(found.notes)
    assert len(found.classes[0].trials) == 1


def test_own_parts_with_ranges_are_tuned(world: Path) -> None:
    recipe = {"parts": [{"part": "own_foreground:Between", "low": 0.1}]}
    pm = tuned(world, name="own", classes=["pm"], settings=use(pm=recipe), trials=25).classes[0]
    assert [change.name for change in pm.changes] == ["own_foreground:Between.low"]
    assert pm.recipe.parts[0].options["low"] == pytest.approx(0.7, abs=0.03)


def test_a_worker_that_dies_is_told(world: Path) -> None:
    recipe = {"parts": [{"part": "own_foreground:Deadly"}, {"part": "threshold"}]}
    with pytest.raises(WorkError, match="try fewer with --workers"):
        tuned(world, name="deadly", crops=[2], classes=["pm"], settings=use(pm=recipe), workers=2)


def test_recipes_that_make_specks_are_the_worst(tmp_path: Path) -> None:
    draw(tmp_path, {"pm": 0.7})
    for number in CROPS:
        path = prediction_path(tmp_path / "work", tuned_world.crop(number), "pm")
        probabilities = open_multiscale(path).levels[0].read() / 255
        dots = np.random.default_rng(number).random(SHAPE) < 0.03
        write_prediction(tmp_path / "work", number, "pm", np.where(dots, 0.55, probabilities))
    recipe = {"parts": [{"part": "threshold"}, {"part": "min_volume", "volume_nm3": 1e3}]}
    found = tuned(tmp_path, settings=use(pm=recipe), trials=30, specks=50)
    pm = found.classes[0]
    assert "one per" in pm.trials[0].stopped
    assert pm.before == 0
    assert pm.after > 0.9
    assert 0 < pm.stopped < len(pm.trials)
    assert any("its recipe is stopped" in note for note in found.notes)
    assert any("made specks and count as the worst" in note for note in found.notes)


def test_flooding_a_crop_does_not_pay(tmp_path: Path) -> None:
    """The metric skips a crop with far too many objects, which must not look like a perfect one."""
    draw(tmp_path, {"mito": 0.5}, (1,))
    labels = np.zeros(SHAPE, np.uint16)
    labels[2:6, 2:6, 2:6] = 1
    write_labels(tmp_path / "data", 1, "mito", labels, Kind.INSTANCE)
    dots = np.zeros(SHAPE)
    dots[1::2, 1::2, 1::2] = 0.3
    dots[2:6, 3:6, 2:6] = 0.6
    write_prediction(tmp_path / "work", 1, "mito", dots)
    mito = tuned(tmp_path, crops=[1], trials=20).classes[0]
    assert mito.changes == ()
    flooded = [t for t in mito.trials if t.counts[1].status == "skipped_too_many_instances"]
    assert flooded
    assert {trial.score("mito") for trial in flooded} == {0.0}


def test_unknown_voxels_have_no_say(tmp_path: Path) -> None:
    draw(tmp_path, {"pm": 0.7})
    for number in CROPS:
        labels = np.zeros(SHAPE, np.uint8)
        labels[:, :, 12 + number : 15 + number] = 1
        labels[10:] = 255
        write_labels(tmp_path / "data", number, "pm", labels, Kind.SEMANTIC)
        probabilities = tuned_world.timid(labels == 1, 0.7)
        probabilities[10:] = np.random.default_rng(0).random(probabilities[10:].shape)
        write_prediction(tmp_path / "work", number, "pm", probabilities)
    assert tuned(tmp_path, classes=["pm"]).classes[0].after > 0.98


def test_a_class_is_tuned_after_those_whose_objects_it_uses(world: Path) -> None:
    within = {
        "parts": [{"part": "threshold"}, {"part": "restrict", "to": "pm", "finished": True, "outside": True}]
    }
    found = tuned(world, name="waves", settings=use(mito=within), trials=25)
    pm, mito = found.classes
    assert pm.recipe.threshold == pytest.approx(0.7, abs=0.03)
    assert mito.after > mito.before
    assert mito.before == pytest.approx(mito.trials[0].score("mito"))


def test_the_table_and_the_pictures(report: TuneReport, tmp_path: Path) -> None:
    write_scores(report.classes, tmp_path / "scores.csv")
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[0].startswith("class,crops,objects,trials,stopped,before,after,gain")
    assert lines[2].startswith("mito,3,12,")
    pm, mito = report.classes
    for name, one in (("a", pm), ("b", pm), ("c", mito)):
        draw_search(one, tmp_path / f"{name}.png")
    pictures = [(tmp_path / f"{name}.png").read_bytes() for name in "abc"]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] == pictures[1] != pictures[2]
