"""The official evaluator's answers on two whole submissions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from organelle.catalog import load_catalog
from organelle.evaluate import evaluate, write_result


def differences(got: Any, want: Any, place: str = "") -> Iterator[str]:
    """Every place where `got` lacks or contradicts what `want` holds."""
    if isinstance(want, dict):
        for key, value in want.items():
            if key in got:
                yield from differences(got[key], value, f"{place}/{key}")
            else:
                yield f"{place}/{key} is missing"
    elif got != (pytest.approx(want, abs=1e-6) if isinstance(want, float) else want):
        yield f"{place}: {got!r} instead of {want!r}"


@pytest.mark.parametrize(
    ("submission", "challenge"),
    [("golden/submission", "sample"), ("golden/submission_synthetic", "golden/submission_synthetic")],
    ids=["real", "synthetic"],
)
def test_public_and_extended_results_agree(
    shared: Path, tmp_path: Path, submission: str, challenge: str
) -> None:
    folder, catalog = shared / submission, load_catalog(shared / challenge)
    result = evaluate(folder / "submission.zip", shared / challenge / "truth.zarr", catalog, workers=0)
    for made, wanted in zip(
        write_result(result, tmp_path / "result.json"),
        ("expected.json", "expected_extended.json"),
        strict=True,
    ):
        got, want = json.loads(made.read_text()), json.loads((folder / wanted).read_text())
        assert list(differences(got, want)) == []
        assert got["label_scores"].keys() == want["label_scores"].keys()
