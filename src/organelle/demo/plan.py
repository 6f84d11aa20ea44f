"""An experiment for each dataset of a challenge, from its tables and its training crops alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.catalog import Catalog, Crop, crop_groups, em_path, label_path
from organelle.classes import Kind, kind_of, sort_classes
from organelle.errors import EMMissing
from organelle.geometry import Nm, Voxels
from organelle.volumes import open_multiscale, read_encoding

FLAT = 3.0
"""From this ratio of voxel sizes on, sections are learned one by one: they have little in common."""
RARE = 0.02
"""A class that fills less of the crops than this needs weights and places of its own, or comes out empty."""
SMALLEST = 0.1
"""Objects below this share of the median volume in the training crops are dropped as specks."""


@dataclass(frozen=True)
class Effort:
    """How much a tour spends on one network."""

    steps_3d: int
    steps_2d: int
    validate_every: int
    features: tuple[int, ...] = (16, 32, 64, 96, 96, 16)
    features_2d: tuple[int, ...] = (32, 32, 64, 128, 256, 32)
    patch_3d: int = 64
    patch_2d: int = 128
    planar: bool = False
    """Learn planes even where voxels are cubes, and look along every axis: quicker than learning in 3D."""
    fitted: bool = True
    """Make objects by recipes fitted to the training crops, not by those that are built in."""
    judges: int | None = None
    """Child processes that score and draw, see `evaluate`."""

    def of(self, steps: int | None) -> Effort:
        """The same with so many steps; None: as it is."""
        if steps is None:
            return self
        every = min(self.validate_every, steps)
        return replace(self, steps_3d=steps, steps_2d=steps, validate_every=every)


FULL = Effort(steps_3d=600, steps_2d=500, validate_every=500, planar=True, fitted=False)
"""A drawing has all classes, so that what the built-in recipes need is predicted."""
REAL = Effort(steps_3d=1300, steps_2d=1000, validate_every=500, planar=True)
"""Real microscopy is learned more slowly than a drawing, and its few classes look alike along every axis."""
QUICK = Effort(
    steps_3d=4,
    steps_2d=4,
    validate_every=4,
    features=(8, 8, 16, 16, 16, 8),
    features_2d=(8, 8, 16, 16, 16, 8),
    patch_3d=32,
    patch_2d=64,
    judges=0,
)
"""Tiny crops are judged in the time that a child process takes to start, and they are of one's own making."""


@dataclass(frozen=True)
class ExperimentPlan:
    """What goes into the experiment file of one dataset."""

    dataset: str
    classes: tuple[str, ...]
    train: tuple[int, ...]
    validate: tuple[int, ...]
    voxel_size_nm: Nm
    min_volume_nm3: dict[str, float]
    least_share: float
    """Share of the annotated voxels that the rarest class fills."""
    effort: Effort
    seed: int

    @property
    def sections(self) -> bool:
        """Whether one axis is so coarse that sections have little in common."""
        return max(self.voxel_size_nm) / min(self.voxel_size_nm) >= FLAT

    @property
    def flat_axis(self) -> int | None:
        """The axis that the network does not see, the coarsest; None in 3D."""
        sizes = self.voxel_size_nm
        return sizes.index(max(sizes)) if self.sections or self.effort.planar else None

    @property
    def patch_shape(self) -> Voxels:
        """A cube, or a plane across the coarsest axis."""
        if self.flat_axis is None:
            return (self.effort.patch_3d,) * 3
        return self._plane(self.effort.patch_2d)

    @property
    def averaged(self) -> bool:
        """Whether planes across every axis are predicted and averaged."""
        return self.flat_axis is not None and not self.sections

    @property
    def rare(self) -> bool:
        """Whether a class needs help not to be overlooked."""
        return self.least_share < RARE

    def toml(self) -> str:
        """The experiment as people would write it, with the reasons as comments."""
        sections = [self._data(), self._model(), self._training(), self._process()]
        return "\n".join(sections)

    def _data(self) -> str:
        return (
            f'name = "{self.dataset}"\n\n'
            "[data]\n"
            f'datasets = ["{self.dataset}"]\n'
            f"train = {list(self.train)}\n"
            f"validate = {list(self.validate)}  # the smallest crop is held out\n"
        )

    def _model(self) -> str:
        flat, effort = self.flat_axis is not None, self.effort
        reason = "sections are thick: one plane at a time" if self.sections else "voxels are about cubes"
        if flat and not self.sections:
            reason += ", but planes are learned sooner"
        names = ", ".join(f'"{name}"' for name in self.classes)
        features = list(effort.features_2d if flat else effort.features)
        return (
            "[model]\n"
            f'network = "{"unet_2d" if flat else "unet_3d"}"  # {reason}\n'
            f"classes = [{names}]\n"
            f"voxel_size_nm = {list(self.voxel_size_nm)}\n"
            f"patch_shape = {list(self.patch_shape)}\n"
            f'options = {{ features = {features}, norm = "instance" }}\n'
        )

    def _training(self) -> str:
        flat, effort = self.flat_axis is not None, self.effort
        lines = [
            "[sampling]  # few steps: little variation",
            f"batch_size = {8 if flat else 1}",
            "workers = 1",
            f"balanced = {0.8 if self.rare else 0.5 if self.averaged else 0.0}  # {self._reason()}",
            *(["overhang = 0.0"] if flat else []),
            *(f"{name} = 0.0" for name in ("rotate", "gamma", "noise", "blur")),
            *(f"{name} = 0.1" for name in ("contrast", "brightness")),
            "",
            "[train]",
            f"steps = {effort.steps_2d if flat else effort.steps_3d}",
            f"learning_rate = {'5e-3' if not flat else '2e-3' if self.sections else '3e-3'}",
            *self._loss(flat),
            f"validate_every = {effort.validate_every}",
            "validate_megavoxels = 1.0",
            f"seed = {self.seed}",
            "",
            "[predict]",
            *self._prediction(flat),
        ]
        return "\n".join(lines) + "\n"

    def _loss(self, flat: bool) -> list[str]:
        """Nothing for the defaults, which are made for rare classes."""
        if self.rare or not flat:
            return []
        if self.averaged:
            return [
                "rare_weight = 4.0  # a mean of three answers is timid: bold ones make up for it",
                "dice = 0.5",
            ]
        return ["rare_weight = 1.0  # no class is rare: all voxels count alike", "dice = 0.0"]

    def _reason(self) -> str:
        if self.rare:
            return "rare classes first: they are easily overlooked"
        return f"no class fills less than {RARE:.0%}"

    def _prediction(self, flat: bool) -> list[str]:
        if not flat:
            return ["mirrors = false"]
        if self.averaged:
            return ['planes = "any"  # across every axis, averaged', 'backend = "auto"  # the quickest here']
        return [f"window = {list(self._plane(2 * self.effort.patch_2d))}  # more to see than in training"]

    def _plane(self, side: int) -> Voxels:
        z, y, x = (1 if axis == self.flat_axis else side for axis in range(3))
        return z, y, x

    def _process(self) -> str:
        tables = []
        for name in self.classes:
            if kind_of(name) is Kind.INSTANCE and self.effort.fitted:
                lines = [f"[process.{name}]"]
                if name == "cell" and "pm" in self.classes:
                    lines.append('minus = ["pm"]  # cells touch: only their membranes keep them apart')
                    lines.append("minus_threshold = 0.2  # one hole in a membrane joins two cells")
                    lines.append("grow_nm = 60")
                else:
                    lines.append(f"min_volume_nm3 = {self.min_volume_nm3.get(name, 0.0):.0f}")
                tables.append("\n".join(lines) + "\n")
        return "\n".join(tables)


def plan_experiments(catalog: Catalog, data: Path, effort: Effort, seed: int) -> tuple[ExperimentPlan, ...]:
    """One plan per dataset that has test crops and training crops; test crops only tell which classes."""
    wanted = dict.fromkeys(crop.dataset for crop in catalog.test_crops.values())
    return tuple(_plan(catalog, data, dataset, effort, seed) for dataset in wanted)


def _plan(catalog: Catalog, data: Path, dataset: str, effort: Effort, seed: int) -> ExperimentPlan:
    tests = [c for c in catalog.test_crops.values() if c.dataset == dataset]
    crops = [c for c in catalog.train_crops.values() if c.dataset == dataset]
    if not crops:
        raise EMMissing(f"dataset {dataset} has test crops but no training crop; nothing can be learned")
    classes = sort_classes(name for crop in tests for name in crop.classes)
    groups = sorted(crop_groups(crops), key=lambda group: sum(c.grid.box.size for c in group))
    held_out = groups[0] if len(groups) > 1 else ()
    return ExperimentPlan(
        dataset,
        classes,
        tuple(c.id for c in crops if c not in held_out),
        tuple(c.id for c in held_out),
        _voxel_size(data, dataset, tests),
        {name: _smallest_volume(data, crops, name) for name in classes if kind_of(name) is Kind.INSTANCE},
        min((_share(data, crops, name) for name in classes), default=0.0),
        effort,
        seed,
    )


def _voxel_size(data: Path, dataset: str, tests: Sequence[Crop]) -> Nm:
    """That of the test crops, unless the EM is coarser: finer than the EM there is nothing to see."""
    finest = min((crop.voxel_size_nm for crop in tests), key=lambda size: float(np.prod(size)))
    stored = open_multiscale(em_path(data, dataset)).levels[0].grid.voxel_size_nm
    return finest if all(e <= v * (1 + 1e-4) for e, v in zip(stored, finest, strict=True)) else stored


def _smallest_volume(data: Path, crops: Sequence[Crop], name: str) -> float:
    """A share of the median volume in nm^3 of the annotated objects; 0 when there is none."""
    volumes = [volume for crop in crops if name in crop.classes for volume in _volumes(data, crop, name)]
    return SMALLEST * float(np.median(volumes)) if volumes else 0.0


def _share(data: Path, crops: Sequence[Crop], name: str) -> float:
    """Share of the voxels of the crops annotated with a class where it is; 0 when there is no such crop."""
    counts = [
        np.bincount(_labels(data, crop, name)[1].ravel(), minlength=2)
        for crop in crops
        if name in crop.classes
    ]
    absent, present = np.sum(counts, axis=0) if counts else (1, 0)
    return float(present / (absent + present))


def _volumes(data: Path, crop: Crop, name: str) -> list[float]:
    labels, present, voxel_nm3 = _labels(data, crop, name)
    return [float(n) * voxel_nm3 for n in np.unique(labels[present], return_counts=True)[1]]


def _labels(data: Path, crop: Crop, name: str) -> tuple[NDArray[Any], NDArray[np.bool_], float]:
    """Ids, where the class is present, and the volume of a voxel in nm^3."""
    image = open_multiscale(label_path(data, crop, name))
    level = image.levels[0]
    labels = level.read()
    return labels, read_encoding(image, level, name).present(labels), level.grid.voxel_volume_nm3
