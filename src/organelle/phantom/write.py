"""A phantom as a small challenge: tables, bucket and truth, as other catalogs have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from organelle.catalog import Catalog, Crop, Dataset, em_folder, label_path, labels_folder, write_tables
from organelle.classes import Kind
from organelle.files import refuse_existing, whole
from organelle.phantom.crops import CropPlan
from organelle.phantom.draw import Phantom, draw_phantom
from organelle.phantom.settings import PhantomSettings
from organelle.volumes import write_labels, write_multiscale, write_volume


def write_phantom(
    folder: Path | str,
    settings: PhantomSettings | None = None,
    seed: int = 0,
    *,
    plans: Sequence[CropPlan] | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw a phantom and write it as a challenge of its own; the folder appears whole.

    It holds `datasets.csv`, `train_crops.csv`, `test_crops.csv`, `bucket/` (EM and training labels) and
    `truth.zarr` (the test crops, with a `{class}_mask` that is 0 where the truth is unknown). The same
    settings, seed and plans give the same bytes. `draw_phantom` says what `plans` are.

    Raises:
        OutputExists: `folder` is there and `overwrite` is false.
        SettingsError: the volume is too small for its crops.
    """
    settings = settings or PhantomSettings()
    refuse_existing(folder, overwrite=overwrite)
    phantom = draw_phantom(settings, seed=seed, plans=plans)
    with whole(folder, overwrite=overwrite) as part:
        catalog = _catalog(phantom, settings, seed)
        write_tables(catalog, part)
        write_multiscale(
            em_folder(part / "bucket", settings.dataset),
            phantom.em, phantom.em_grid, kind=Kind.IMAGE, levels=settings.em_levels,
        )  # fmt: skip
        for plan in phantom.crops:
            crop = catalog.crop(plan.number)
            if plan.is_test:
                _write_truth(part / "truth.zarr", phantom, plan, crop)
            else:
                _write_training(part / "bucket", phantom, plan, crop, settings.label_levels)
    return Path(folder)


def _catalog(phantom: Phantom, settings: PhantomSettings, seed: int) -> Catalog:
    z, y, x = (n / 1000 for n in phantom.em_grid.extent.shape_nm)
    dataset = Dataset(
        name=settings.dataset,
        sample=f"phantom, seed {seed}",
        kind="synthetic tissue",
        em_voxel_size_nm=settings.voxel_size_nm,
        extent_um_xyz=(x, y, z),
    )
    crops = [
        Crop(plan.number, dataset.name, phantom.crop(plan).grid, plan.classes, plan.is_test)
        for plan in phantom.crops
    ]
    train, test = ({c.id: c for c in crops if c.is_test is wanted} for wanted in (False, True))
    return Catalog("phantom", {dataset.name: dataset}, train, test)


def _write_training(bucket: Path, phantom: Phantom, plan: CropPlan, crop: Crop, levels: int) -> None:
    specimen = phantom.crop(plan)
    for name in plan.classes:
        labels = specimen.annotation(name)
        write_labels(label_path(bucket, crop, name), labels, specimen.grid, name, levels=levels)
    finest = specimen.finest(plan.classes)
    write_multiscale(
        labels_folder(bucket, crop) / "all", finest, specimen.grid, kind=Kind.SEMANTIC, levels=levels
    )


def _write_truth(store: Path, phantom: Phantom, plan: CropPlan, crop: Crop) -> None:
    specimen = phantom.crop(plan)
    for name in plan.classes:
        labels, known = specimen.labels(name)
        write_volume(store / crop.name / name, labels, specimen.grid)
        if not known.all():
            write_volume(store / crop.name / f"{name}_mask", known.astype(np.uint8), specimen.grid)
