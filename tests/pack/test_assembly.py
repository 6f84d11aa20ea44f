"""Each row is taken from exactly one run: the one that the experiment's file names for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from packed_challenge import CHALLENGE, FINE, FLAT, drawn_ids, write_most, write_processed

from organelle.errors import FileMissing, GridMismatch, NotFound, SettingsError, SubmissionError
from organelle.geometry import Grid
from organelle.pack import AssembleSettings, load_submission_settings, pack, plan_pack
from organelle.submission import open_submission


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `base` holds mito, er and pm; `best` mito and ves; `other` mito, pm and cell."""
    folder = tmp_path_factory.mktemp("runs")
    write_most(folder / "base")
    for name, crop, class_name, ids in (
        ("best", 7, "mito", 20),
        ("best", 7, "ves", 30),
        ("other", 7, "mito", 40),
        ("other", 9, "pm", 1),
        ("other", 9, "cell", 50),
    ):
        grid = CHALLENGE.crop(crop).grid
        write_processed(folder / name, crop, class_name, drawn_ids(grid, ids, "uint8"), grid)
    return folder


def assembled(folder: Path, text: str) -> dict[str, str]:
    """For each row the run that the section `[assemble]` takes it from."""
    (folder / "experiment.toml").write_text(f"[assemble]\n{text}")
    settings = load_submission_settings(folder / "experiment.toml").assemble
    plan = plan_pack(CHALLENGE, folder / "base", assemble=settings)
    return {row.name: row.work.name if row.work else "zeros" for row in plan.rows}


ROWS = ("crop7/mito", "crop7/er", "crop7/ves", "crop9/pm", "crop9/cell")


@pytest.mark.parametrize(
    ("text", "works"),
    [
        ("", "base base zeros base zeros"),
        ('default = "other"', "other zeros zeros other other"),
        ('mito = "best"', "best base zeros base zeros"),
        ('[assemble.classes]\nmito = ["best"]', "best base zeros base zeros"),
        ('mito = ["best", "other"]\ncell = ["best", "other"]', "best base zeros base other"),
        ('ves = "best"\nmito = "zeros"', "zeros base best base zeros"),
        ('cell = ["best", "zeros", "other"]', "base base zeros base zeros"),
        ('[[assemble.sources]]\nwork = "best"', "best base best base zeros"),
        (
            '[[assemble.sources]]\nwork = "other"\nclasses = ["pm", "cell"]\n'
            '[[assemble.sources]]\nwork = "best"\ncrops = [7]',
            "best base best other other",
        ),
        ('pm = "base"\n[[assemble.sources]]\nwork = "other"\ncrops = ["9"]', "base base zeros base other"),
    ],
)
def test_every_row_takes_one_run(runs: Path, text: str, works: str) -> None:
    assert assembled(runs, text) == dict(zip(ROWS, works.split(), strict=True))


def test_the_voxels_are_those_of_the_run(runs: Path) -> None:
    (runs / "experiment.toml").write_text('[pack]\nchunk_voxels = 32\n[assemble]\nmito = ["best", "other"]')
    settings = load_submission_settings(runs / "experiment.toml")
    report = pack(
        CHALLENGE, runs / "base", runs / "o.zip", settings=settings.pack, assemble=settings.assemble
    )
    with open_submission(runs / "o.zip") as submission:
        mito = submission.array(7, "mito")
        assert mito is not None
        np.testing.assert_array_equal(mito.read(), drawn_ids(FINE, 20))
    assert {work.name: names for work, names in report.runs.items()} == {
        "best": ("crop7/mito",),
        "base": ("crop7/er", "crop9/pm"),
    }
    assert [
        work.name for work in plan_pack(CHALLENGE, runs, assemble=settings.assemble).rows[0].passed_over
    ] == ["other"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ('mitoo = "best"', SettingsError, r"'mitoo' is neither a class nor a key.*nearest: mito"),
        ('defualt = "best"', SettingsError, r"'defualt' is neither.*nearest: default"),
        ('[[assemble.sources]]\nwork = "best"\nclasses = ["vs"]', SettingsError, r"'vs' is no class.*ves"),
        (
            '[[assemble.sources]]\nwrok = "best"',
            SettingsError,
            r"unknown key 'sources.0.wrok'; nearest: work",
        ),
        ("mito = []", SettingsError, "mito names no work folder"),
        ("mito = 7", SettingsError, r"mito"),
        ('mito = "best"\n[assemble.classes]\nmito = "other"', SettingsError, "mito is given twice"),
        ('mito = "bset"', FileMissing, r"work folder: expected a folder at .*bset.*nearest: best"),
        ('mito = "."', FileMissing, r"processed volumes .*expected a folder at .*processed"),
        ('default = "nowhere"', FileMissing, "nowhere"),
        (
            'cell = "best"\nves = "other"',
            FileMissing,
            r"crop7/ves: not in \S+other\ncrop9/cell: not in \S+best",
        ),
        ('[[assemble.sources]]\nwork = "best"\ncrops = [8]', NotFound, "8"),
    ],
)
def test_what_cannot_be_meant_is_told(runs: Path, text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        assembled(runs, text)


def test_the_tables_of_other_rooms_are_left_to_them(runs: Path) -> None:
    (runs / "experiment.toml").write_text('name = "all of it"\n[model]\nnetwork = "unet_3d"\n')
    settings = load_submission_settings(runs / "experiment.toml")
    assert settings.assemble == AssembleSettings()


def test_without_a_default_the_runs_that_are_named_are_enough(runs: Path) -> None:
    settings = AssembleSettings(classes={"mito": (str(runs / "best"),)})
    assert [row.name for row in plan_pack(CHALLENGE, runs / "nowhere", assemble=settings).filled] == [
        "crop7/mito"
    ]


def test_all_sources_that_are_no_labels_are_named_at_once(runs: Path) -> None:
    write_processed(runs / "bad", 9, "pm", np.zeros(FLAT.shape, "float32"), FLAT)
    empty = runs / "bad" / "processed" / "jrc_a.zarr" / "crop7" / "er"
    empty.mkdir(parents=True)
    with pytest.raises(SubmissionError, match=r"crop7/er: .*\n.*crop9/pm: .*float32") as caught:
        assembled(runs, 'pm = "bad"\ner = "bad"')
    assert "csc process" in str(caught.value)


def test_runs_on_other_grids_are_mixed_unless_one_does_not_cover(runs: Path) -> None:
    coarse = Grid((8.0, 8.0, 8.0), (804.0, 1604.0, 2404.0), (20, 17, 25))
    write_processed(runs / "coarse", 7, "er", np.ones(coarse.shape, "uint8"), coarse)
    assert assembled(runs, 'er = "coarse"')["crop7/er"] == "coarse"
    short = Grid((8.0, 8.0, 8.0), (804.0, 1604.0, 2404.0), (20, 16, 25))
    write_processed(runs / "short", 7, "er", np.ones(short.shape, "uint8"), short)
    with pytest.raises(GridMismatch, match=r"crop7/er.*short.*does not cover the crop"):
        assembled(runs, 'er = "short"')
