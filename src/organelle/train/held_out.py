"""Validation on crops that nothing was learned from, through the prediction that test crops get."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from organelle.geometry import Box
from organelle.metrics import SemanticCounts, pool, score_semantic
from organelle.models import ModelSpec
from organelle.predict import ModelEM, network_forward, predict_region
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
    """

    crop: TrainingCrop
    em: ModelEM
    region: Box
    present: Mask
    known: Mask


@dataclass(frozen=True, eq=False)
class Validation:
    """IoU of every class at probability 0.5, pooled over the held-out crops.

    Instance classes are judged by their foreground. A class that is in no held-out crop, as far as is
    known, is NaN and stays out of the mean.
    """

    per_class: dict[str, float]
    pictures: dict[str, NDArray[np.uint8]]

    @property
    def mean(self) -> float:
        """Mean IoU of the classes that can be judged; NaN when there is none."""
        judged = [value for value in self.per_class.values() if not math.isnan(value)]
        return sum(judged) / len(judged) if judged else math.nan


def hold_out(data: Place | str, crop: TrainingCrop, spec: ModelSpec, most_voxels: float) -> HeldOut:
    """Make ready the middle of `crop`, at most `most_voxels` of it."""
    em = ModelEM(open_em(data, crop.crop), spec.voxel_size_nm, spec.normalisation)
    box = middle(Box((0, 0, 0), crop.shape), most_voxels)
    region = box.shift(em.lattice.shift_to(crop.grid.subgrid(crop.label_box)))
    codes = crop.labels.codes[box.slices()]
    present, known = (np.moveaxis(table[codes], -1, 0) for table in (crop.labels.present, crop.labels.known))
    return HeldOut(crop, em, region, present & known, known)


def validate(
    network: torch.nn.Module, places: Sequence[HeldOut], spec: ModelSpec, device: str = "cpu"
) -> Validation:
    """Predict the held-out places and compare where something is known."""
    forward = network_forward(network.eval(), spec, device=device)
    rows: list[tuple[str, SemanticCounts]] = []
    pictures: dict[str, NDArray[np.uint8]] = {}
    for place in track(places, "validating"):
        found = predict_region(forward, place.em, place.region, spec) > 0.5
        rows += _count(spec.classes, found, place)
        pictures |= _show(spec, found, place)
    scores = pool(rows).classes
    there = {name for name, counts in rows if counts.tp + counts.fn}
    per_class = {name: scores[name].score if name in there else math.nan for name in spec.classes}
    return Validation(per_class, pictures)


def middle(box: Box, most_voxels: float) -> Box:
    """The middle of `box`: its longest sides are shortened until it holds at most `most_voxels`."""
    shape = np.array(box.shape)
    longest = max(1, int(shape.max(initial=1)))
    while longest > 1 and np.minimum(shape, longest).prod() > most_voxels:
        longest -= 1
    kept = np.minimum(shape, longest)
    start = np.array(box.start) + (shape - kept) // 2
    return Box.between(start.tolist(), (start + kept).tolist())


def _count(classes: Sequence[str], found: Mask, place: HeldOut) -> list[tuple[str, SemanticCounts]]:
    """One row per class that is known somewhere."""
    return [
        (name, score_semantic(found[i] & place.known[i], place.present[i]))
        for i, name in enumerate(classes)
        if place.known[i].any()
    ]


def _show(spec: ModelSpec, found: Mask, place: HeldOut) -> dict[str, NDArray[Any]]:
    """Per class that is there: EM, truth and prediction in the slice that shows most of it."""
    if place.region.is_empty:
        return {}
    em = place.em(place.region)
    pictures = {}
    for i, name in enumerate(spec.classes):
        if place.present[i].any():
            z = busiest_slice(place.present[i])
            pictures[f"{place.crop.crop.name}/{name}"] = comparison(
                em[z], name, place.present[i, z], found[i, z], voxel_size_nm=spec.voxel_size_nm[1:]
            )
    return pictures
