"""Validation on crops that nothing was learned from, through the prediction that test crops get."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from organelle.classes import Kind, kind_of
from organelle.geometry import Box
from organelle.metrics import (
    Counts,
    SemanticCounts,
    missing_instances,
    pool,
    score_instances,
    score_semantic,
)
from organelle.models import ModelSettings, ModelSpec
from organelle.predict import PatchEM, network_forward, predict_region
from organelle.process import ProcessSettings, apply_recipe
from organelle.progress import track
from organelle.sampling import TrainingCrop, open_em
from organelle.scenes import busiest_slice, comparison
from organelle.stores import Place

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A box of a validation crop: its EM, and what is known of it.

    Attributes:
        crop: where it lies.
        em: reads the model's lattice.
        region: the box on that lattice.
        present: bool [class, z, y, x].
        known: bool of the same shape; elsewhere `present` means nothing.
        ids: objects of the instance classes, 0 for none.
    """

    crop: TrainingCrop
    em: PatchEM
    region: Box
    present: Mask
    known: Mask
    ids: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Validation:
    """What the metric says of the held-out crops, their rows pooled.

    Semantic classes are judged by their IoU, instance classes by their objects, made with the recipes that
    `csc process` uses; `iou` judges the latter by their foreground. Unknown voxels count as background in
    truth and prediction. A class that is in no held-out crop, as far as is known, is NaN.
    """

    per_class: dict[str, float]
    iou: dict[str, float]
    pictures: dict[str, NDArray[np.uint8]]

    @property
    def overall(self) -> float:
        """The metric's overall score of the classes that can be judged; NaN when there is none.

        Where only semantic or only instance classes can, it is their mean.
        """
        means = [_mean([v for n, v in self.per_class.items() if kind_of(n) is kind]) for kind in Kind]
        judged = [mean for mean in means if not math.isnan(mean)]
        return math.prod(judged) ** (1 / len(judged)) if judged else math.nan

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that can be judged; NaN when there is none."""
        return _mean(list(self.iou.values()))


def instance_classes(spec: ModelSettings) -> tuple[str, ...]:
    """The classes of a model that are judged by their objects."""
    return tuple(name for name in spec.classes if kind_of(name) is Kind.INSTANCE)


def classes_with_ids(model: ModelSettings) -> tuple[str, ...]:
    """The classes whose objects must be told apart for the model's targets."""
    wanted = [target.class_name for target in model.targets if target.kind != "mask"]
    return tuple(name for name in dict.fromkeys(wanted) if kind_of(name) is Kind.INSTANCE)


def hold_out(data: Place | str, crop: TrainingCrop, spec: ModelSpec, most_voxels: float) -> HeldOut:
    """Make ready the middle of `crop`, at most `most_voxels` of it."""
    em = PatchEM(open_em(data, crop.crop), spec)
    box = middle(Box((0, 0, 0), crop.shape), most_voxels)
    region = box.shift(em.fine.lattice.shift_to(crop.grid.subgrid(crop.label_box)))
    codes = crop.labels.codes[box.slices()]
    present, known = (np.moveaxis(table[codes], -1, 0) for table in (crop.labels.present, crop.labels.known))
    ids = {name: array[box.slices()] for name, array in crop.ids.items()}
    return HeldOut(crop, em, region, present & known, known, ids)


def validate(
    network: torch.nn.Module,
    places: Sequence[HeldOut],
    spec: ModelSpec,
    recipes: ProcessSettings | None = None,
    device: str = "cpu",
) -> Validation:
    """Predict the held-out places, make objects, and score where something is known."""
    found = [judge(network, place, spec, recipes, device) for place in track(places, "validating")]
    return pooled(spec, found)


@dataclass(frozen=True, eq=False)
class Judged:
    """One held-out place: counts of the metric, counts of voxels, and pictures."""

    rows: list[tuple[str, Counts]]
    voxels: list[tuple[str, SemanticCounts]]
    pictures: dict[str, NDArray[np.uint8]]


def judge(
    network: torch.nn.Module,
    place: HeldOut,
    spec: ModelSpec,
    recipes: ProcessSettings | None = None,
    device: str = "cpu",
) -> Judged:
    """Predict one place and count what is right; one row per class that is known somewhere in it."""
    forward = network_forward(network.eval(), spec, device=device)
    probabilities = predict_region(forward, place.em, place.region, spec)
    by_name = dict(zip(spec.classes, probabilities, strict=True))
    known = [(i, name) for i, name in enumerate(spec.classes) if place.known[i].any()]
    settings = recipes or ProcessSettings()
    rows = [(name, _count(i, name, by_name, place, spec, settings)) for i, name in known]
    found = probabilities > 0.5
    voxels = [(name, score_semantic(found[i] & place.known[i], place.present[i])) for i, name in known]
    return Judged(rows, voxels, _show(spec, found, place))


def pooled(spec: ModelSpec, found: Sequence[Judged]) -> Validation:
    """All places together."""
    voxels = [row for one in found for row in one.voxels]
    there = {name for name, counts in voxels if counts.tp + counts.fn}
    scores, overlaps = pool(row for one in found for row in one.rows).classes, pool(voxels).classes
    return Validation(
        {name: scores[name].score if name in there else math.nan for name in spec.classes},
        {name: overlaps[name].score if name in there else math.nan for name in spec.classes},
        {name: picture for one in found for name, picture in one.pictures.items()},
    )


def middle(box: Box, most_voxels: float) -> Box:
    """The middle of `box`: its longest sides are shortened until it holds at most `most_voxels`."""
    shape = np.array(box.shape)
    longest = max(1, int(shape.max(initial=1)))
    while longest > 1 and np.minimum(shape, longest).prod() > most_voxels:
        longest -= 1
    kept = np.minimum(shape, longest)
    start = np.array(box.start) + (shape - kept) // 2
    return Box.between(start.tolist(), (start + kept).tolist())


def _count(
    index: int,
    name: str,
    probabilities: Mapping[str, NDArray[np.float32]],
    place: HeldOut,
    spec: ModelSpec,
    settings: ProcessSettings,
) -> Counts:
    """One class of one place, as `csc process` and `csc evaluate` would count it.

    Recipes that need a class which this model does not predict go without it. Where the metric would
    skip a place (far too many objects), every object counts as missed: early in training nothing would
    otherwise score better than noise.
    """
    recipe = settings.recipe_within(name, probabilities.keys())
    labels = apply_recipe(probabilities, name, recipe, spec.voxel_size_nm)
    labels[~place.known[index]] = 0
    if name not in place.ids:
        return score_semantic(labels > 0, place.present[index])
    truth = np.where(place.known[index], place.ids[name], 0)
    counts = score_instances(labels, _numbered(truth), spec.voxel_size_nm)
    if counts.status == "scored":
        return counts
    missed = missing_instances(_numbered(truth))
    return replace(counts, fn=missed.fn, n_hausdorff=missed.fn)


def _numbered(ids: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Ids as 0, 1, 2, ...: a cut-out may hold fewer voxels than its largest id."""
    return np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.uint32) + np.uint32(
        0 if not ids.size or ids.min() == 0 else 1
    )


def _mean(values: Sequence[float]) -> float:
    judged = [value for value in values if not math.isnan(value)]
    return sum(judged) / len(judged) if judged else math.nan


def _show(spec: ModelSpec, found: Mask, place: HeldOut) -> dict[str, NDArray[Any]]:
    """Per class that is there: EM, truth and prediction in the slice that shows most of it."""
    if place.region.is_empty:
        return {}
    em = place.em.fine(place.region)
    pictures = {}
    for i, name in enumerate(spec.classes):
        if place.present[i].any():
            z = busiest_slice(place.present[i])
            pictures[f"{place.crop.crop.name}/{name}"] = comparison(
                em[z], name, place.present[i, z], found[i, z], voxel_size_nm=spec.voxel_size_nm[1:]
            )
    return pictures
