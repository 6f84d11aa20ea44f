"""Patches of cellmap-data, in an environment of its own: `python -m measuring.peer_patches FOLDER EDGES`.

Everything is as `CellMapDataSplit` makes it by default; the augmentation is that of the public training
templates of the challenge (examples/train_3D.py and train_2D.py of cellmap-segmentation-challenge).
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from cellmap_data import CellMapDataSplit, CellMapImage

from measuring.turns import Clock, play

TURN = [-180, 180]
MANNERS = {
    "3D": {
        "mirror": {"axes": {"x": 0.5, "y": 0.5, "z": 0.1}},
        "transpose": {"axes": ["x", "y", "z"]},
        "rotate": {"axes": {"x": TURN, "y": TURN, "z": TURN}},
    },
    "2D template": {
        "mirror": {"axes": {"x": 0.5, "y": 0.5}},
        "transpose": {"axes": ["x", "y"]},
        "rotate": {"axes": {"x": TURN, "y": TURN}},
    },
    "2D in plane": {"mirror": {"axes": {"x": 0.5, "y": 0.5}}, "rotate": {"axes": {"z": TURN}}},
    "plain": None,
}
SEED = 0


class Loader:
    """The training part of a data split, asked patch by patch: no batches are put together."""

    def __init__(self, folder: Path, shape: list[int], manner: str) -> None:
        torch.set_num_threads(1)
        self.cpu = {"imports": time.process_time()}
        told = json.loads((folder / "peer.json").read_text())
        spec = {"shape": shape, "scale": told["voxel_size_nm"]}
        split = CellMapDataSplit(
            input_arrays={"input": spec},
            target_arrays={"output": spec},
            classes=told["classes"],
            dataset_dict={"train": told["crops"]},
            pad=True,
            spatial_transforms=MANNERS[manner],
        )
        self.told, self.data = told, split.train_datasets_combined
        self.rng = np.random.default_rng(SEED)
        self.cpu["opening"] = time.process_time() - sum(self.cpu.values())
        self.draw(manner, 1, skip=0)
        self.cpu["first"] = time.process_time() - sum(self.cpu.values())

    def draw(self, manner: str, patches: int, skip: int = 1) -> dict[str, Any]:
        """Patches at places drawn evenly; the first `skip` do not count."""
        self.data.set_spatial_transforms(MANNERS[manner])
        places = self.rng.integers(len(self.data), size=patches + skip).tolist()
        clock = Clock(1, skip)
        for place in places:
            self.data[place]
            clock.tick()
        return clock.read()

    def look(self, manner: str, patches: int) -> dict[str, Any]:
        """What patches are like: shapes, types, values, and the share of voxels without any."""
        self.data.set_spatial_transforms(MANNERS[manner])
        drawn = [self.data[n] for n in self.rng.integers(len(self.data), size=patches).tolist()]
        targets = [found["output"] for found in drawn]
        return {
            "em": f"{tuple(drawn[0]['input'].shape)} {drawn[0]['input'].dtype}",
            "target": f"{tuple(targets[0].shape)} {targets[0].dtype}",
            "values": sorted({float(v) for t in targets for v in t[~t.isnan()].unique()}),
            "em_zero": round(float(np.mean([(found["input"] == 0).float().mean() for found in drawn])), 4),
            "nan": round(float(np.mean([t.isnan().float().mean() for t in targets])), 4),
            "mostly_nan": f"{sum(bool(t.isnan().float().mean() > 0.5) for t in targets)} of {patches}",
        }

    def check(self, patches: int) -> dict[str, Any]:
        """Compare patches without augmentation with slices of the stored arrays."""
        self.data.set_spatial_transforms(None)
        equal, unknown = 0, 0
        for place in self.rng.integers(len(self.data), size=patches).tolist():
            number = int(np.searchsorted(self.data.cumulative_sizes, place, side="right"))
            local = place - (self.data.cumulative_sizes[number - 1] if number else 0)
            data = self.data.datasets[number]
            found, centre = data[local], data._idx_to_center(local)
            em, target = found["input"].numpy()[0], found["output"].numpy()
            stored = [sliced(data.target_sources[name], centre) for name in data.classes]
            labels = np.stack([values.reshape(em.shape) for values in stored])
            grey = sliced(data.input_sources["input"], centre).reshape(em.shape)
            equal += np.array_equal(em, grey) and np.array_equal(target, labels > 0)
            unknown += int(((labels == 255) & (target == 1)).sum())
        return {"plain": patches, "equal to the arrays": equal, "unknown voxels called present": unknown}


def sliced(source: CellMapImage, centre: dict[str, float]) -> Any:
    """The stored values that a source should give at a centre."""
    voxel, first, length = source._voxel_size, source._origin, source.output_shape
    begin = [int(np.floor((centre[a] - first[a]) / voxel[a] - length[a] / 2)) for a in source.axes]
    here = tuple(slice(b, b + length[a]) for b, a in zip(begin, source.axes, strict=True))
    return zarr.open_array(f"{source.path}/s0", mode="r")[here]


def main() -> None:
    folder, shape, manner = Path(sys.argv[1]), [int(n) for n in sys.argv[2].split(",")], sys.argv[3]
    loader = Loader(folder, shape, manner)
    versions = {name: version(name) for name in ("cellmap-data", "torch", "zarr")}

    play(
        began=lambda: loader.cpu,
        draw=loader.draw,
        look=lambda **how: {**loader.look(**how), **versions},
        check=loader.check,
    )


if __name__ == "__main__":
    main()
