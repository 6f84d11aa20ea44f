"""An experiment for each dataset of a challenge, from its tables and its training crops alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from organelle.catalog import Catalog, Crop, crop_groups, em_path, label_path
from organelle.classes import Kind, kind_of, sort_classes
from organelle.errors import EMMissing
from organelle.geometry import Nm, Voxels
from organelle.volumes import open_multiscale, read_encoding

FLAT = 3.0
"""From this ratio of voxel sizes on, sections are learned one by one: they have little in common."""
SMALLEST = 0.1
"""Objects below this share of the median volume in the training crops are dropped as specks."""


@dataclass(frozen=True)
class Effort:
    """How much a tour spends on one network."""

    steps_3d: int
    steps_2d: int
    validate_every: int
    features: tuple[int, ...] = (16, 32, 64, 96, 96, 16)
    patch_3d: int = 64
    patch_2d: int = 256


FULL = Effort(steps_3d=600, steps_2d=800, validate_every=300)
REAL = Effort(steps_3d=1300, steps_2d=1000, validate_every=500)
"""Real microscopy is learned more slowly than a drawing."""
QUICK = Effort(12, 12, 12, features=(8, 8, 16, 16, 16, 8), patch_3d=32, patch_2d=64)


@dataclass(frozen=True)
class ExperimentPlan:
    """What goes into the experiment file of one dataset."""

    dataset: str
    classes: tuple[str, ...]
    train: tuple[int, ...]
    validate: tuple[int, ...]
    voxel_size_nm: Nm
    min_volume_nm3: dict[str, float]
    effort: Effort
    seed: int

    @property
    def flat_axis(self) -> int | None:
        """The axis of thick sections, if there is one."""
        sizes = self.voxel_size_nm
        thick = sizes.index(max(sizes))
        return thick if max(sizes) / min(sizes) >= FLAT else None

    @property
    def patch_shape(self) -> Voxels:
        """A cube, or a plane across the thick axis."""
        if self.flat_axis is None:
            return (self.effort.patch_3d,) * 3
        z, y, x = (1 if axis == self.flat_axis else self.effort.patch_2d for axis in range(3))
        return z, y, x

    def toml(self) -> str:
        """The experiment as people would write it, with the reasons as comments."""
        flat = self.flat_axis is not None
        sections = [self._data(), self._model(flat), self._training(flat), self._process()]
        return "\n".join(sections)

    def _data(self) -> str:
        return (
            f'name = "{self.dataset}"\n\n'
            "[data]\n"
            f'datasets = ["{self.dataset}"]\n'
            f"train = {list(self.train)}\n"
            f"validate = {list(self.validate)}  # the smallest crop is held out\n"
        )

    def _model(self, flat: bool) -> str:
        reason = "sections are thick: one plane at a time" if flat else "voxels are about cubes"
        names = ", ".join(f'"{name}"' for name in self.classes)
        return (
            "[model]\n"
            f'network = "{"unet_2d" if flat else "unet_3d"}"  # {reason}\n'
            f"classes = [{names}]\n"
            f"voxel_size_nm = {list(self.voxel_size_nm)}\n"
            f"patch_shape = {list(self.patch_shape)}\n"
            f'options = {{ features = {list(self.effort.features)}, norm = "instance" }}\n'
        )

    def _training(self, flat: bool) -> str:
        steps = self.effort.steps_2d if flat else self.effort.steps_3d
        return (
            "[sampling]  # few steps: little variation, and the rare classes first\n"
            f"batch_size = {4 if flat else 1}\nworkers = 1\nbalanced = 0.8\nrotate = 0.0\n"
            "contrast = 0.1\nbrightness = 0.1\ngamma = 0.0\nnoise = 0.0\nblur = 0.0\n\n"
            f"[train]\nsteps = {steps}\nlearning_rate = 5e-3\nvalidate_every = {self.effort.validate_every}\n"
            f"validate_megavoxels = 1.0\nseed = {self.seed}\n\n"
            "[predict]\nmirrors = false\n"
        )

    def _process(self) -> str:
        tables = []
        for name in self.classes:
            if kind_of(name) is Kind.INSTANCE:
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


def _volumes(data: Path, crop: Crop, name: str) -> list[float]:
    image = open_multiscale(label_path(data, crop, name))
    level = image.levels[0]
    labels = level.read()
    encoding = read_encoding(image, level, name)
    counts = np.unique(labels[encoding.present(labels)], return_counts=True)[1]
    return [float(n) * level.grid.voxel_volume_nm3 for n in counts]
