"""A checkpoint carries its own truth: weights, and everything that is needed to use or resume them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import organelle
from organelle.errors import CheckpointError, FileMissing, OrganelleError, did_you_mean
from organelle.files import sha256, whole
from organelle.models.networks import build_network
from organelle.models.spec import ModelSettings, ModelSpec
from organelle.settings import parse_settings

if TYPE_CHECKING:
    import torch

FORMAT = "organelle checkpoint 1"


def current_versions() -> dict[str, str]:
    """The versions that numbers depend on: organelle, torch, monai, numpy."""
    return {
        "organelle": organelle.__version__,
        **{name: version(name) for name in ("torch", "monai", "numpy")},
    }


@dataclass(frozen=True)
class Checkpoint:
    """One moment of a training run, enough to go on as if nothing had happened."""

    spec: ModelSpec
    step: int
    """Optimiser steps done."""
    model: Mapping[str, torch.Tensor]
    """The network's `state_dict()`."""
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    """The optimiser's `state_dict()`."""
    generators: Mapping[str, Any] = field(default_factory=dict)
    """States of the random generators, as `generator_states` gives them."""
    ema: Mapping[str, torch.Tensor] | None = None
    """Averaged weights, for prediction, if the run keeps them."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the run must remember: numbers, texts, lists, dicts, tensors."""
    versions: Mapping[str, str] = field(default_factory=current_versions)


def save_checkpoint(path: Path | str, checkpoint: Checkpoint, *, overwrite: bool = False) -> Path:
    """Write `checkpoint`, whole or not at all; returns the path.

    Raises:
        OutputExists: something stands there and `overwrite` is false.
    """
    import torch

    record = {f.name: _plain(getattr(checkpoint, f.name)) for f in fields(checkpoint) if f.name != "spec"}
    record |= {"format": FORMAT, "spec": checkpoint.spec.model_dump_json()}
    with whole(path, overwrite=overwrite) as part:
        torch.save(record, part)
    return Path(path)


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint onto the CPU; nothing in it is executed.

    Raises:
        FileMissing: no file there.
        CheckpointError: damaged, or not a checkpoint of this project.
    """
    record = _read(_require_file(path))
    if record.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not an {FORMAT!r} file (found format {record.get('format')!r})")
    try:
        spec = parse_settings(ModelSpec, json.loads(record["spec"]), f"spec in {path}")
        return Checkpoint(spec, **{f.name: record[f.name] for f in fields(Checkpoint) if f.name != "spec"})
    except (KeyError, ValueError, TypeError, OrganelleError) as error:
        raise CheckpointError(f"{path} does not hold what a checkpoint holds: {error}") from error


def checkpoint_hash(path: Path | str) -> str:
    """SHA-256 of the file, by which predictions name the weights that they come from."""
    return sha256(_require_file(path))


def restore_network(checkpoint: Checkpoint, *, averaged: bool = True) -> torch.nn.Module:
    """The network with the checkpoint's weights, in evaluation mode.

    Args:
        checkpoint: where spec and weights come from.
        averaged: take the averaged weights when there are some.

    Raises:
        CheckpointError: the weights do not fit the network that the spec names.
    """
    network = build_network(checkpoint.spec)
    weights = checkpoint.ema if averaged and checkpoint.ema is not None else checkpoint.model
    load_weights(network, weights, f"checkpoint at step {checkpoint.step}")
    return network.eval()


def load_weights(network: torch.nn.Module, weights: Mapping[str, torch.Tensor], where: str) -> None:
    """Copy `weights` into `network`; `where` names their source in errors.

    Raises:
        CheckpointError: another network: names or shapes differ.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{where} belongs to another network: {error}") from None


def require_classes(
    spec: ModelSettings, classes: tuple[str, ...] | list[str], where: str = "checkpoint"
) -> None:
    """Raise `CheckpointError` unless the network of `spec` predicts all of `classes`."""
    if missing := [name for name in classes if name not in spec.classes]:
        raise CheckpointError(
            f"the {where} knows nothing of {', '.join(missing)}{did_you_mean(missing[0], spec.classes)}. "
            f"It predicts {', '.join(spec.classes)}: train with the missing classes, or leave them out"
        )


def require_channels(
    spec: ModelSettings, names: tuple[str, ...] | list[str], where: str = "checkpoint"
) -> None:
    """As `require_classes`, for channels: `mito`, `mito/distance` and the like."""
    known = [channel.name for channel in spec.channels]
    if missing := [name for name in names if name not in known]:
        raise CheckpointError(
            f"the {where} knows nothing of {', '.join(missing)}{did_you_mean(missing[0], known)}. "
            f"It predicts {', '.join(known)}: train with the missing ones, or leave them out"
        )


def _require_file(path: Path | str) -> Path:
    file = Path(path)
    if not file.is_file():
        siblings = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        raise FileMissing(f"no checkpoint at {file}{did_you_mean(file.name, siblings)}")
    return file


def _read(path: Path) -> dict[str, Any]:
    """The stored record; checksums first, because torch trusts them."""
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        record = None if broken else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails inside torch in any way there is
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {error}") from error
    if broken:
        raise CheckpointError(f"{path} is damaged: checksum of {broken!r} is wrong")
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} is not a checkpoint: it holds a {type(record).__name__}")
    return record


def _plain(value: Any) -> Any:
    """Mappings as dicts, so that nothing but plain types and tensors is stored."""
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value
