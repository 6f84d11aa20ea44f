"""What will be predicted: a pure list, made before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from organelle.catalog import Catalog, Crop, prediction_path
from organelle.errors import EMMissing, FileMissing, FormatError, OutputExists
from organelle.geometry import Box, Grid, Voxels
from organelle.models import ModelSpec, Normalisation, checkpoint_hash, load_checkpoint, require_classes
from organelle.predict.em import ModelEM
from organelle.predict.planes import View, views_of
from organelle.predict.region import column_bytes, columns
from organelle.predict.settings import PredictSettings
from organelle.sampling import open_em
from organelle.stores import Place, as_place
from organelle.volumes import open_multiscale

CHUNK = 64
"""Blocks are whole multiples of the stored chunks, so that each chunk is written once."""


@dataclass(frozen=True)
class CropPlan:
    """What one crop needs."""

    crop: Crop
    em: Place
    """The dataset's EM."""
    region: Box
    """The smallest box that covers the crop, on the dataset's lattice at the model's voxel size."""
    grid: Grid
    """The same box in space: where the outputs lie."""
    block_shape: Voxels
    """How the work is cut."""
    classes: tuple[str, ...]
    """What will be written."""
    kept: tuple[str, ...]
    """What is already there, made by the same checkpoint in the same way."""
    patches: int
    """Patches that go through the network."""
    em_missing: float
    """Share of the crop without EM; its voxels count as the mean grey value."""
    em_dtype: np.dtype[Any]
    """Type of the stored grey values."""

    @property
    def output_bytes(self) -> int:
        """Size of the outputs before compression."""
        return self.region.size * len(self.classes)


@dataclass(frozen=True)
class PredictPlan:
    """The work of one call of `predict`."""

    checkpoint: Path
    checkpoint_sha256: str
    spec: ModelSpec
    settings: PredictSettings
    work: Path
    crops: tuple[CropPlan, ...]

    @property
    def patches(self) -> int:
        """Patches of all crops."""
        return sum(plan.patches for plan in self.crops)

    @property
    def output_bytes(self) -> int:
        """Size of all outputs before compression."""
        return sum(plan.output_bytes for plan in self.crops)

    @property
    def views(self) -> tuple[View, ...]:
        """The ways in which the network looks at a crop; their mean is written."""
        return views_of(self.spec, self.settings.planes, self.settings.window)

    @property
    def memory_bytes(self) -> int:
        """Memory for probabilities and EM under way; the network's own comes on top."""
        sizes = [_bytes(self.views, p.block_shape, len(p.classes)) for p in self.crops]
        return max(sizes, default=0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result should know."""
        missing = (
            f"{p.crop.dataset}/{p.crop.name}: {p.em_missing:.1%} of the crop has no EM here and counts as "
            "the mean grey value; fetch it with: csc fetch-data"
            for p in self.crops
            if p.em_missing
        )
        normal = self.spec.normalisation
        unlike = (
            f"{p.crop.dataset}/{p.crop.name}: its EM is {p.em_dtype}, but the checkpoint was trained on grey "
            f"values of {normal.mean:.0f} ± {normal.std:.0f}, as 8-bit EM has them; make 8 bits of it with: "
            "csc catalog import --to-uint8"
            for p in self.crops
            if _has_wider_greys(p.em_dtype, normal)
        )
        return (*missing, *unlike)


def plan_predict(
    checkpoint: Path | str,
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    *,
    data: Place | str,
    work: Path | str,
    settings: PredictSettings | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> PredictPlan:
    """List what `predict` would do; only metadata is read. The arguments are those of `predict`."""
    settings = settings or PredictSettings()
    spec = load_checkpoint(checkpoint).spec
    wanted = tuple(spec.classes if classes is None else classes)
    require_classes(spec, wanted, f"checkpoint {checkpoint}")
    sha256 = checkpoint_hash(checkpoint)
    way = way_of(sha256, settings)
    plans = [
        _plan_crop(crop, spec, settings, as_place(data), _Standing(Path(work), crop, wanted, way, overwrite))
        for crop in catalog.select(crops)
    ]
    return PredictPlan(Path(checkpoint), sha256, spec, settings, Path(work), tuple(plans))


def way_of(checkpoint_sha256: str, settings: PredictSettings) -> dict[str, Any]:
    """All that a prediction depends on besides the EM: two with the same way are the same."""
    return {
        "checkpoint_sha256": checkpoint_sha256,
        "mirrors": settings.mirrors,
        "planes": settings.planes,
        "window": None if settings.window is None else list(settings.window),
        "blending": settings.blending.value,
    }


def _plan_crop(
    crop: Crop, spec: ModelSpec, settings: PredictSettings, data: Place, standing: _Standing
) -> CropPlan:
    image = open_em(data, crop)
    em = ModelEM(image, spec.voxel_size_nm, spec.normalisation)
    region = em.lattice.box_of(crop.extent, snap="outer")
    if em.is_blank(crop.extent):
        raise EMMissing(
            f"{crop.dataset}/{crop.name}: {image.path} holds no EM in the crop; fetch it with: "
            f"csc fetch-data --crops {crop.id}"
        )
    grid = em.lattice.subgrid(region)
    todo, kept = standing.sort(grid)
    views = views_of(spec, settings.planes, settings.window)
    block_shape = _fitting_block(views, region, max(1, len(todo)), settings.memory_gb * 1e9)
    seen = (view.grid.count(column) for view in views for column in columns(region, block_shape))
    count = sum(seen) if todo else 0
    return CropPlan(
        crop,
        image.path,
        region,
        grid,
        block_shape,
        todo,
        kept,
        count,
        em.missing_fraction(crop.extent) if todo else 0.0,
        image.levels[0].dtype,
    )


def _has_wider_greys(dtype: np.dtype[Any], normal: Normalisation) -> bool:
    """Whether EM of whole numbers beyond 8 bit meets a checkpoint that saw none beyond 255."""
    return dtype.kind in "iu" and dtype.itemsize > 1 and normal.mean + normal.std <= 255


@dataclass(frozen=True)
class _Standing:
    """Which outputs of a crop are there already."""

    work: Path
    crop: Crop
    classes: tuple[str, ...]
    way: dict[str, Any]
    overwrite: bool

    def sort(self, grid: Grid) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The classes to do, and those that stand there already; `OutputExists` if they differ."""
        paths = {name: prediction_path(self.work, self.crop, name) for name in self.classes}
        there = [name for name, path in paths.items() if path.exists() and not self.overwrite]
        if other := [name for name in there if not self._is_same(paths[name], grid)]:
            raise OutputExists(
                f"{paths[other[0]]} was predicted by another checkpoint or in another way"
                f"{f' (and {len(other) - 1} more of this crop)' if other[1:] else ''}; "
                "choose another work folder or add --overwrite"
            )
        return tuple(name for name in self.classes if name not in there), tuple(there)

    def _is_same(self, path: Path, grid: Grid) -> bool:
        try:
            image = open_multiscale(path)
        except (FormatError, FileMissing):  # something else stands there, which is an answer
            return False
        record = image.attributes.get("organelle", {})
        stands = image.levels[0].grid
        return (
            self.way.items() <= record.items() and stands.shape == grid.shape and stands.shares_lattice(grid)
        )


def _bytes(views: Sequence[View], block_shape: Voxels, channels: int) -> int:
    """Memory of all views, which are under way side by side."""
    return sum(column_bytes(view.grid, block_shape, channels) for view in views)


def _fitting_block(views: Sequence[View], region: Box, channels: int, memory: float) -> Voxels:
    """The largest block that fits into `memory` bytes: all of y and x, else halved until it does."""
    depth = CHUNK
    y, x = (max(CHUNK, -(-n // CHUNK) * CHUNK) for n in region.shape[1:])
    while _bytes(views, (depth, y, x), channels) > memory and max(y, x) > CHUNK:
        if y >= x:
            y = -(-y // (2 * CHUNK)) * CHUNK
        else:
            x = -(-x // (2 * CHUNK)) * CHUNK
    return depth, y, x
