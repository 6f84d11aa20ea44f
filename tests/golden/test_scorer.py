"""The official evaluator's answers on single volumes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from organelle.metrics import score_instances, score_semantic

SCORER = Path(__file__).resolve().parents[3] / "shared" / "golden" / "scorer"
CASES = json.loads((SCORER / "expected.json").read_text()) if SCORER.is_dir() else {}


def test_all_cases_are_here(shared: Path) -> None:
    assert len(CASES) == len(list((shared / "golden" / "scorer").glob("*.npz"))) > 40


@pytest.mark.parametrize("name", CASES)
def test_counts_are_exact_and_sums_agree_to_a_millionth(name: str) -> None:
    case, expected = np.load(SCORER / f"{name}.npz"), CASES[name]
    prediction, truth = case["prediction"], case["truth"]

    voxels = score_semantic(prediction, truth)
    assert {k: getattr(voxels, k) for k in ("tp", "fp", "fn")} == expected["semantic"]

    objects = score_instances(prediction, truth, tuple(case["voxel_size"]))
    for key in ("tp", "fp", "fn", "n_hausdorff", "status"):
        assert getattr(objects, key) == expected["instance"][key], key
    assert objects.hausdorff_norm_sum == pytest.approx(expected["instance"]["hausdorff_norm_sum"], abs=1e-6)
