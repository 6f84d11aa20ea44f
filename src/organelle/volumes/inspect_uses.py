"""Which stages can use what was found, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from organelle.classes import Kind, all_classes
from organelle.errors import OrganelleError
from organelle.volumes.inspect_metadata import Findings
from organelle.volumes.inspect_records import LevelReport, Use
from organelle.volumes.labels import LabelEncoding

LABELS = (Kind.SEMANTIC.value, Kind.INSTANCE.value)


def encoding_of(
    attributes: Mapping[str, Any], level: Mapping[str, Any], name: str, found: Findings
) -> LabelEncoding | None:
    """What label values mean; None for what neither says that it is labels nor is named like a class."""
    own = level if _annotation(level) else attributes
    annotation = _annotation(own)
    declared = annotation.get("class_name")
    class_name = declared if isinstance(declared, str) else name
    if not annotation and (class_name not in {c.name for c in all_classes()} or _is_result(attributes)):
        return None
    try:
        return LabelEncoding.parse(own, class_name)
    except OrganelleError as error:
        found.error("encoding", name, str(error), "mend cellmap.annotation")
        return None


def uses_of(
    finest: LevelReport | None,
    attributes: Mapping[str, Any],
    encoding: LabelEncoding | None,
    *,
    opened: bool,
) -> tuple[Use, ...]:
    """For each role whether the volume can play it."""
    if not opened or finest is None or finest.dtype is None:
        return (Use("all stages", "any", False, "it cannot be opened: see the errors"),)
    dtype = np.dtype(finest.dtype)
    return (
        _as_em(dtype, attributes, encoding),
        _as_labels(dtype, encoding),
        _as_prediction(dtype, attributes, encoding),
        _as_objects(dtype, attributes, encoding),
    )


def _as_em(dtype: np.dtype[Any], attributes: Mapping[str, Any], encoding: LabelEncoding | None) -> Use:
    stages, role = "train, predict", "EM"
    if encoding is not None or kind_of_image(attributes) in LABELS:
        return Use(stages, role, False, "its metadata says that it holds labels")
    if dtype == np.uint8:
        return Use(stages, role, True, "8-bit grey values")
    if dtype.kind == "b":
        return Use(stages, role, False, "bool is no grey value")
    return Use(
        stages,
        role,
        True,
        f"{dtype} works if the checkpoint was trained on the same range of values; "
        "for one trained on 8-bit EM bring it to 8 bit: csc catalog import --to-uint8 LOW,HIGH",
    )


def _as_labels(dtype: np.dtype[Any], encoding: LabelEncoding | None) -> Use:
    stages, role = "train, make-truth", "labels"
    if dtype.kind == "f":
        return Use(stages, role, False, "labels are whole numbers")
    if encoding is None:
        return Use(
            stages, role, False, "it neither says its class (cellmap.annotation) nor is named like one"
        )
    unknown = "no value means unknown" if encoding.unknown is None else f"{encoding.unknown} is unknown"
    return Use(
        stages,
        role,
        True,
        f"{encoding.kind.value} labels of {encoding.class_name}: {encoding.absent} is absent, {unknown}",
    )


def _as_prediction(
    dtype: np.dtype[Any], attributes: Mapping[str, Any], encoding: LabelEncoding | None
) -> Use:
    stages, role = "process", "a prediction"
    record = attributes.get("organelle")
    scale = record.get("probability_scale") if isinstance(record, Mapping) else None
    if encoding is not None or kind_of_image(attributes) in LABELS:
        return Use(stages, role, False, "its metadata says that it holds labels")
    if isinstance(scale, (int, float)):
        return Use(stages, role, True, f"its metadata says that {scale:g} means probability 1")
    most = 1 if dtype.kind in "fb" else np.iinfo(dtype).max
    return Use(stages, role, True, f"if it holds probabilities; {most} would mean 1")


def _as_objects(dtype: np.dtype[Any], attributes: Mapping[str, Any], encoding: LabelEncoding | None) -> Use:
    stages, role = "pack-results", "a processed volume"
    if dtype.kind == "f":
        return Use(stages, role, False, "masks and ids are whole numbers; csc process makes them")
    if encoding is not None and encoding.unknown is not None:
        return Use(stages, role, True, f"but {encoding.unknown} (unknown) would count as an object")
    if encoding is None and kind_of_image(attributes) not in LABELS and dtype.kind != "b":
        return Use(stages, role, True, "if it holds a mask or ids, of which its metadata says nothing")
    return Use(stages, role, True, "it holds a mask or ids")


def kind_of_image(attributes: Mapping[str, Any]) -> str | None:
    """What the image says it holds: `image`, `semantic` or `instance`; None if it does not say."""
    record = attributes.get("organelle")
    kind = record.get("kind") if isinstance(record, Mapping) else None
    return kind if isinstance(kind, str) else None


def _is_result(attributes: Mapping[str, Any]) -> bool:
    """Whether a stage made it: a prediction or processed volume is named like a class, too."""
    record = attributes.get("organelle")
    stage = record.get("stage") if isinstance(record, Mapping) else None
    return kind_of_image(attributes) == Kind.IMAGE.value or stage not in (None, "import")


def _annotation(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    cellmap = attributes.get("cellmap")
    annotation = cellmap.get("annotation") if isinstance(cellmap, Mapping) else None
    return annotation if isinstance(annotation, Mapping) else {}
