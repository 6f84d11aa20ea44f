"""Predict crops with a checkpoint and write one volume of probabilities per class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import organelle
from organelle.catalog import Catalog, prediction_path
from organelle.classes import Kind
from organelle.files import whole
from organelle.models import load_checkpoint, restore_network
from organelle.predict.em import ModelEM
from organelle.predict.forward import choose_device, network_forward
from organelle.predict.plan import CropPlan, PredictPlan, plan_predict, way_of
from organelle.predict.planes import predict_views
from organelle.predict.region import Forward, to_uint8
from organelle.predict.settings import PredictSettings
from organelle.progress import track
from organelle.stores import Place
from organelle.volumes import Volume, build_pyramid, create_multiscale, open_multiscale, write_groups

PROBABILITY_SCALE = 255
"""The stored value that means probability 1."""


@dataclass(frozen=True)
class PredictReport:
    """What `predict` did."""

    plan: PredictPlan
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    """Outputs that the same checkpoint had made before."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result should know."""
        return self.plan.warnings


def predict(
    checkpoint: Path | str,
    catalog: Catalog,
    crops: str | int | Iterable[str | int],
    *,
    data: Place | str,
    work: Path | str,
    settings: PredictSettings | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> PredictReport:
    """Write `{work}/predictions/{dataset}.zarr/crop{N}/{class}` for every crop and class.

    Each is a multiscale image of uint8 probabilities (255 = 1.0) on the dataset's lattice at the model's
    voxel size: the smallest box that covers the crop. It appears when it is whole; what the same
    checkpoint made before, in the same way, is kept, so that an interrupted run goes on where it stopped.

    Args:
        checkpoint: file made by training.
        catalog: what exists.
        crops: as in `Catalog.select`: `"test"`, `"*"`, numbers.
        data: folder that holds the EM.
        work: folder for the outputs.
        settings: the section `[predict]`.
        classes: those to write; default: all that the checkpoint knows.
        overwrite: replace outputs that stand there.

    Raises:
        CheckpointError: a damaged checkpoint, or one that does not know a class.
        EMMissing: a crop without EM.
        OutputExists: another checkpoint's output stands there. Nothing was computed.
    """
    plan = plan_predict(
        checkpoint,
        catalog,
        crops,
        data=data,
        work=work,
        settings=settings,
        classes=classes,
        overwrite=overwrite,
    )
    device = choose_device(plan.settings.device)
    network = restore_network(load_checkpoint(checkpoint))
    written: list[Path] = []
    for crop in plan.crops:
        if crop.classes:
            forward = network_forward(
                network, plan.spec, classes=crop.classes, mirrors=plan.settings.mirrors, device=device
            )
            written += _predict_crop(crop, plan, forward, overwrite=overwrite)
    kept = [prediction_path(plan.work, c.crop, name) for c in plan.crops for name in c.kept]
    return PredictReport(plan, tuple(written), tuple(kept))


def _predict_crop(crop: CropPlan, plan: PredictPlan, forward: Forward, *, overwrite: bool) -> list[Path]:
    """Predict one crop and write all of its classes; returns their paths."""
    em = ModelEM(open_multiscale(crop.em), plan.spec.voxel_size_nm, plan.spec.normalisation)
    paths = [prediction_path(plan.work, crop.crop, name) for name in crop.classes]
    with ExitStack() as stack:
        write_groups(paths[0].parent)
        parts = [stack.enter_context(whole(path, overwrite=overwrite)) for path in paths]
        images = [
            create_multiscale(
                part,
                crop.grid,
                np.uint8,
                kind=Kind.IMAGE,
                levels=plan.settings.levels,
                attributes={"organelle": _record(name, plan)},
            )
            for part, name in zip(parts, crop.classes, strict=True)
        ]
        counted = stack.enter_context(_counted(forward, crop.patches, f"predict {crop.crop.name}"))
        _fill([image.levels[0] for image in images], counted, em, crop, plan)
        for image in images:
            build_pyramid(image, Kind.IMAGE)
    return paths


def _fill(volumes: list[Volume], forward: Forward, em: ModelEM, crop: CropPlan, plan: PredictPlan) -> None:
    slabs = predict_views(
        forward,
        em,
        crop.region,
        plan.views,
        crop.block_shape,
        channels=len(volumes),
        blending=plan.settings.blending,
    )
    for box, means in slabs:
        for volume, probabilities in zip(volumes, means, strict=True):
            volume.write(box.relative_to(crop.region), to_uint8(probabilities))


@contextmanager
def _counted(forward: Forward, patches: int, what: str) -> Iterator[Forward]:
    """`forward` with a progress bar of `patches` steps."""
    with closing(track(range(patches), what)) as steps:

        def count(em: NDArray[np.float32]) -> NDArray[np.float32]:
            next(steps, None)
            return forward(em)

        yield count


def _record(class_name: str, plan: PredictPlan) -> dict[str, Any]:
    """What the volume says about itself."""
    return {
        "stage": "prediction",
        "class": class_name,
        "classes": list(plan.spec.classes),
        "version": organelle.__version__,
        "probability_scale": PROBABILITY_SCALE,
        **way_of(plan.checkpoint_sha256, plan.settings),
        "model": plan.spec.model_dump(mode="json"),
    }
