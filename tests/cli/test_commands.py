"""Every command through the door: what it prints, and what it answers to bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from organelle.catalog import em_path, label_path, load_catalog, prediction_path
from organelle.cli import main
from organelle.errors import SettingsError

EXPERIMENT = """
name = "small"
[data]
train = [11]
validate = [14]
[model]
network = "unet_3d"
classes = ["pm", "cell", "mito"]
voxel_size_nm = [8, 8, 8]
patch_shape = [16, 16, 16]
options = { features = [4, 4, 4, 4, 4, 4], groups = 2 }
[sampling]
batch_size = 1
workers = 0
[train]
steps = 2
[process.cell]
minus = ["pm"]
"""

Csc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Csc:
    """Run `csc` with arguments; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    for name in ("CSC_CATALOG", "CSC_DATA", "CSC_WORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return run


@pytest.fixture(scope="module")
def walked(tiny_challenge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder in which an experiment was trained."""
    from organelle.experiment import load_experiment, train_experiment

    work = tmp_path_factory.mktemp("walked")
    (work / "small.toml").write_text(EXPERIMENT)
    catalog = load_catalog(tiny_challenge)
    train_experiment(load_experiment(work / "small.toml"), catalog, data=tiny_challenge / "bucket", work=work)
    return work


def copied(challenge: Path, to: Path) -> Path:
    """A copy of the challenge that may be damaged."""
    return shutil.copytree(challenge, to / "challenge")


@pytest.mark.soak
def test_the_whole_path_command_by_command(csc: Csc, tiny_challenge: Path, tmp_path: Path) -> None:
    config = tmp_path / "small.toml"
    config.write_text(EXPERIMENT)
    places = ["--catalog", tiny_challenge, "--data", tmp_path / "data", "--work", tmp_path / "work"]
    without_data = [*places[:2], *places[4:]]
    source = tiny_challenge / "bucket"
    fetch = [
        "fetch-data",
        "--source",
        source,
        "-c",
        "*",
        "-d",
        tmp_path / "data",
        "--catalog",
        tiny_challenge,
    ]
    steps = [
        ([*fetch, "--dry-run"], "MB"),
        (fetch, "files copied"),
        (fetch, " 0 files copied"),
        (["train", config, *places], "2 steps"),
        (["predict", config, *places], "3 volumes written"),
        (["predict", config, *places], "3 were there"),
        (["process", config, *without_data], "3 volumes written"),
        (["pack-results", *without_data], "submission.zip"),
        (["validate", tmp_path / "work" / "submission.zip", "--catalog", tiny_challenge], "no problems"),
    ]
    for arguments, wanted in steps:
        status, out, err = csc(*arguments)
        assert status == 0, err
        assert wanted in out.replace("\n", "")
    result, page = tmp_path / "result.json", tmp_path / "report.html"
    evaluate = ["evaluate", "-s", tmp_path / "work" / "submission.zip", "-t", tiny_challenge / "truth.zarr"]
    evaluate += ["-r", result, "--report", page, "--catalog", tiny_challenge, "--data", source]
    status, out, _ = csc(*evaluate)
    assert status == 0
    assert "overall" in out.lower()
    assert json.loads(result.read_text())["total_evals"] == len(load_catalog(tiny_challenge).rows())
    assert (tmp_path / "result_extended.json").is_file()
    assert page.is_file()
    assert csc(*evaluate)[0] == 1, "existing results were overwritten unasked"
    assert csc(*evaluate, "-O")[0] == 0


def test_a_score_at_home(csc: Csc, walked: Path, tiny_challenge: Path, tmp_path: Path) -> None:
    work, home = shutil.copytree(walked, tmp_path / "work"), tmp_path / "home"
    data = ["--data", tiny_challenge / "bucket"]
    make = [
        "make-truth",
        "-c",
        "13",
        "-o",
        home,
        "--classes",
        "pm,mito,ld",
        "--catalog",
        tiny_challenge,
        *data,
    ]
    status, out, err = csc(*make)
    assert status == 0, err
    assert "left out: crop13/ld: not annotated" in out
    assert f"csc evaluate --catalog {home} -t {home / 'truth.zarr'} -s SUBMISSION" in out
    here = ["--catalog", home, "--work", work]
    truth, packed, result = home / "truth.zarr", work / "submission.zip", tmp_path / "result.json"
    for arguments in (
        ["predict", work / "small.toml", *here, *data],
        ["process", work / "small.toml", *here],
        ["pack-results", *here],
        ["evaluate", "--catalog", home, "-t", truth, "-s", packed, "-r", result, "-w", "1"],
    ):
        status, _, err = csc(*arguments)
        assert status == 0, err
    assert sorted(json.loads(result.read_text())["label_scores"]) == ["mito", "pm"]
    assert csc(*make)[0] == 1, "truth was overwritten unasked"
    assert csc(*make, "-O")[0] == 0


def test_a_rehearsal(csc: Csc, tiny_challenge: Path, tmp_path: Path) -> None:
    here, truth = ["--catalog", tiny_challenge], ["-t", tiny_challenge / "truth.zarr"]
    perfect, usual, result = tmp_path / "perfect.zip", tmp_path / "usual.zip", tmp_path / "result.json"
    status, out, err = csc("simulate", *truth, "--out", usual, "--seed", "1", *here)
    assert status == 0, err
    assert "expected of metric 2026-06" in out
    assert "noise" in out
    status, out, err = csc("simulate", *truth, "--out", perfect, "--only", *here)
    assert status == 0, err
    assert "noise" not in out
    for file in (perfect, usual):
        assert csc("validate", file, *here)[0] == 0
        assert csc("evaluate", "-s", file, *truth, "-r", result, "-O", "-w", "1", *here)[0] == 0
        score = json.loads(result.read_text())["overall_score"]
        assert (score > 0.99) == (file == perfect)
    status, _, err = csc("simulate", *truth, "--out", usual, *here)
    assert status == 1, "a submission was overwritten unasked"
    assert "usual.zip exists" in err


def test_the_real_challenge_is_the_default(csc: Csc) -> None:
    status, out, _ = csc("get-counts", "-c", "mito,er")
    assert status == 0
    assert "jrc_hela-2" in out.replace("\n", "")


def test_a_split_is_written_once(csc: Csc, tmp_path: Path) -> None:
    table = tmp_path / "split.csv"
    arguments = ["make-datasplit", "-c", "mito", "-s", "8", "-vr", "0.2", "--csv-path", table]
    status, out, _ = csc(*arguments)
    assert status == 0
    assert "held out" in out
    before = table.read_bytes()
    status, _, err = csc(*arguments, "--seed", "1")
    assert status == 1
    assert "exists and is not overwritten" in err
    assert table.read_bytes() == before


def test_version_and_help(csc: Csc) -> None:
    assert csc("--version")[1].startswith("organelle 0.")
    assert "make-datasplit" in csc("--help")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["get-counts", "-c", "mitos"], "'mitos' is not an organelle class; nearest: mito"),
        (["get-counts", "--catalog", "nowhere"], "nowhere"),
        (["make-datasplit", "-cr", "999", "--csv-path", "x.csv"], "crop 999 is not in the catalog"),
        (["make-datasplit", "-ds", "jrc_hela2", "--csv-path", "x.csv"], "nearest: jrc_hela-2"),
        (["make-datasplit", "-s", "big", "--csv-path", "x.csv"], "is not a voxel size"),
        (["train", "nowhere.toml"], "no experiment file at nowhere.toml"),
        (["validate", "nowhere.zip"], "nowhere.zip"),
        (["pack-results", "--work", "nowhere"], "nowhere"),
        (["evaluate", "-s", "a.zip", "-t", "truth.zarr"], "truth.zarr"),
        (["make-truth", "-c", "111", "-o", "home"], "csc fetch-data --crops 111"),
        (["make-truth", "-c", "999", "-o", "home"], "crop 999 is not in the catalog"),
        (["make-truth", "-c", "111", "-o", "home", "--classes", "mitos"], "nearest: mito"),
        (["simulate", "-t", "truth.zarr", "--out", "x.zip"], "truth.zarr"),
        (["simulate", "-t", "t", "--out", "x.zip", "--missing", "2"], "a share lies between 0 and 1"),
        (["simulate", "-t", "t", "--out", "x.zip", "--missing", "0.9"], "+ missing 0.9 is 1.4"),
        (["demo", "--data", "nowhere", "--work", "w"], "nowhere"),
        (["fetch-data", "--source", "nowhere", "-c", "1"], "nowhere"),
    ],
)
def test_what_is_not_there_is_named(
    csc: Csc, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = csc(*arguments)
    assert status == 1
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_debug_shows_where_an_error_comes_from(
    csc: Csc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bad.toml").write_text(EXPERIMENT.replace("steps", "stepps"))
    status, _, err = csc("train", tmp_path / "bad.toml")
    assert status == 1
    assert "unknown key 'train.stepps'; nearest: steps" in err
    monkeypatch.setattr("sys.argv", ["csc", "train", str(tmp_path / "bad.toml"), "--debug"])
    with pytest.raises(SettingsError):
        main()


def test_a_crop_without_em_is_named(csc: Csc, walked: Path, tiny_challenge: Path, tmp_path: Path) -> None:
    challenge = copied(tiny_challenge, tmp_path)
    shutil.rmtree(em_path(challenge / "bucket", "phantom-1"))
    places = ["--catalog", challenge, "--data", challenge / "bucket", "--work", tmp_path / "work"]
    status, _, err = csc("train", walked / "small.toml", *places)
    assert status == 1
    assert "crop 11" in err
    assert "csc fetch-data" in err
    places[-1] = walked
    status, _, err = csc("predict", walked / "small.toml", *places, "-o", tmp_path / "out")
    assert status == 1
    assert "EM" in err
    assert not list(tmp_path.glob("out/**/s0"))


def test_voxel_sizes_that_do_not_fit(csc: Csc, tiny_challenge: Path, tmp_path: Path) -> None:
    config = tmp_path / "fine.toml"
    config.write_text(EXPERIMENT.replace("[8, 8, 8]", "[1, 1, 1]"))
    places = ["--catalog", tiny_challenge, "--data", tiny_challenge / "bucket", "--work", tmp_path]
    status, _, err = csc("train", config, *places)
    assert status == 1
    assert "choose a voxel size near the EM's" in err


def test_a_checkpoint_of_other_classes(csc: Csc, walked: Path, tiny_challenge: Path, tmp_path: Path) -> None:
    work = shutil.copytree(walked, tmp_path / "work")
    (work / "small.toml").write_text(EXPERIMENT.replace('"pm", "cell", "mito"', '"pm", "cell", "golgi"'))
    places = ["--catalog", tiny_challenge, "--data", tiny_challenge / "bucket", "--work", work]
    status, _, err = csc("predict", work / "small.toml", *places)
    assert status == 1
    assert "golgi" in err
    assert not (work / "predictions").exists()


@pytest.mark.parametrize("what", ["EM", "labels"])
def test_a_truncated_chunk_is_named(csc: Csc, tiny_challenge: Path, tmp_path: Path, what: str) -> None:
    challenge = copied(tiny_challenge, tmp_path)
    catalog = load_catalog(challenge)
    em, labels = (
        em_path(challenge / "bucket", "phantom-1"),
        label_path(challenge / "bucket", catalog.crop(11), "pm"),
    )
    chunk = next(
        p
        for p in sorted((em if what == "EM" else labels).glob("s0/**/*"))
        if p.is_file() and p.name[0] != "."
    )
    chunk.write_bytes(chunk.read_bytes()[:9])
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    places = ["--catalog", challenge, "--data", challenge / "bucket", "--work", tmp_path / "work"]
    status, _, err = csc("train", tmp_path / "small.toml", *places)
    assert status == 1
    assert str(chunk) in err
    assert "truncated" in err


def test_an_output_of_another_network_is_kept(
    csc: Csc, walked: Path, tiny_challenge: Path, tmp_path: Path
) -> None:
    work = shutil.copytree(walked, tmp_path / "work")
    places = ["--catalog", tiny_challenge, "--data", tiny_challenge / "bucket", "--work", work]
    assert csc("predict", work / "small.toml", *places)[0] == 0
    (work / "small.toml").write_text(EXPERIMENT.replace("steps = 2", "steps = 1"))
    status, _, err = csc("train", work / "small.toml", *places)
    assert status == 1
    assert "train.steps" in err
    assert csc("train", work / "small.toml", *places, "-O")[0] == 0
    kept = prediction_path(work, load_catalog(tiny_challenge).crop(21), "pm")
    before = sorted(p.read_bytes() for p in kept.rglob("*") if p.is_file())
    status, _, err = csc("predict", work / "small.toml", *places)
    assert status == 1
    assert "overwrite" in err
    assert sorted(p.read_bytes() for p in kept.rglob("*") if p.is_file()) == before
    assert csc("predict", work / "small.toml", *places, "-O")[0] == 0


def test_what_the_system_refuses_is_told_in_words(csc: Csc, tmp_path: Path) -> None:
    readonly = tmp_path / "file"
    readonly.write_text("a file where a folder should go")
    status, _, err = csc("make-datasplit", "--csv-path", readonly / "split.csv")
    assert status == 1
    assert err.startswith("error: ")
    assert str(readonly) in err
