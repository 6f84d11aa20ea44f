from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from organelle import errors
from organelle.errors import FileMissing, MissingExtra, OrganelleError, did_you_mean, require_folder


def test_the_tree_in_the_docstring_is_the_family() -> None:
    family = {n for n, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, OrganelleError)}
    drawn = set(re.findall(r"^(?:[│├└─ ]*)([A-Z]\w+)", str(errors.__doc__), re.MULTILINE))
    assert family <= drawn


def test_names_are_compared_by_spelling_and_numbers_by_value() -> None:
    assert did_you_mean("mitto", ["er", "mito", "mito_mem"]) == "; nearest: mito, mito_mem"
    assert did_you_mean(999, [1, 985, 986, 1500], most=2) == "; nearest: 986, 985"
    assert did_you_mean("zzz", ["er", "mito"]) == ""
    assert did_you_mean("er", []) == ""


def test_a_missing_folder_names_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "sample").mkdir()
    (tmp_path / "notes").write_text("")
    assert require_folder(tmp_path / "sample", "data") == tmp_path / "sample"
    with pytest.raises(
        FileMissing, match=r"data: expected a folder at .*sampel, found nothing; nearest: sample"
    ):
        require_folder(tmp_path / "sampel", "data")
    with pytest.raises(FileMissing, match="found a file"):
        require_folder(tmp_path / "notes", "data")
    with pytest.raises(FileMissing, match="found nothing"):
        require_folder(tmp_path / "no" / "where", "data")


def test_a_missing_extra_says_how_to_install_it() -> None:
    assert errors.require_module("json", "score").loads("1") == 1
    with pytest.raises(MissingExtra, match=r"pip install 'organelle\[train\]'"):
        errors.require_module("organelle_no_such_module", "train")


def test_modules_are_asked_for_without_being_imported() -> None:
    errors.require_installed(("json", "antigravity"), "score")
    assert "antigravity" not in sys.modules
    with pytest.raises(MissingExtra, match=r"pip install 'organelle\[score\]'"):
        errors.require_installed(("json", "organelle_no_such_module"), "score")


def test_a_module_that_fails_inside_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import organelle_no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="organelle_no_such_module"):
        errors.require_module("half_installed", "train")
