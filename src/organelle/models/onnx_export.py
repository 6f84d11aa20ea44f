"""A checkpoint as an ONNX file, which runs without torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import CheckpointError, require_module
from organelle.files import refuse_existing, whole
from organelle.models.checkpoint import Checkpoint, checkpoint_hash, load_checkpoint, restore_network
from organelle.models.em_like import em_like
from organelle.models.spec import ModelSpec

if TYPE_CHECKING:
    import torch

OPSET = 18
"""Version of ONNX's operators: the oldest that knows all that these networks need."""
TOLERANCE = 1e-4
"""Of the largest logit, or of 1 where all are smaller: float32 sums in another order differ by less."""
INPUT, OUTPUT = "em", "logits"


@dataclass(frozen=True)
class OnnxExport:
    """A written ONNX file, compared with torch.

    Attributes:
        path: the file.
        largest_difference: of any logit, over random and EM-like patches, one and two at a time.
        allowed: the difference that would have been too much.
    """

    path: Path
    largest_difference: float
    allowed: float


def export_onnx(
    checkpoint: Path | str, output: Path | str, *, overwrite: bool = False, seed: int = 0
) -> OnnxExport:
    """Write the network of a checkpoint as ONNX, and run it in onnxruntime to see that it is the same.

    The file maps `em`, float32 [batch, 1, (z,) y, x], grey values already normalised, to `logits`, float32
    [batch, class, (z,) y, x]. The batch is free, the patch is that of the spec. The averaged weights are
    taken. The metadata tells what it is and where it comes from: `organelle.spec` and `organelle.channels`
    (JSON), `organelle.checkpoint` (SHA-256), `organelle.step` and `organelle.versions` (JSON).

    Args:
        checkpoint: as training wrote it.
        output: the file; it appears when it has been checked.
        overwrite: replace what stands there.
        seed: of the patches that are compared.

    Raises:
        MissingExtra: onnx, onnxscript or onnxruntime is not installed.
        OutputExists: something stands at `output`.
        CheckpointError: the network cannot be written as ONNX, or gives other answers there.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        require_module(name, "export")
    refuse_existing(output, overwrite=overwrite)
    loaded = load_checkpoint(checkpoint)
    network = inference_network(loaded)
    notes = provenance(loaded, checkpoint)
    with whole(output, overwrite=overwrite) as part:
        written = write_compared(network, loaded.spec, part, notes, np.random.default_rng(seed))
    return OnnxExport(Path(output), written.largest_difference, written.allowed)


def write_compared(
    network: torch.nn.Module, spec: ModelSpec, path: Path, notes: dict[str, Any], rng: np.random.Generator
) -> OnnxExport:
    """Write `network`, in evaluation mode, with `notes` as metadata, and compare it with torch."""
    _write(network, spec, path)
    _note(path, notes)
    difference, allowed = _compare(network, spec, path, rng)
    if not difference <= allowed:
        raise CheckpointError(
            f"{spec.network}: in onnxruntime logits differ by up to {difference:.3g} from torch's, more than "
            f"the {allowed:.3g} that rounding explains; nothing was written. Use the checkpoint"
        )
    return OnnxExport(path, difference, allowed)


def inference_network(checkpoint: Checkpoint) -> torch.nn.Module:
    """The network as it predicts, in evaluation mode, without the layers that serve training alone."""
    spec = checkpoint.spec
    if ":" in spec.network or not spec.options.get("deep_supervision"):
        return restore_network(checkpoint)
    options = {key: value for key, value in spec.options.items() if key != "deep_supervision"}
    plain = spec.model_copy(update={"options": options})
    weights = checkpoint.model if checkpoint.ema is None else checkpoint.ema
    kept = {name: value for name, value in weights.items() if "head" not in name}
    return restore_network(Checkpoint(plain, checkpoint.step, kept))


def provenance(checkpoint: Checkpoint, path: Path | str) -> dict[str, Any]:
    """What an exported file says about where it comes from, as plain JSON values."""
    return {
        "spec": checkpoint.spec.model_dump(mode="json"),
        "channels": [asdict(channel) for channel in checkpoint.spec.channels],
        "checkpoint": checkpoint_hash(path),
        "step": checkpoint.step,
        "versions": dict(checkpoint.versions),
    }


def run_onnx(path: Path | str, patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of normalised patches [batch, 1, (z,) y, x] by the ONNX file at `path`, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: patches})[0], np.float32)


def _write(network: torch.nn.Module, spec: ModelSpec, path: Path) -> None:
    import torch

    example = torch.zeros((2, spec.in_channels, *spec.spatial_shape))
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                network,
                (example,),
                str(path),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"{spec.network} cannot be written as ONNX: {reason}") from error


def _note(path: Path, notes: dict[str, Any]) -> None:
    import onnx

    model = onnx.load(str(path))
    texts = {key: note if isinstance(note, str) else json.dumps(note) for key, note in notes.items()}
    onnx.helper.set_model_props(model, {f"organelle.{key}": text for key, text in texts.items()})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _compare(
    network: torch.nn.Module, spec: ModelSpec, path: Path, rng: np.random.Generator
) -> tuple[float, float]:
    """Largest difference to torch, and the largest allowed."""
    import torch

    grey = em_like((spec.in_channels, *spec.spatial_shape), spec.normalisation, rng)[None]
    random = rng.standard_normal((2, spec.in_channels, *spec.spatial_shape)).astype(np.float32)
    difference, largest = 0.0, 1.0
    for patches in (spec.normalisation(grey), random):
        with torch.inference_mode():
            wanted: Any = network(torch.from_numpy(patches)).numpy()
        found = run_onnx(path, patches)
        difference = max(difference, float(np.abs(found - wanted).max()))
        largest = max(largest, float(np.abs(wanted).max()))
    return difference, TOLERANCE * largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter tells of operators that no network here has, and of its own plans."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
