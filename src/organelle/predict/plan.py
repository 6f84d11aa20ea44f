"""What will be predicted: a pure list, made before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.blocks import Tiling
from organelle.catalog import Catalog, Crop, Region, em_path, prediction_path
from organelle.errors import EMMissing, FileMissing, FormatError, OutputExists
from organelle.geometry import Box, Extent, Grid, Voxels
from organelle.models import ModelSpec, Normalisation, checkpoint_hash, load_checkpoint
from organelle.predict.backends import choose_backend
from organelle.predict.em import PatchEM
from organelle.predict.em_seen import EMSeen, em_seen, is_other_em
from organelle.predict.opening import require_forward
from organelle.predict.planes import View, views_of
from organelle.predict.region import column_bytes
from organelle.predict.settings import PredictSettings
from organelle.sampling import open_em
from organelle.sampling.em import em_source
from organelle.stores import Place, as_place
from organelle.volumes import Multiscale, open_multiscale

CHUNK = 64
"""Blocks are whole multiples of the stored chunks, so that each chunk is written once."""

DEPTH = 512
"""Most voxels of a block along z. Patches at the faces of blocks are computed twice; what was not finished is
begun anew."""

MOST_LOOKED_AT = 2**36
"""Voxels up to which a plan looks which EM is there; of more than that blocks tell when their turn comes."""


Classes = Sequence[str] | Callable[[Crop | Region], Sequence[str]] | None
"""What is written: classes or channels, for all crops alike or for each, or all that there are."""


@dataclass(frozen=True)
class CropPlan:
    """What one crop needs."""

    crop: Crop | Region
    em: Place
    """The dataset's EM."""
    region: Box
    """The smallest box that covers the crop, on the dataset's lattice at the model's voxel size."""
    grid: Grid
    """The same box in space: where the outputs lie."""
    block_shape: Voxels
    """Planes that are handed out together, and height and width of blocks."""
    depth: int
    """Planes of a block."""
    classes: tuple[str, ...]
    """What will be written."""
    kept: tuple[str, ...]
    """What is already there, made by the same checkpoint in the same way."""
    patches: int
    """Patches that go through the network."""
    em_missing: float
    """Share of the crop without EM, where nothing is predicted; 0 if it is too large to look."""
    em_dtype: np.dtype[Any]
    """Type of the stored grey values."""
    em_seen: EMSeen
    """What tells this EM from other EM that may stand there one day."""

    @property
    def blocks(self) -> Tiling:
        """The pieces of work, each done by one worker."""
        return Tiling(self.region, (self.depth, *self.block_shape[1:]))

    @property
    def output_bytes(self) -> int:
        """Size of the outputs before compression."""
        return self.region.size * len(self.classes)


@dataclass(frozen=True)
class PredictPlan:
    """The work of one call of `predict`."""

    checkpoints: tuple[Path, ...]
    """Whose answers are averaged."""
    hashes: tuple[str, ...]
    """SHA-256 of each checkpoint."""
    spec: ModelSpec
    settings: PredictSettings
    work: Path
    crops: tuple[CropPlan, ...]

    @cached_property
    def first_blocks(self) -> NDArray[np.int64]:
        """Number of the first block of each crop, and of all blocks behind the last."""
        return np.cumsum([0, *(len(plan.blocks) for plan in self.crops)])

    @property
    def blocks(self) -> int:
        """Pieces of work of all crops, also of those that have nothing to do."""
        return int(self.first_blocks[-1])

    def block(self, index: int) -> tuple[CropPlan, Box]:
        """The crop that a block is part of, and its box on the dataset's lattice."""
        at = int(np.searchsorted(self.first_blocks, index, side="right")) - 1
        plan = self.crops[at]
        return plan, plan.blocks[index - int(self.first_blocks[at])]

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
        sizes = [_bytes(self.views, p.block_shape, len(p.classes), self.spec.in_channels) for p in self.crops]
        return max(sizes, default=0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result should know."""
        missing = (
            f"{p.crop.dataset}/{p.crop.name}: {p.em_missing:.1%} of the crop has no EM here and is left "
            "out (probability 0); fetch it with: csc fetch-data"
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
    checkpoint: Path | str | Sequence[Path | str],
    catalog: Catalog,
    crops: str | int | Iterable[str | int] | None,
    *,
    data: Place | str,
    work: Path | str,
    settings: PredictSettings | None = None,
    classes: Classes = None,
    regions: Sequence[Region] = (),
    overwrite: bool = False,
) -> PredictPlan:
    """List what `predict` would do; of the EM no voxel is decoded. The arguments are those of `predict`."""
    settings = settings or PredictSettings()
    backend = choose_backend(settings.backend, settings.device)  # now, for all workers alike
    settings = settings.model_copy(update={"backend": backend})
    checkpoints = (
        checkpoint if isinstance(checkpoint, Sequence) and not isinstance(checkpoint, str) else [checkpoint]
    )
    specs = {Path(path): load_checkpoint(path).spec for path in checkpoints}
    spec = next(iter(specs.values()))
    everything = tuple(channel.name for channel in spec.channels)

    places: list[Crop | Region] = [*(catalog.select(crops) if crops is not None else ()), *regions]
    wanted = {place: _names(classes, place, everything) for place in places}
    require_forward(
        specs, settings, tuple(dict.fromkeys(name for names in wanted.values() for name in names))
    )
    hashes = tuple(checkpoint_hash(path) for path in specs)
    way = way_of(hashes, settings)
    plans = [
        _plan_crop(crop, spec, settings, as_place(data), _Standing(Path(work), crop, names, way, overwrite))
        for crop, names in wanted.items()
    ]
    return PredictPlan(tuple(specs), hashes, spec, settings, Path(work), tuple(plans))


def _names(classes: Classes, place: Crop | Region, everything: tuple[str, ...]) -> tuple[str, ...]:
    names = classes(place) if callable(classes) else classes
    return everything if names is None else tuple(names)


def way_of(hashes: Sequence[str], settings: PredictSettings) -> dict[str, Any]:
    """All that a prediction depends on besides the EM: two with the same way are the same.

    Several checkpoints make a list of hashes.
    """
    return {
        "checkpoint_sha256": hashes[0] if len(hashes) == 1 else list(hashes),
        "backend": settings.backend,
        "precision": settings.precision,
        "mirrors": settings.mirrors,
        "turns": settings.turns,
        "planes": settings.planes,
        "window": None if settings.window is None else list(settings.window),
        "blending": settings.blending.value,
    }


def _plan_crop(
    crop: Crop | Region, spec: ModelSpec, settings: PredictSettings, data: Place, standing: _Standing
) -> CropPlan:
    image = _open_em(data, crop)
    seen = PatchEM(image, spec)
    lattice = seen.fine.lattice
    region = _region(crop, lattice)
    extent = lattice.extent_of(region)
    looked_at = region.size <= MOST_LOOKED_AT
    if looked_at and (size := seen.blank_at_nm(extent)):
        voxels = " x ".join(f"{v:g}" for v in size)
        raise EMMissing(
            f"{crop.dataset}/{crop.name}: {image.path} holds no EM in the crop for voxels of {voxels} nm; "
            f"{_fetching(crop)}"
        )
    source = em_source(image, lattice)
    found = em_seen(source, source.grid.box_of(extent, snap="outer"))
    todo, kept = standing.sort(lattice.subgrid(region), found)
    views = views_of(spec, settings.planes, settings.window)
    plan = CropPlan(
        crop,
        image.path,
        region,
        lattice.subgrid(region),
        _fitting_block(views, region, max(1, len(todo)), settings.memory_gb * 1e9, spec.in_channels),
        max(CHUNK, DEPTH // CHUNK * CHUNK),
        todo,
        kept,
        0,
        seen.fine.missing_fraction(extent) if todo and looked_at else 0.0,
        image.levels[0].dtype,
        found,
    )
    patches = sum(plan.blocks.patches(view.grid) for view in views) if todo else 0
    return replace(plan, patches=patches)


def _open_em(data: Place, crop: Crop | Region) -> Multiscale:
    if isinstance(crop, Crop):
        return open_em(data, crop)
    path = em_path(data, crop.dataset)
    try:
        return open_multiscale(path)
    except FileMissing as error:
        raise EMMissing(f"no EM of {crop.dataset} at {path}; check --data and the dataset's name") from error


def _region(crop: Crop | Region, lattice: Grid) -> Box:
    """The box to be predicted; a region ends where the EM ends."""
    if isinstance(crop, Crop):
        return lattice.box_of(crop.extent, snap="outer")
    if crop.asked is None:
        return lattice.box
    box = lattice.box_of(crop.asked, snap="outer").intersect(lattice.box)
    if box.is_empty:
        raise EMMissing(
            f"{crop.dataset}: its EM, {_span(lattice.extent)}, has nothing of {_span(crop.asked)}"
        )
    return box


def _span(extent: Extent) -> str:
    sides = zip(extent.start_nm, extent.stop_nm, strict=True)
    return ",".join(f"{a:g}-{b:g}" for a, b in sides) + " nm"


def _fetching(crop: Crop | Region) -> str:
    return f"fetch it with: csc fetch-data --crops {crop.id}" if isinstance(crop, Crop) else "check --data"


def _has_wider_greys(dtype: np.dtype[Any], normal: Normalisation) -> bool:
    """Whether EM of whole numbers beyond 8 bit meets a checkpoint that saw none beyond 255."""
    return dtype.kind in "iu" and dtype.itemsize > 1 and normal.mean + normal.std <= 255


@dataclass(frozen=True)
class _Standing:
    """Which outputs of a crop are there already."""

    work: Path
    crop: Crop | Region
    classes: tuple[str, ...]
    way: dict[str, Any]
    overwrite: bool

    def sort(self, grid: Grid, seen: EMSeen) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The classes to do, and those that stand there already; `OutputExists` if they differ."""
        paths = {name: prediction_path(self.work, self.crop, name) for name in self.classes}
        there = [name for name, path in paths.items() if path.exists() and not self.overwrite]
        whys = {name: self._otherwise(paths[name], grid, seen) for name in there}
        if other := [name for name, why in whys.items() if why]:
            raise OutputExists(
                f"{paths[other[0]]} was predicted {whys[other[0]]}"
                f"{f' (and {len(other) - 1} more of this crop)' if other[1:] else ''}; "
                "choose another work folder or add --overwrite"
            )
        return tuple(name for name in self.classes if name not in there), tuple(there)

    def _otherwise(self, path: Path, grid: Grid, seen: EMSeen) -> str:
        """How what stands there was made, if not in this way; empty if it was."""
        otherwise = "by another checkpoint or in another way"
        try:
            image = open_multiscale(path)
        except (FormatError, FileMissing):  # something else stands there, which is an answer
            return otherwise
        record = image.attributes.get("organelle", {})
        stands = image.levels[0].grid
        if not (
            self.way.items() <= record.items() and stands.shape == grid.shape and stands.shares_lattice(grid)
        ):
            return otherwise
        return "from other EM" if is_other_em(seen, record.get("em", {})) else ""


def _bytes(views: Sequence[View], block_shape: Voxels, channels: int, images: int) -> int:
    """Memory of all views, which are under way side by side."""
    return sum(column_bytes(view.grid, block_shape, channels, images) for view in views)


def _fitting_block(views: Sequence[View], region: Box, channels: int, memory: float, images: int) -> Voxels:
    """The largest block that fits into `memory` bytes: all of y and x, else halved until it does."""
    depth = CHUNK
    y, x = (max(CHUNK, -(-n // CHUNK) * CHUNK) for n in region.shape[1:])
    while _bytes(views, (depth, y, x), channels, images) > memory and max(y, x) > CHUNK:
        if y >= x:
            y = -(-y // (2 * CHUNK)) * CHUNK
        else:
            x = -(-x // (2 * CHUNK)) * CHUNK
    return depth, y, x
