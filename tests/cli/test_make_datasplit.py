"""`csc make-datasplit` as people type it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from organelle.catalog import load_catalog, make_datasplit, read_datasplit, write_datasplit
from organelle.cli import main

Csc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def csc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Csc:
    """Run `csc make-datasplit` in an empty folder; gives exit status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["csc", "make-datasplit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    for name in ("CSC_CATALOG", "CSC_DATA", "CSC_WORK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return run


def test_it_is_stratified_unless_told_otherwise(csc: Csc) -> None:
    assert csc("--csv-path", "a.csv", "-q")[0] == csc("--csv-path", "b.csv", "-q", "--no-stratify")[0] == 0
    challenge = load_catalog()
    assert read_datasplit("a.csv", challenge) == make_datasplit(challenge, stratify=True)
    assert read_datasplit("b.csv", challenge) == make_datasplit(challenge)


def test_it_prints_what_both_sides_hold(csc: Csc) -> None:
    status, out, _ = csc("-ds", "jrc_hela-2,jrc_cos7-1a", "-c", "mito,er", "-vr", "0.25")
    assert status == 0
    split = read_datasplit("datasplit.csv", load_catalog())
    rows = {words[0]: words[1:] for words in map(str.split, out.splitlines()) if words}
    for name, sides in split.crops_per_class().items():
        assert rows[name][:2] == [str(n) for n in sides]
    held = [c for c in split.validate if c.dataset == "jrc_hela-2"]
    assert rows["jrc_hela-2"][1] == str(len(held))
    assert "held out µm³" in out


def test_a_dataset_is_held_out(csc: Csc) -> None:
    assert csc("--hold-out", "jrc_hela-2", "--hold-out", "jrc_cos7-1a", "-q")[0] == 0
    split = read_datasplit("datasplit.csv", load_catalog())
    held = {"jrc_hela-2", "jrc_cos7-1a"}
    assert {c.dataset for c in split.validate} == held
    assert held.isdisjoint({c.dataset for c in split.train})
    assert len(split.train) + len(split.validate) == 289


def test_all_folds_or_one_of_them_are_written(csc: Csc, tmp_path: Path) -> None:
    status, out, _ = csc("--folds", "4", "--csv-path", "split_{fold}.csv")
    assert status == 0
    assert len(out.splitlines()) < 20
    challenge = load_catalog()
    folds = [read_datasplit(tmp_path / f"split_{i}.csv", challenge) for i in range(4)]
    assert sorted(c.id for split in folds for c in split.validate) == sorted(challenge.train_crops)
    assert csc("--folds", "4", "--fold", "2", "--csv-path", "one.csv")[0] == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "split_2.csv").read_bytes()


def test_no_fold_is_written_when_one_is_there(csc: Csc, tmp_path: Path) -> None:
    (tmp_path / "split_2.csv").write_text("mine")
    status, _, err = csc("--folds", "3", "--csv-path", "split_{fold}.csv")
    assert status == 1
    assert "split_2.csv exists" in err
    assert [p.name for p in tmp_path.iterdir()] == ["split_2.csv"]


def test_a_split_of_another_machine_is_taken_over(csc: Csc) -> None:
    challenge = load_catalog()
    split = make_datasplit(challenge, crops=[111, 113, 247])
    write_datasplit(split, "/old/disk", "old.csv")
    status, out, _ = csc("--from-csv", "old.csv", "--csv-path", "new.csv", "--use-s3", "-q")
    assert status == 0
    assert read_datasplit("new.csv", challenge) == split
    rows = Path("new.csv").read_text()
    assert "/old/disk" not in rows
    assert rows.count("s3://janelia-cosem-datasets/") == 6
    assert "does not exist here (old.csv, line" in out
    assert "note: /old/disk/" in out
    assert "volumes are looked for below --data" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "3"], "--csv-path split_{fold}.csv"),
        (["--fold", "1"], "Add --folds"),
        (["--folds", "3", "--fold", "3"], "counted from 0"),
        (["--folds", "1", "--fold", "0"], "1 folds cannot be made of"),
        (["--folds", "3", "--fold", "0", "-vr", "0.2"], "leaves nothing to choose for --validate-ratio"),
        (["--folds", "3", "--fold", "0", "-c", "mito", "-ft"], "force all classes on both sides"),
        (["--hold-out", "jrc_hela-2", "-vr", "0.2"], "leaves nothing to choose for --validate-ratio"),
        (["--hold-out", "jrc_hela2"], "nearest: jrc_hela-2"),
        (["--hold-out", ","], "names no dataset"),
        (["-fa"], "force all of which classes? Add --classes"),
        (["-c", ","], "--classes names nothing"),
        (["-ds", ""], "--datasets names nothing"),
        (["-cr", "557"], 'fits all that was asked for: crops 557; see what there is with "csc catalog crops'),
        (["-c", "tbar", "-s", "2"], "any of the classes tbar; voxels of at most (nm) 2 2 2; crops all"),
        (["--from-csv", "none.csv"], "no datasplit at none.csv"),
        (["--from-csv", "none.csv", "-c", "mito", "--folds", "3"], "choose for --classes, --folds"),
        (["-s", "nan"], "is not a voxel size"),
    ],
)
def test_what_does_not_go_together_is_explained(
    csc: Csc, tmp_path: Path, arguments: list[str], message: str
) -> None:
    status, _, err = csc(*arguments)
    assert status == 1
    assert message in err.replace("\n", " ")
    assert not list(tmp_path.iterdir())
