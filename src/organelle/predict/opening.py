"""Checkpoints as one function on arrays: the backend, the checkpoints and the averages of `[predict]`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from organelle.errors import CheckpointError, SettingsError
from organelle.models import (
    Checkpoint,
    ModelSpec,
    Normalisation,
    checkpoint_hash,
    load_checkpoint,
    require_channels,
    restore_network,
)
from organelle.predict.averaging import Answer, mean_of
from organelle.predict.backends import (
    Agreement,
    Backend,
    choose_backend,
    choose_device,
    compare_answers,
    onnx_file,
    onnxruntime_answer,
    openvino_answer,
    torch_answer,
)
from organelle.predict.forward import Wanted
from organelle.predict.planes import views_of, widened
from organelle.predict.region import Forward
from organelle.predict.settings import PredictSettings
from organelle.predict.symmetry import symmetries_of


@dataclass(frozen=True)
class OpenedForward:
    """Networks that are ready to predict; called as a `Forward`.

    Attributes:
        forward: from one patch (image, z, y, x) to the wanted channels (channel, z, y, x).
        threads: how many patches to ask for at once: each is computed by one thread.
        agreements: how far each checkpoint's backend is from torch; empty for torch.
    """

    forward: Forward
    threads: int
    agreements: tuple[Agreement, ...] = ()

    def __call__(self, em: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `forward`."""
        return self.forward(em)


def open_forward(
    checkpoints: Sequence[Path | str],
    spec: ModelSpec,
    settings: PredictSettings,
    classes: Sequence[str] | None = None,
    *,
    cache: Path | str | None = None,
) -> OpenedForward:
    """The mean of what the networks of `checkpoints` say of a patch, its mirror and turned images.

    A backend that needs the ONNX file of a checkpoint takes seconds to write it when it is not in `cache`.
    It is compared with torch on one patch each time.

    Args:
        checkpoints: files made by training, whose specs agree with `spec`.
        spec: by which EM was read and normalised: that of the first checkpoint.
        settings: the section `[predict]`; its `checkpoints` are not looked at.
        classes: those wanted, or channels like `mito/distance`, in order; default: all of `spec.classes`.
        cache: folder where ONNX files are kept; default: none are.

    Raises:
        CheckpointError: a checkpoint that does not know a class, or was made for other voxels or patches
            than the first; a network that a backend cannot run, or runs to other answers.
        MissingExtra: a backend that is not installed.
        SettingsError: a device that is not here, or averages that make no sense.
    """
    names = tuple(spec.classes if classes is None else classes)
    require_undirected(spec, settings, names)
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="onnx-") as folder:
            return open_forward(checkpoints, spec, settings, names, cache=folder)
    opening = _Opening(spec, settings, names, Path(cache))
    members = [opening.member(Path(checkpoint)) for checkpoint in checkpoints]
    agreements = tuple(agreement for _, agreement in members if agreement is not None)
    return OpenedForward(mean_of([answer for answer, _ in members]), opening.threads, agreements)


def require_forward(specs: Mapping[Path, ModelSpec], settings: PredictSettings, names: Sequence[str]) -> None:
    """Raise what `open_forward` would, as far as settings and specs tell it; nothing is opened.

    Args:
        specs: of the checkpoints, by their files; the first is that by which EM is read.
        settings: the section `[predict]`.
        names: of the wanted channels.
    """
    spec = next(iter(specs.values()))
    for path, theirs in specs.items():
        require_agreement(path, theirs, spec, names)
        symmetries_of(_shown(theirs, settings), mirrors=settings.mirrors, turns=settings.turns)
    require_undirected(spec, settings, names)
    choose_backend(settings.backend, settings.device)


def require_undirected(spec: ModelSpec, settings: PredictSettings, names: Sequence[str]) -> None:
    """Raise `SettingsError` where planes across several axes would mix up what has a direction."""
    directed = [c.name for c in spec.channels if c.name in names and c.offset is not None]
    if directed and len(views_of(spec, settings.planes, settings.window)) > 1:
        raise SettingsError(
            f'[predict] planes = "any" would average {directed[0]} over planes in which its offset leads to '
            'different partners; use planes = "patch", or leave affinities out'
        )


def require_agreement(path: Path, theirs: ModelSpec, ours: ModelSpec, names: Sequence[str]) -> None:
    """Raise `CheckpointError` unless the answers of two specs to the same patch can be averaged."""
    require_channels(theirs, tuple(names), f"checkpoint {path}")
    for key in ("voxel_size_nm", "patch_shape", "context"):
        here, there = getattr(ours, key), getattr(theirs, key)
        if here != there:
            raise CheckpointError(
                f"{path} was trained with {key} = {list(there)}, the first checkpoint with {list(here)}; "
                "only checkpoints of the same voxel size and patch can be averaged"
            )
    for name in names:
        if _target(theirs, name) != _target(ours, name):
            raise CheckpointError(
                f"{path} learned {name} as {_target(theirs, name)}, the first checkpoint as "
                f"{_target(ours, name)}; only the same can be averaged"
            )


@dataclass(frozen=True)
class _Opening:
    spec: ModelSpec
    settings: PredictSettings
    names: tuple[str, ...]
    cache: Path

    @property
    def backend(self) -> Backend:
        return choose_backend(self.settings.backend, self.settings.device)

    @property
    def device(self) -> str:
        return choose_device(self.settings.device) if self.backend == "torch" else "cpu"

    @property
    def threads(self) -> int:
        import torch

        return self.settings.threads or (torch.get_num_threads() if self.device == "cpu" else 1)

    def member(self, path: Path) -> tuple[Answer, Agreement | None]:
        """What one checkpoint says, averaged over mirrors and turns, and whether it is what torch says."""
        checkpoint = load_checkpoint(path)
        require_agreement(path, checkpoint.spec, self.spec, self.names)
        shown = _shown(checkpoint.spec, self.settings)
        wanted = Wanted.of(shown, self.names, mirrors=self.settings.mirrors, turns=self.settings.turns)
        answer = torch_answer(
            restore_network(checkpoint),
            shown,
            wanted.needed,
            device=self.device,
            precision=self.settings.precision,
        )
        agreement = None
        if self.backend != "torch":
            onnx = self._from_onnx(checkpoint, path, wanted)
            agreement = compare_answers(self.backend, onnx, answer, shown, str(path))
            answer = onnx
        answer = renormalised(answer, self.spec.normalisation, checkpoint.spec.normalisation)
        return wanted.from_answer(answer), agreement

    def _from_onnx(self, checkpoint: Checkpoint, path: Path, wanted: Wanted) -> Answer:
        file = onnx_file(checkpoint, wanted.spec, checkpoint_hash(path), self.cache)
        if self.backend == "openvino":
            return openvino_answer(file, wanted.spec, wanted.needed, threads=self.threads)
        return onnxruntime_answer(file, wanted.spec, wanted.needed)


def renormalised(answer: Answer, ours: Normalisation, theirs: Normalisation) -> Answer:
    """`answer` for EM that was normalised in another way than the network was trained with."""
    if ours == theirs:
        return answer
    scale = np.float32(ours.std / theirs.std)
    shift = np.float32((ours.mean - theirs.mean) / theirs.std)
    return lambda em: answer(em * scale + shift)


def _shown(spec: ModelSpec, settings: PredictSettings) -> ModelSpec:
    """`spec` with the patch that the network is shown in prediction."""
    if settings.window is None:
        return spec
    seen = widened(spec, settings.window)
    return spec.model_copy(update={"patch_shape": seen.patch_shape, "stride": seen.stride})


def _target(spec: ModelSpec, name: str) -> dict[str, Any]:
    """What a channel was trained to be."""
    targets = (t for t in spec.targets if name in [channel.name for channel in t.channels])
    return next((t.model_dump(exclude={"weight"}) for t in targets), {"kind": "mask"})
