"""A checkpoint as a model package of bioimage.io, which other programs open."""

from __future__ import annotations

import gc
import json
import re
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from organelle.errors import CheckpointError, SettingsError, require_module
from organelle.files import refuse_existing, whole
from organelle.models.checkpoint import Checkpoint, load_checkpoint
from organelle.models.em_like import em_like
from organelle.models.onnx_export import OPSET, inference_network, provenance, write_compared
from organelle.models.package_texts import cover_picture, environment, readme, tags
from organelle.models.registry import architecture
from organelle.models.spec import ModelSpec

if TYPE_CHECKING:
    import torch

CITATIONS = (
    {"text": "CellMap 2024: the data of the challenge", "doi": "10.25378/janelia.c.7456966"},
    {
        "text": "MONAI: an open-source framework for deep learning in healthcare",
        "doi": "10.48550/arXiv.2211.02701",
    },
)
"""Data and networks that a checkpoint comes from, unless something else is given."""


@dataclass(frozen=True)
class PackageExport:
    """A written model package.

    Attributes:
        path: the zip.
        formats: of its weights.
        largest_difference: of any logit of its ONNX weights to torch.
        allowed: the difference that would have been too much.
        warnings: what the specification recommends beyond what is there.
    """

    path: Path
    formats: tuple[str, ...]
    largest_difference: float
    allowed: float
    warnings: tuple[str, ...]


def export_bioimageio(
    checkpoint: Path | str,
    output: Path | str,
    *,
    name: str | None = None,
    authors: Sequence[str] = (),
    licence: str = "CC-BY-4.0",
    overwrite: bool = False,
    seed: int = 0,
) -> PackageExport:
    """Write a checkpoint as a bioimage.io model package (specification 0.5), and validate it.

    It holds rdf.yaml, ONNX weights, torch weights where a library makes the network from its name, a test
    input of grey values and the probabilities that belong to it, a cover picture and a page of explanation.
    Of a network that tells more than masks (`targets`) it gives the masks, and has ONNX weights alone.
    Axes have voxel size and nanometres; the normalisation is preprocessing, the sigmoid postprocessing.
    The time that it states is that of the checkpoint file.

    Args:
        checkpoint: as training wrote it.
        output: the zip.
        name: 5 to 128 letters, digits, spaces and `_+-()`; by default network and classes.
        authors: who made it.
        licence: an SPDX identifier; by default that of the challenge's data.
        overwrite: replace what stands there.
        seed: of the test input.

    Raises:
        MissingExtra: bioimageio.spec, onnx, onnxscript or onnxruntime is not installed.
        OutputExists: something stands at `output`.
        SettingsError: name or licence is not what the specification allows, or `output` no zip.
        CheckpointError: as `export_onnx`, or the package is not valid.
    """
    require_module("bioimageio.spec", "export")
    if Path(output).suffix != ".zip":
        raise SettingsError(f"a bioimage.io package is a zip; name it {Path(output).with_suffix('.zip')}")
    refuse_existing(output, overwrite=overwrite)
    loaded = load_checkpoint(checkpoint)
    name = name or _name(loaded.spec)
    _check_given(name, licence)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        network, notes = _masks_of(loaded), provenance(loaded, checkpoint)
        rng = np.random.default_rng(seed)
        compared = write_compared(network, loaded.spec, folder / "weights.onnx", notes, rng)
        weights = _write_parts(loaded, network, folder, rng)
        grey_type = str(np.load(folder / "test_input.npy").dtype)
        record = _record(loaded.spec, grey_type, weights, name, authors, licence)
        record["timestamp"] = datetime.fromtimestamp(Path(checkpoint).stat().st_mtime, UTC).isoformat()
        record["config"] |= {"organelle": notes}
        with whole(output, overwrite=overwrite) as part:
            told = _save(record, folder, part)
    return PackageExport(Path(output), tuple(weights), compared.largest_difference, compared.allowed, told)


def _masks_of(checkpoint: Checkpoint) -> torch.nn.Module:
    """The network as it predicts, without channels that a sigmoid does not make probabilities of classes."""
    network = inference_network(checkpoint)
    if not checkpoint.spec.targets:
        return network
    from organelle.models.masks_only import MasksOnly

    return MasksOnly(network, len(checkpoint.spec.classes)).eval()


def _write_parts(
    checkpoint: Checkpoint, network: torch.nn.Module, folder: Path, rng: np.random.Generator
) -> dict[str, Any]:
    """All files but rdf.yaml; returns the description of the weights."""
    import torch

    spec = checkpoint.spec
    grey = em_like((spec.in_channels, *spec.spatial_shape), spec.normalisation, rng)[None]
    with torch.inference_mode():
        logits = network(torch.from_numpy(spec.normalisation(grey)))
    probabilities = torch.sigmoid(logits).numpy().astype(np.float32)
    np.save(folder / "test_input.npy", grey)
    np.save(folder / "test_output.npy", probabilities)
    (folder / "cover.png").write_bytes(cover_picture(grey[0, 0], probabilities[0]))
    (folder / "README.md").write_text(readme(checkpoint))
    weights: dict[str, Any] = {"onnx": {"source": "weights.onnx", "opset_version": OPSET}}
    if torch_weights := _torch_weights(network, checkpoint, folder):
        weights["pytorch_state_dict"] = torch_weights
        weights["onnx"]["parent"] = "pytorch_state_dict"
    return weights


def _torch_weights(network: torch.nn.Module, checkpoint: Checkpoint, folder: Path) -> dict[str, Any] | None:
    """Weights for torch, where a library makes the network from its name and arguments."""
    import torch

    spec = checkpoint.spec
    call = architecture(spec.network, spec.options).library_call(
        spec.dimensions, len(spec.classes), spec.in_channels
    )
    if call is None or spec.targets:
        return None
    torch.save(network.state_dict(), folder / "weights.pt")
    (folder / "environment.yaml").write_text(environment(checkpoint))
    arguments = json.loads(json.dumps(dict(call.arguments)))
    return {
        "source": "weights.pt",
        "pytorch_version": torch.__version__.split("+")[0],
        "architecture": {"import_from": call.module, "callable": call.name, "kwargs": arguments},
        "dependencies": {"source": "environment.yaml"},
    }


def _record(
    spec: ModelSpec, grey_type: str, weights: dict[str, Any], name: str, authors: Sequence[str], licence: str
) -> dict[str, Any]:
    """rdf.yaml as a plain record."""
    from bioimageio.spec.model.v0_5 import ModelDescr

    names = [axis for position, axis in enumerate("zyx") if position != spec.flat_axis]
    scales = [size for position, size in enumerate(spec.voxel_size_nm) if position != spec.flat_axis]
    space = [
        {"type": "space", "id": axis, "unit": "nanometer", "scale": scale}
        for axis, scale in zip(names, scales, strict=True)
    ]
    mean, std = spec.normalisation.mean, spec.normalisation.std
    as_float = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    sizes = spec.spatial_shape
    em = {
        "id": "em",
        "description": "grey values of electron microscopy",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["em", *(f"em_{n}_times_coarser" for n in spec.context)]},
            *({**axis, "size": size} for axis, size in zip(space, sizes, strict=True)),
        ],
        "data": {"type": grey_type},
        "preprocessing": [  # without the last step the result would be cast back to whole numbers
            as_float,
            {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": mean, "std": std}},
            as_float,
        ],
        "test_tensor": {"source": "test_input.npy"},
    }
    probability = {
        "id": "probability",
        "description": "probability of each class",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": list(spec.classes)},
            *({**axis, "size": {"tensor_id": "em", "axis_id": axis["id"]}} for axis in space),
        ],
        "data": {"type": "float32", "range": [0.0, 1.0]},
        "postprocessing": [{"id": "sigmoid"}],
        "test_tensor": {"source": "test_output.npy"},
    }
    return {
        "type": "model",
        "format_version": ModelDescr.implemented_format_version,
        "name": name,
        "description": _description(spec),
        "authors": [{"name": author} for author in authors],
        "cite": list(CITATIONS),
        "license": licence,
        "tags": tags(spec),
        "documentation": {"source": "README.md"},
        "covers": [{"source": "cover.png"}],
        "inputs": [em],
        "outputs": [probability],
        "weights": weights,
        "config": {},
    }


def _save(record: dict[str, Any], folder: Path, path: Path) -> tuple[str, ...]:
    """Check `record` against the specification and write the zip; returns what is only recommended."""
    loudest = float(np.load(folder / "test_output.npy").max())
    tolerance = {"absolute_tolerance": min(1e-3, loudest / 200), "relative_tolerance": 1e-3}
    record["config"] |= {"bioimageio": {"reproducibility_tolerance": [tolerance]}}
    with redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves the closing of files to Python
        try:
            return _checked_and_saved(record, folder, path)
        finally:
            gc.collect()


def _checked_and_saved(record: dict[str, Any], folder: Path, path: Path) -> tuple[str, ...]:
    from bioimageio.spec import ModelDescr, ValidationContext, build_description, save_bioimageio_package

    context = ValidationContext(root=folder, file_name="rdf.yaml", progressbar=False, log_warnings=False)
    description = build_description(record, context=context)
    summary = description.validation_summary
    if not isinstance(description, ModelDescr) or summary.status == "failed":
        problems = "; ".join(f"{'.'.join(map(str, e.loc))}: {e.msg}" for e in summary.errors)
        raise CheckpointError(f"the package would not be a valid bioimage.io model: {problems}")
    with context:
        save_bioimageio_package(description, output_path=path)
    return tuple(f"{'.'.join(map(str, w.loc))}: {w.msg}" for w in summary.warnings)


def _check_given(name: str, licence: str) -> None:
    """Refuse before minutes of work what the specification would refuse after them."""
    from bioimageio.spec.generic.v0_3 import LicenseId
    from pydantic import TypeAdapter, ValidationError

    if not re.fullmatch(r"[A-Za-z0-9_+\-() ]{5,128}", name):
        raise SettingsError(f"{name!r} cannot name a model: 5 to 128 letters, digits, spaces and _+-()")
    try:
        TypeAdapter(LicenseId).validate_python(licence)
    except ValidationError:
        raise SettingsError(
            f"{licence!r} is not the SPDX identifier of a licence; write CC-BY-4.0, MIT, BSD-3-Clause ..."
        ) from None


def _description(spec: ModelSpec) -> str:
    return f"Tells {', '.join(spec.classes)} apart in volume electron microscopy, voxel by voxel."[:512]


def _name(spec: ModelSpec) -> str:
    """Network and classes, in the letters and the length that are allowed."""
    plain = re.sub(r"[^A-Za-z0-9_+\-() ]", " ", spec.network.rpartition(":")[2])
    text = f"{plain} for {' '.join(spec.classes)}"
    return text if len(text) <= 64 else f"{plain[:40]} for {len(spec.classes)} classes"
