"""Results as JSON: the public one that participants see, and the extended one for organisers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from organelle.evaluate.records import Result, Row
from organelle.files import refuse_existing, write_json
from organelle.metrics import InstanceCounts, PanopticCounts, PanopticScore, Score, Scores, SemanticScore


def write_result(result: Result, path: Path | str, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write the public result to `path` and the extended one beside it; returns both paths.

    Raises:
        OutputExists: one of the two is there and `overwrite` is false; neither was written.
    """
    public, extended = Path(path), extended_path(path)
    refuse_existing(public, overwrite=overwrite)
    refuse_existing(extended, overwrite=overwrite)
    write_json(extended, extended_record(result), overwrite=overwrite)
    write_json(public, public_record(result), overwrite=overwrite)
    return public, extended


def extended_path(path: Path | str) -> Path:
    """`NAME.json` -> `NAME_extended.json`."""
    public = Path(path)
    return public.with_name(f"{public.stem}_extended{public.suffix}")


def public_record(result: Result) -> dict[str, Any]:
    """Only ratios, and only of classes that were handed in at least once; means are over all classes."""
    return {
        "label_scores": _shown(result, result.scores),
        **_overall(result),
        "other_metrics": {
            version: {"label_scores": _shown(result, scores), **_means(scores)}
            for version, scores in result.other_scores.items()
        },
    }


def extended_record(result: Result) -> dict[str, Any]:
    """Counts of every crop and class, and the classes that were never handed in."""
    crops: dict[str, dict[str, Any]] = {f"crop{crop}": {} for crop in result.crop_ids}
    for row in result.rows:
        crops[f"crop{row.crop_id}"][row.class_name] = _row(row)
    classes = {name: _with_counts(score) for name, score in result.scores.classes.items()}
    others = {
        version: {
            "label_scores": {name: _with_counts(s) for name, s in scores.classes.items()},
            **_means(scores),
        }
        for version, scores in result.other_scores.items()
    }
    return {
        **crops,
        "label_scores": classes,
        **_overall(result),
        "other_metrics": others,
        "problems": [asdict(problem) for problem in result.problems],
    }


def _shown(result: Result, scores: Scores) -> dict[str, dict[str, float]]:
    """The ratios of the classes that were handed in at least once."""
    return {
        name: _ratios(score) for name, score in scores.classes.items() if name in result.submitted_classes
    }


def _means(scores: Scores) -> dict[str, float]:
    return {
        "overall_instance_score": scores.overall_instance,
        "overall_semantic_score": scores.overall_semantic,
        "overall_score": scores.overall,
    }


def _overall(result: Result) -> dict[str, Any]:
    return {
        **_means(result.scores),
        "total_evals": result.total_evals,
        "num_evals_done": result.num_evals_done,
        "provenance": asdict(result.provenance),
    }


def _with_counts(score: Score) -> dict[str, float]:
    return _ratios(score) | {"tp": score.tp, "fp": score.fp, "fn": score.fn}


def _ratios(score: Score) -> dict[str, float]:
    if isinstance(score, SemanticScore):
        return {"iou": score.iou}
    if isinstance(score, PanopticScore):
        return {"pq": score.score, "sq": score.sq, "rq": score.rq}
    return {
        "f1": score.f1,
        "normalized_hausdorff_distance": score.hausdorff,
        "combined_score": score.score,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        **_counts(row),
        "num_voxels": row.num_voxels,
        "voxel_size": list(row.voxel_size_nm) if row.voxel_size_nm else None,
        "is_missing": row.is_missing,
        "status": row.status,
        "remarks": list(row.remarks),
    }


def _counts(row: Row) -> dict[str, Any]:
    if row.counts is None:
        return {}
    counts: dict[str, Any] = {"tp": row.counts.tp, "fp": row.counts.fp, "fn": row.counts.fn}
    if isinstance(row.counts, PanopticCounts):
        counts["iou_sum"] = row.counts.iou_sum
    if isinstance(row.counts, InstanceCounts):
        counts["hausdorff_norm_sum"] = row.counts.hausdorff_norm_sum
        counts["n_hausdorff"] = row.counts.n_hausdorff
    return counts
