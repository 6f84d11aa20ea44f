"""The metric as pure functions: arrays in, small records out.

One (crop, class) row is scored by `score_semantic` or `score_instances`, a row that was not handed in by
`missing_semantic` or `missing_instances`; `pool` makes scores of all rows. Version `2026-06` of the
metric of the CellMap Segmentation Challenge is followed exactly, ties and quirks included; `METRIC_VERSIONS`
names the others.
"""

from organelle.metrics.components import connected_components
from organelle.metrics.faults import (
    FAULT_KINDS,
    Change,
    Fault,
    FaultKind,
    object_faults,
    put_right,
    total_change,
    voxel_faults,
    wrong_pieces,
)
from organelle.metrics.instances import (
    METRIC_VERSIONS,
    InstanceCounts,
    ObjectCounts,
    PanopticCounts,
    compare_instances,
    hausdorff_term,
    missing_instances,
    require_version,
    rescaled_term,
    score_instances,
    truth_ids,
)
from organelle.metrics.matched import matched_labels
from organelle.metrics.matching import Match, crop_is_flooded, flood_limit, match_objects, most_components
from organelle.metrics.overlap import Overlap, overlap_table
from organelle.metrics.pooling import Counts, InstanceScore, PanopticScore, Score, Scores, SemanticScore, pool
from organelle.metrics.semantic import SemanticCounts, missing_semantic, score_semantic
from organelle.metrics.surface import hausdorff_distance, hausdorff_distances

__all__ = [
    "FAULT_KINDS",
    "METRIC_VERSIONS",
    "Change",
    "Counts",
    "Fault",
    "FaultKind",
    "InstanceCounts",
    "InstanceScore",
    "Match",
    "ObjectCounts",
    "Overlap",
    "PanopticCounts",
    "PanopticScore",
    "Score",
    "Scores",
    "SemanticCounts",
    "SemanticScore",
    "compare_instances",
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
    "object_faults",
    "overlap_table",
    "pool",
    "put_right",
    "require_version",
    "rescaled_term",
    "score_instances",
    "score_semantic",
    "total_change",
    "truth_ids",
    "voxel_faults",
    "wrong_pieces",
]
