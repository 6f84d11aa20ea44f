"""The ONNX file of a checkpoint, written once and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from organelle.errors import CheckpointError, require_installed
from organelle.files import whole
from organelle.models import Checkpoint, ModelSettings
from organelle.predict.backends.choice import NEEDED


def onnx_file(checkpoint: Checkpoint, spec: ModelSettings, sha256: str, folder: Path | str) -> Path:
    """The network of a checkpoint as ONNX, for patches of `spec`: what lies in `folder`, or written now.

    The file is named by the checkpoint's hash and the patch. It appears whole; of several processes that
    write it at once the last one's stays, which is the same.

    Args:
        checkpoint: what to write.
        spec: its patch, which may be larger than the checkpoint's.
        sha256: of the checkpoint's file.
        folder: of kept files.

    Raises:
        MissingExtra: what writes ONNX is not installed.
        CheckpointError: a network that ONNX cannot express, or that gives other answers there.
    """
    path = Path(folder) / f"{sha256}-{'x'.join(map(str, spec.patch_shape))}.onnx"
    if not path.is_file():
        require_installed(NEEDED["onnxruntime"], "infer")
        with whole(path, overwrite=True) as part:
            _write(checkpoint, spec, sha256, part)
    return path


def _write(checkpoint: Checkpoint, spec: ModelSettings, sha256: str, path: Path) -> None:
    from organelle.models.onnx_export import inference_network, write_compared

    seen = checkpoint.spec.model_copy(update={"patch_shape": spec.patch_shape, "stride": spec.stride})
    try:
        network = inference_network(checkpoint)
        write_compared(network, seen, path, {"checkpoint": sha256}, np.random.default_rng(0))
    except CheckpointError as error:
        raise CheckpointError(f'{error}. [predict] backend = "torch" runs it as it is') from error
