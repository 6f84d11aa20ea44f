"""An experiment's recipes are tuned on the crops that it holds out, and its file is written anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_run import experiment

from organelle.catalog import load_catalog
from organelle.cli import main
from organelle.errors import FileMissing, OutputExists, SettingsError
from organelle.experiment import (
    TunedExperiment,
    load_experiment,
    process_experiment,
    train_experiment,
    tune_experiment,
)
from organelle.tune import TuneChoices

RECIPES = """
[process.mito]  # many are small
min_volume_nm3 = 1e4  # a guess
"""


def tuned(config: Path, challenge: Path, *, work: Path | None = None, **choices) -> TunedExperiment:
    how = {key: choices.pop(key) for key in ("crops", "classes", "output", "overwrite") if key in choices}
    return tune_experiment(
        config,
        load_catalog(challenge),
        data=challenge / "bucket",
        work=work or config.parent / "work",
        choices=TuneChoices(**{"trials": 8, **choices}),
        **how,
    )


@pytest.fixture(scope="module")
def config(tiny_challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment whose network was trained, two steps."""
    folder = tmp_path_factory.mktemp("tuned")
    chosen = experiment(folder, RECIPES)
    train_experiment(
        chosen,
        load_catalog(tiny_challenge),
        data=tiny_challenge / "bucket",
        work=folder / "work",
        cache_bytes=0,
    )
    return folder / "small.toml"


@pytest.fixture(scope="module")
def made(config: Path, tiny_challenge: Path) -> TunedExperiment:
    return tuned(config, tiny_challenge)


def test_the_tuned_file_says_what_was_found(made: TunedExperiment, config: Path) -> None:
    assert made.path == config.with_name("small-tuned.toml")
    before, after = load_experiment(config), load_experiment(made.path)
    assert after.model_copy(update={"process": before.process}) == before
    changed = {one.class_name for one in made.report.changed}
    assert changed, "a network of two steps leaves much to gain"
    for one in made.report.classes:
        predicted = before.model.classes
        recipe = after.process.recipe(one.class_name, predicted)
        assert recipe.steps(one.class_name) == one.recipe.steps(one.class_name)
        assert (one.class_name in changed) is (recipe != before.process.recipe(one.class_name, predicted))
    kept = [line for line in config.read_text().splitlines() if "min_volume_nm3" not in line]
    assert set(kept) <= set(made.path.read_text().splitlines())


def test_table_and_pictures_lie_in_the_work_folder(made: TunedExperiment, config: Path) -> None:
    folder = config.parent / "work" / "tune" / "small"
    assert made.scores == folder / "scores-2026-06.csv"
    assert {line.split(",")[0] for line in made.scores.read_text().splitlines()} == {"class", "mito", "pm"}
    assert made.pictures == tuple(folder / f"{one.class_name}-2026-06.png" for one in made.report.classes)
    assert all(picture.stat().st_size > 10_000 for picture in made.pictures)


def test_the_next_stage_takes_the_tuned_file(
    made: TunedExperiment, tiny_challenge: Path, tmp_path: Path
) -> None:
    work = made.path.parent / "work"
    report = process_experiment(
        load_experiment(made.path), load_catalog(tiny_challenge), 14, work=work, output=tmp_path
    )
    assert len(report.written) == 2


def test_nothing_is_predicted_or_tried_twice(
    made: TunedExperiment, config: Path, tiny_challenge: Path, tmp_path: Path
) -> None:
    work = config.parent / "work"
    stamps = {p: p.stat().st_mtime_ns for p in (work / "predictions").rglob("*") if p.is_file()}
    trials = {p: p.read_bytes() for p in (work / "tune").rglob("*.jsonl")}
    again = tuned(config, tiny_challenge, output=tmp_path / "again.toml")
    assert again.path.read_bytes() == made.path.read_bytes()
    assert again.report.classes == made.report.classes
    assert {p: p.stat().st_mtime_ns for p in (work / "predictions").rglob("*") if p.is_file()} == stamps
    assert {p: p.read_bytes() for p in (work / "tune").rglob("*.jsonl")} == trials


def test_what_stands_there_is_not_replaced_unasked(
    made: TunedExperiment, config: Path, tiny_challenge: Path
) -> None:
    with pytest.raises(OutputExists, match="small-tuned"):
        tuned(config, tiny_challenge)
    with pytest.raises(SettingsError, match="is the experiment itself"):
        tuned(config, tiny_challenge, output=config, overwrite=True)
    assert tuned(config, tiny_challenge, overwrite=True).report.classes == made.report.classes


def test_only_crops_that_were_held_out_are_looked_at(
    config: Path, tiny_challenge: Path, tmp_path: Path
) -> None:
    hidden = load_catalog(tiny_challenge).select("test")[0].id
    out = tmp_path / "out.toml"
    for crops in ("test", str(hidden), f"14,{hidden}"):
        with pytest.raises(
            SettingsError, match=rf"{hidden}.*test crops: recipes are never tuned.*held out: 14"
        ):
            tuned(config, tiny_challenge, crops=crops, output=out)
    with pytest.raises(SettingsError, match=r"learned from crops 11.*held out: 14"):
        tuned(config, tiny_challenge, crops="11,14", output=out)
    assert not out.exists()


def test_bad_input_is_named(config: Path, tiny_challenge: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not predict er; it predicts mito, pm"):
        tuned(config, tiny_challenge, classes=["er"], output=tmp_path / "out.toml")
    with pytest.raises(FileMissing, match="csc train CONFIG"):
        tuned(config, tiny_challenge, work=tmp_path, output=tmp_path / "out.toml")
    alone = tmp_path / "alone.toml"
    alone.write_text(config.read_text().replace("validate = [14]\n", ""))
    with pytest.raises(SettingsError, match="holds out no crop"):
        tuned(alone, tiny_challenge)
    assert not (tmp_path / "out.toml").exists()


def test_the_command(
    made: TunedExperiment,
    config: Path,
    tiny_challenge: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = Path(shutil.copy(config, tmp_path / "mine.toml"))
    arguments = [str(mine), "--trials", "4", "--classes", "mito", "--metric", "pq"]
    places = [
        "--catalog",
        tiny_challenge,
        "--data",
        tiny_challenge / "bucket",
        "--work",
        config.parent / "work",
    ]
    monkeypatch.setattr("sys.argv", ["csc", "tune", *arguments, *map(str, places)])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert not ended.value.code
    for words in ("metric pq", "mito", "on other crops", "mine-tuned.toml", "of 1 recipes changed"):
        assert words in told.out
    assert "pm" not in told.out
    assert load_experiment(tmp_path / "mine-tuned.toml").name == "small"
