"""One recipe on one validation crop: make objects of the prediction, and count as the metric does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Crop, prediction_path
from organelle.classes import Kind, kind_of
from organelle.errors import RecipeError
from organelle.evaluate import INSTANCE_CLASSES, TruthArray, open_truth
from organelle.geometry import Grid, Nm
from organelle.metrics import Counts, compare_instances, missing_instances, score_semantic, truth_ids
from organelle.process import Cut, Layer, Recipe, Site, follow
from organelle.process.layers import ScaledLayer
from organelle.process.making import first_voxel, predicted_layer
from organelle.volumes import open_multiscale, resample

T = TypeVar("T")
KEPT_BYTES = 1 << 29
"""Predictions, and as much of truth and of objects, that each process keeps from one trial to the next."""


@dataclass(frozen=True)
class Exam:
    """What recipes are tried on; plain values, so that other processes can be told.

    Attributes:
        metric: version of the metric.
        truth: store of the crops' labels, as `organelle.evaluate.make_truth` writes it.
        work: folder with the predictions.
        crops: the validation crops.
        specks: pieces beyond which a recipe is stopped, where they are specks.
    """

    metric: str
    truth: Path
    work: Path
    crops: tuple[Crop, ...]
    specks: int

    def crop(self, number: int) -> Crop:
        """One of the crops."""
        return next(crop for crop in self.crops if crop.id == number)

    def counts(self, class_name: str, recipes: Mapping[str, Mapping[str, Any]], crop: int) -> Counts | str:
        """Counts of one crop, or why the recipe was stopped.

        Unknown voxels count as background in truth and prediction. Where the metric would skip a crop (far
        too many objects), every object counts as missed: else nothing would score better than noise.

        Args:
            class_name: which class.
            recipes: records of its recipe, and of those of the classes whose objects it uses.
            crop: number of the crop.
        """
        bench = _bench(self)
        try:
            labels = bench.labels(class_name, {n: Recipe.model_validate(r) for n, r in recipes.items()}, crop)
        except RecipeError as error:
            return str(error)
        return _compare(
            class_name, labels, bench.truth(class_name, crop), self.crop(crop).voxel_size_nm, self.metric
        )


@dataclass(frozen=True, eq=False)
class _InMemory:
    """What is predicted of a class, or what else the network told of it."""

    layer: Layer
    grid: Grid
    nbytes: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """All of it, with the numbers that are stored."""
        layer, grid = predicted_layer(path), open_multiscale(path).levels[0].grid
        if isinstance(layer, ScaledLayer):
            array = layer.stored(layer.box)
            held: Layer = ScaledLayer.make(
                layer.shape, array.dtype, lambda box: array[box.slices()], layer.scale
            )
        else:
            array = layer.read(layer.box)
            held = Layer.of(array)
        return cls(held, grid, array.nbytes)


class _Recent(Generic[T]):
    """Remembers what was used last, up to so many bytes."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self.most = most
        self._kept: OrderedDict[Any, tuple[int, T]] = OrderedDict()

    def get(self, key: Any, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What was made under this key, or what is made now."""
        if key not in self._kept:
            made = make()
            self._kept[key] = (size(made), made)
            while sum(n for n, _ in self._kept.values()) > self.most and len(self._kept) > 1:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key][1]


@dataclass(eq=False)
class _Bench:
    """What one process holds of an exam."""

    exam: Exam
    predictions: _Recent[_InMemory] = field(default_factory=_Recent)
    truths: _Recent[TruthArray] = field(default_factory=_Recent)
    objects: _Recent[NDArray[np.uint32]] = field(default_factory=_Recent)

    def labels(self, class_name: str, recipes: Mapping[str, Recipe], crop: int) -> NDArray[Any]:
        """What `csc process` would store, laid on the crop's grid as `csc pack-results` does."""
        made = self._follow(class_name, recipes, crop)
        grid, target = self._prediction(class_name, crop).grid, self.exam.crop(crop).grid
        if kind_of(class_name) is Kind.INSTANCE or grid.shares_lattice(target):
            return resample(made, grid, target, kind_of(class_name))
        share = resample((made > 0).astype(np.float32), grid, target, Kind.IMAGE)
        return np.asarray(share > 0.5)

    def truth(self, class_name: str, crop: int) -> TruthArray:
        """Labels and where they are known."""

        def read() -> TruthArray:
            return open_truth(self.exam.truth).read(crop, class_name, self.exam.crop(crop).grid)

        return self.truths.get((class_name, crop), read, lambda truth: truth.labels.nbytes)

    def _follow(self, class_name: str, recipes: Mapping[str, Recipe], crop: int) -> NDArray[np.uint32]:
        own = self._prediction(class_name, crop)
        site = Site(
            class_name,
            Cut(own.layer.shape, own.layer.shape),
            own.grid.voxel_size_nm,
            probability=lambda name: self._prediction(name, crop).layer,
            objects=lambda name: Layer.of(self._objects(name, recipes, crop)),
            first_voxel=first_voxel(own.grid),
            title=f"{self.exam.crop(crop).name}/{class_name}",
            limit=self.exam.specks,
        )
        layer = follow(recipes[class_name], site).layer
        return np.array(layer.read(layer.box), np.uint32)

    def _objects(self, name: str, recipes: Mapping[str, Recipe], crop: int) -> NDArray[np.uint32]:
        recipe = recipes[name]
        used = {name: recipe, **{other: recipes[other] for other in recipe.uses(name)}}
        key = (name, crop, repr(used))
        return self.objects.get(key, lambda: self._follow(name, recipes, crop), lambda a: a.nbytes)

    def _prediction(self, name: str, crop: int) -> _InMemory:
        path = prediction_path(self.exam.work, self.exam.crop(crop), name)
        return self.predictions.get(path, lambda: _InMemory.read(path), lambda held: held.nbytes)


@lru_cache(maxsize=1)
def _bench(exam: Exam) -> _Bench:
    """The bench of this process; only the last exam's is kept."""
    return _Bench(exam)


def forget() -> None:
    """Give the memory back that this process holds."""
    _bench.cache_clear()


def _compare(
    class_name: str, labels: NDArray[Any], truth: TruthArray, voxel_size_nm: Nm, metric: str
) -> Counts:
    there = truth.labels
    if truth.mask is not None:
        labels, there = labels * truth.mask, there * truth.mask
    if class_name not in INSTANCE_CLASSES:
        return score_semantic(labels, there)
    ids = truth_ids(there)
    counts = compare_instances(labels, ids, voxel_size_nm, versions=(metric,))[metric]
    if counts.status == "scored":
        return counts
    return replace(missing_instances(ids, version=metric), status=counts.status)
