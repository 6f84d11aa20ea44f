"""A network in ONNX Runtime, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from organelle.errors import CheckpointError, require_module
from organelle.models import ModelSettings
from organelle.models.onnx_export import INPUT, OUTPUT
from organelle.predict.averaging import Answer
from organelle.predict.backends.activation import activated


def onnxruntime_answer(path: Path, spec: ModelSettings, channels: Sequence[int]) -> Answer:
    """The activated `channels` of the network in the ONNX file at `path`.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        CheckpointError: a file that it does not read.
    """
    runtime = require_module("onnxruntime", "infer")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no other base
        raise CheckpointError(
            f"{path} is nothing that ONNX Runtime reads: {' '.join(str(error).split())}; delete it, and it "
            "is written anew"
        ) from error

    def answer(em: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = em if spec.flat_axis is None else em.squeeze(spec.flat_axis + 1)
        logits = session.run([OUTPUT], {INPUT: np.ascontiguousarray(seen[None])})[0][0]
        return activated(logits, spec, channels)

    return answer
