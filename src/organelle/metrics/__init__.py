"""The metric as pure functions: arrays in, small records out.

One (crop, class) row is scored by `score_semantic` or `score_instances`, a row that was not handed in by
`missing_semantic` or `missing_instances`; `pool` makes scores of all rows. Everything here follows metric
version `2026-06` of the CellMap Segmentation Challenge, ties and quirks included.
"""

from organelle.metrics.components import connected_components
from organelle.metrics.instances import (
    METRIC_VERSIONS,
    InstanceCounts,
    hausdorff_term,
    missing_instances,
    require_version,
    score_instances,
    truth_ids,
)
from organelle.metrics.matched import matched_labels
from organelle.metrics.matching import Match, crop_is_flooded, flood_limit, match_objects, most_components
from organelle.metrics.overlap import Overlap, overlap_table
from organelle.metrics.pooling import InstanceScore, Scores, SemanticScore, pool
from organelle.metrics.semantic import SemanticCounts, missing_semantic, score_semantic
from organelle.metrics.surface import hausdorff_distance, hausdorff_distances

__all__ = [
    "METRIC_VERSIONS",
    "InstanceCounts",
    "InstanceScore",
    "Match",
    "Overlap",
    "Scores",
    "SemanticCounts",
    "SemanticScore",
    "connected_components",
    "crop_is_flooded",
    "flood_limit",
    "hausdorff_distance",
    "hausdorff_distances",
    "hausdorff_term",
    "match_objects",
    "matched_labels",
    "missing_instances",
    "missing_semantic",
    "most_components",
    "overlap_table",
    "pool",
    "require_version",
    "score_instances",
    "score_semantic",
    "truth_ids",
]
