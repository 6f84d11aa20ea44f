from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from organelle.classes import Kind
from organelle.errors import ClassNotFound, FormatError
from organelle.geometry import Grid
from organelle.volumes import LabelEncoding, annotation_attributes, read_encoding, write_labels

LABELS = np.array([[[0, 1, 255]]], dtype=np.uint8)
GRID = Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (1, 1, 3))


def test_semantic_labels_are_absent_present_or_unknown() -> None:
    encoding = LabelEncoding.parse(annotation_attributes("er", Kind.SEMANTIC, LABELS), "er")
    assert encoding == LabelEncoding("er", Kind.SEMANTIC, 0, 255)
    assert encoding.present(LABELS).tolist() == [[[False, True, False]]]
    assert encoding.known(LABELS).tolist() == [[[True, True, False]]]


def test_255_of_an_instance_class_means_unknown_only_where_unknown_voxels_were_counted() -> None:
    counted = LabelEncoding.parse(annotation_attributes("mito", Kind.INSTANCE, LABELS), "mito")
    assert counted.unknown == 255
    assert counted.known(LABELS).tolist() == [[[True, True, False]]]
    is_id = LabelEncoding.parse(annotation_attributes("mito", Kind.INSTANCE, LABELS, unknown=False), "mito")
    assert is_id.unknown is None
    assert is_id.present(LABELS).tolist() == [[[False, True, True]]]
    assert is_id.known(LABELS).all()


def test_without_a_declaration_the_table_of_classes_decides() -> None:
    assert LabelEncoding.parse({}, "er") == LabelEncoding("er", Kind.SEMANTIC, 0, 255)
    assert LabelEncoding.parse({}, "mito") == LabelEncoding("mito", Kind.INSTANCE, 0, None)
    with pytest.raises(ClassNotFound, match="nearest: mito"):
        LabelEncoding.parse({}, "mitoo")


def test_the_declared_type_wins_over_the_table() -> None:
    declared = annotation_attributes("mito", Kind.SEMANTIC, LABELS)
    assert LabelEncoding.parse(declared, "mito").kind is Kind.SEMANTIC


def test_statistics_add_up() -> None:
    record = annotation_attributes("er", Kind.SEMANTIC, LABELS)["cellmap"]["annotation"]
    assert record["complement_counts"] == {"absent": 1, "unknown": 1, "present": 1}
    assert record["annotation_type"]["encoding"] == {"absent": 0, "unknown": 255, "present": 1}
    objects = annotation_attributes("mito", Kind.INSTANCE, LABELS)["cellmap"]["annotation"]
    assert objects["complement_counts"] == {"absent": 1, "unknown": 1}
    assert "present" not in objects["annotation_type"]["encoding"]


def test_each_level_is_read_with_its_own_statistics(tmp_path: Path) -> None:
    """One unknown voxel vanishes from the coarser level, where 255 would be an id again."""
    labels = np.full((4, 4, 4), 7, dtype=np.uint8)
    labels[0, 0, 0] = 255
    image = write_labels(
        tmp_path / "mito", labels, Grid((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), (4, 4, 4)), "mito", levels=2
    )
    assert read_encoding(image, image.levels[0], "mito").unknown == 255
    assert read_encoding(image, image.levels[1], "mito").unknown is None
    image.levels[0].attributes.clear()
    assert read_encoding(image, image.levels[0], "mito").unknown == 255


@pytest.mark.parametrize(
    "annotation",
    [
        {"annotation_type": {"type": "panoptic"}},
        {"annotation_type": {"type": "semantic_segmentation", "encoding": {"unknown": "many"}}},
        {"annotation_type": {"type": "semantic_segmentation", "encoding": {"absent": 0.5}}},
    ],
)
def test_a_declaration_that_cannot_be_used_is_an_error(annotation: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        LabelEncoding.parse({"cellmap": {"annotation": annotation}}, "er")
