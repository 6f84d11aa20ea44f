"""A drawn cube of EM and a checkpoint: `python -m measuring.prediction FOLDER EDGE` predicts it."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from organelle.catalog import Catalog, Dataset, Region, em_path
from organelle.classes import Kind
from organelle.geometry import Grid
from organelle.models import Checkpoint, ModelSpec, build_network, save_checkpoint
from organelle.predict import PredictPlan, PredictSettings, plan_predict, predict
from organelle.volumes import create_multiscale

VOXEL_SIZE_NM = (8.0, 8.0, 8.0)
TILE = 64
SMALL = {"features": [8, 8, 8, 8, 8, 8], "groups": 4}
"""Options of a network that costs little, where memory is measured and not speed."""


@dataclass(frozen=True)
class Drawn:
    """A dataset of one cube of EM and a checkpoint, in a folder."""

    folder: Path
    edge: int

    @property
    def checkpoint(self) -> Path:
        """Of a network with fresh weights."""
        return self.folder / "network.ckpt"

    @property
    def data(self) -> Path:
        """Where the EM lies."""
        return self.folder / f"data{self.edge}"

    @property
    def spec(self) -> ModelSpec:
        """Of the checkpoint."""
        from organelle.models import load_checkpoint

        return load_checkpoint(self.checkpoint).spec

    def draw(self) -> Drawn:
        """Write the EM, a tile again and again."""
        grid = Grid(VOXEL_SIZE_NM, (4.0, 4.0, 4.0), (self.edge,) * 3)
        volume = create_multiscale(em_path(self.data, "drawn"), grid, np.uint8, kind=Kind.IMAGE).levels[0]
        grey = np.random.default_rng(0).normal(128, 40, (TILE,) * 3).clip(0, 255).astype(np.uint8)
        for place in grid.box.tiles((TILE,) * 3):
            volume.write(place, grey[tuple(slice(n) for n in place.shape)])
        return self

    def plan(self, work: Path, settings: PredictSettings) -> PredictPlan:
        """Of predicting all of it."""
        return plan_predict(
            self.checkpoint, CATALOG, None, data=self.data, work=work, settings=settings, regions=[REGION]
        )

    def predict(self, work: Path, settings: PredictSettings) -> float:
        """Predict all of it; returns seconds."""
        start = time.perf_counter()
        predict(
            self.checkpoint, CATALOG, None, data=self.data, work=work, settings=settings, regions=[REGION]
        )
        return time.perf_counter() - start


CATALOG = Catalog("drawn", {"drawn": Dataset("drawn")}, {}, {})
REGION = Region("drawn")


def write_checkpoint(path: Path, options: dict[str, object]) -> None:
    """A 3D U-Net for three classes, with weights as they are before training."""
    spec = ModelSpec.model_validate(
        {
            "network": "unet_3d",
            "options": options,
            "classes": ["mito", "er", "nuc"],
            "voxel_size_nm": VOXEL_SIZE_NM,
            "patch_shape": [64, 64, 64],
            "normalisation": {"mean": 128, "std": 40},
        }
    )
    import torch

    torch.manual_seed(0)
    save_checkpoint(path, Checkpoint(spec, 0, build_network(spec).state_dict()))


def main() -> None:
    """Predict a drawn cube in this process; print seconds and the most memory as JSON."""
    drawn = Drawn(Path(sys.argv[1]), int(sys.argv[2]))
    seconds = drawn.predict(drawn.folder / f"work{drawn.edge}", PredictSettings(memory_gb=0.2))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
