"""What the values of a label volume mean, as its `cellmap.annotation` attributes say.

Semantic labels are 0 absent, 1 present, 255 unknown. Instance labels are 0 absent and otherwise ids; a
declared unknown of 255 collides with the id 255 and is honoured only where the stored statistics
(`complement_counts`) count unknown voxels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.classes import Kind, kind_of
from organelle.errors import FormatError

if TYPE_CHECKING:
    from organelle.volumes.multiscale import Multiscale
    from organelle.volumes.volume import Volume

UNKNOWN = 255
TYPES = {Kind.SEMANTIC: "semantic_segmentation", Kind.INSTANCE: "instance_segmentation"}


@dataclass(frozen=True, slots=True)
class LabelEncoding:
    """How to read the labels of one class; `unknown` is None when no value means unknown."""

    class_name: str
    kind: Kind
    absent: int = 0
    unknown: int | None = UNKNOWN

    @classmethod
    def parse(cls, attributes: Mapping[str, Any], class_name: str) -> LabelEncoding:
        """The encoding that attributes declare; without a declaration the challenge's own for this class.

        Raises:
            FormatError: the declaration is there but unusable.
        """
        annotation = _annotation(attributes)
        kind = _declared_kind(annotation, class_name)
        encoding = _mapping(_mapping(annotation.get("annotation_type")).get("encoding"))
        counts = _mapping(annotation.get("complement_counts"))
        unknown = encoding.get("unknown", UNKNOWN)
        if kind is Kind.INSTANCE and not counts.get("unknown"):
            unknown = None
        return cls(
            class_name, kind, _whole(encoding.get("absent", 0)), None if unknown is None else _whole(unknown)
        )

    def known(self, labels: np.ndarray) -> np.ndarray:
        """For each voxel whether the annotation says anything, as bool."""
        return np.ones(labels.shape, dtype=bool) if self.unknown is None else labels != self.unknown

    def present(self, labels: np.ndarray) -> np.ndarray:
        """For each voxel whether the class is there, as bool; unknown voxels are False."""
        return np.asarray((labels != self.absent) & self.known(labels))


def read_encoding(image: Multiscale, level: Volume, class_name: str) -> LabelEncoding:
    """The encoding of one level of a label image: the level's own attributes, else those of the image."""
    has_own = bool(_annotation(level.attributes))
    return LabelEncoding.parse(level.attributes if has_own else image.attributes, class_name)


def annotation_attributes(
    class_name: str, kind: Kind, array: np.ndarray, *, unknown: bool = True
) -> dict[str, Any]:
    """The `cellmap` attributes of an annotated array, with its statistics counted.

    Args:
        class_name: Name of the class.
        kind: Semantic or instance.
        array: The labels, of any shape.
        unknown: Whether 255 means unknown. Pass False for instances one of which has the id 255.
    """
    counts = {"absent": int((array == 0).sum()), "unknown": int((array == UNKNOWN).sum()) if unknown else 0}
    encoding = {"absent": 0, "unknown": UNKNOWN}
    if kind is Kind.SEMANTIC:
        encoding["present"] = 1
        counts["present"] = int(array.size) - counts["absent"] - counts["unknown"]
    annotation = {
        "class_name": class_name,
        "annotation_type": {"type": TYPES[kind], "encoding": encoding},
        "complement_counts": counts,
    }
    return {"cellmap": {"annotation": annotation}}


def _annotation(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(attributes.get("cellmap")).get("annotation"))


def _declared_kind(annotation: Mapping[str, Any], class_name: str) -> Kind:
    declared = _mapping(annotation.get("annotation_type")).get("type")
    if declared is None:
        return kind_of(class_name)
    for kind, name in TYPES.items():
        if name == declared:
            return kind
    raise FormatError(
        f"labels of {class_name}: annotation type {declared!r} is not one of {', '.join(TYPES.values())}"
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise FormatError(f"label encoding {value!r} is not a whole number")
    return int(value)
