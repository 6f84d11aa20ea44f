"""A network in OpenVINO, on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from organelle.errors import CheckpointError, require_module
from organelle.models import ModelSettings
from organelle.models.onnx_export import INPUT
from organelle.predict.averaging import Answer
from organelle.predict.backends.activation import activated


def openvino_answer(path: Path, spec: ModelSettings, channels: Sequence[int], *, threads: int = 1) -> Answer:
    """The activated `channels` of the network in the ONNX file at `path`.

    Args:
        path: of the file.
        spec: patch and channels.
        channels: those wanted, by index, in this order.
        threads: how many may ask at once and get an answer at once; each answer takes one.

    Raises:
        MissingExtra: OpenVINO is not installed.
        CheckpointError: a file that it does not read, or a network that it does not know.
    """
    openvino = require_module("openvino", "infer")
    # Without a hint it computes in bfloat16 where the processor can. Pinned, processes would share cores.
    how = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    try:
        core = openvino.Core()
        model = core.read_model(str(path))
        model.reshape({INPUT: [1, spec.in_channels, *spec.spatial_shape]})
        compiled = core.compile_model(model, "CPU", how)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} is nothing that OpenVINO runs: {' '.join(str(error).split())}; delete it, and it is "
            'written anew; or use [predict] backend = "torch"'
        ) from error
    own = threading.local()

    def answer(em: NDArray[np.float32]) -> NDArray[np.float32]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        seen = em if spec.flat_axis is None else em.squeeze(spec.flat_axis + 1)
        found = own.request.infer(
            {INPUT: np.ascontiguousarray(seen[None])}, share_inputs=True, share_outputs=True
        )
        return activated(found[0][0], spec, channels)

    return answer
