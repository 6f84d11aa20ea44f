"""What a model package tells people: its page, its picture, its tags, and what its torch weights need."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.models.checkpoint import Checkpoint
from organelle.models.spec import ModelSpec

SIDE = 256
"""Pixels that a small patch is enlarged to in the picture."""


def readme(checkpoint: Checkpoint) -> str:
    """The page beside a model, in Markdown."""
    spec = checkpoint.spec
    size = " x ".join(f"{size:g}" for size in spec.voxel_size_nm)
    patch, step = (" x ".join(map(str, sizes)) for sizes in (spec.spatial_shape, spec.stride))
    return f"""# {spec.network} for volume electron microscopy

Gives the probability of each of these classes for every voxel: {", ".join(spec.classes)}.
The classes are those of the CellMap Segmentation Challenge; several may hold at one voxel.

Trained for {checkpoint.step} steps at voxels of {size} nm (z, y, x). Resample what has other voxels.
The network sees patches of {patch} voxels. Step by {step} (z, y, x) and blend where patches overlap.

Input are grey values as stored. They are normalised with the mean {spec.normalisation.mean:.6g} and the
standard deviation {spec.normalisation.std:.6g} of the training data, always the same.

## Validation

Predict a volume with known labels that was not trained on, and compare per class: intersection over union for
masks, matched objects for instances, over annotated voxels only.
"""


def environment(checkpoint: Checkpoint) -> str:
    """A conda environment that runs the torch weights."""
    versions = checkpoint.versions
    needed = (f"torch=={versions['torch'].partition('+')[0]}", f"monai=={versions['monai']}", "einops")
    lines = ["name: organelle", "channels:", "  - conda-forge", "dependencies:"]
    lines += ["  - python>=3.11", "  - pip", "  - pip:", *(f"    - {name}" for name in needed)]
    return "\n".join(lines) + "\n"


def tags(spec: ModelSpec) -> list[str]:
    """Words by which the model is found."""
    kind = spec.network.partition("_")[0] if ":" not in spec.network else "own-network"
    return [
        "electron-microscopy",
        "fib-sem",
        "organelles",
        "cells",
        "semantic-segmentation",
        f"{spec.dimensions}d",
        kind,
        "pytorch",
    ]


def cover_picture(grey: NDArray[Any], probabilities: NDArray[np.float32]) -> bytes:
    """PNG, twice as wide as high: the middle of a patch, and beside it the likeliest class in colour.

    Args:
        grey: ([z,] y, x).
        probabilities: (class, [z,] y, x), 0 to 1.
    """
    from matplotlib import colormaps, image

    if grey.ndim == 3:
        grey, probabilities = grey[len(grey) // 2], probabilities[:, probabilities.shape[1] // 2]
    plain = np.repeat(grey[..., None] / max(1, int(grey.max())), 3, axis=2)
    colour = colormaps["tab10"](probabilities.argmax(0) % 10)[..., :3]
    share = 0.7 * probabilities.max(0)[..., None]
    both = np.concatenate([_square(plain), _square((1 - share) * plain + share * colour)], axis=1)
    file = io.BytesIO()
    image.imsave(file, both.clip(0, 1), format="png")
    return file.getvalue()


def _square(picture: NDArray[Any]) -> NDArray[Any]:
    """The middle square, with pixels repeated until it is large enough to be looked at."""
    side = min(picture.shape[:2])
    y, x = ((n - side) // 2 for n in picture.shape[:2])
    times = max(1, SIDE // side)
    return picture[y : y + side, x : x + side].repeat(times, axis=0).repeat(times, axis=1)
