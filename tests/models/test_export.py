"""A checkpoint leaves as ONNX and as a bioimage.io package, and is still the same network there."""

from __future__ import annotations

import gc
import json
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from organelle.cli.everything import app
from organelle.errors import CheckpointError, MissingExtra, OutputExists, SettingsError
from organelle.models import (
    Checkpoint,
    ModelSettings,
    ModelSpec,
    Normalisation,
    build_network,
    checkpoint_hash,
    export_bioimageio,
    export_onnx,
    load_checkpoint,
    restore_network,
    save_checkpoint,
)
from organelle.models.onnx_export import run_onnx


class Undecided(torch.nn.Module):
    """A network that goes another way for another value, which cannot be written down."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x)
        return out if float(x.sum()) > 0 else -out


def spec_of(network: str = "dynunet_2d", **changes: Any) -> ModelSpec:
    settings = ModelSettings.model_validate(
        {
            "network": network,
            "options": {"features": [8, 8, 16], "deep_supervision": 1},
            "classes": ["mito", "er"],
            "voxel_size_nm": [16, 4, 8],
            "patch_shape": [1, 24, 16],
            **changes,
        }
    )
    return settings.with_normalisation(Normalisation(mean=120, std=40))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    spec = spec_of()
    weights = build_network(spec).state_dict()
    averaged = {name: value * 1.1 for name, value in weights.items()}
    path = tmp_path_factory.mktemp("run") / "best.ckpt"
    return save_checkpoint(path, Checkpoint(spec, 70, weights, ema=averaged))


def typed(*words: str | Path) -> Any:
    return CliRunner().invoke(app, ["export", *map(str, words)])


@pytest.fixture(scope="module")
def told(checkpoint: Path) -> Any:
    """What the command says that writes `mito.onnx` beside the checkpoint."""
    return typed(checkpoint, "--onnx", checkpoint.with_name("mito.onnx"))


@pytest.fixture(scope="module")
def written(checkpoint: Path, told: Any) -> Path:
    assert told.exit_code == 0, told.output
    return checkpoint.with_name("mito.onnx")


def test_the_file_answers_as_torch_does_for_any_batch(checkpoint: Path, written: Path) -> None:
    network = restore_network(load_checkpoint(checkpoint))
    for batch in (1, 2, 5):
        patches = torch.randn(batch, 1, 24, 16)
        with torch.no_grad():
            wanted = network(patches).numpy()
        np.testing.assert_allclose(run_onnx(written, patches.numpy()), wanted, rtol=1e-4, atol=1e-4)


def test_the_file_says_what_it_is_and_where_it_comes_from(checkpoint: Path, written: Path) -> None:
    model = onnx.load(str(written))
    notes = {note.key: note.value for note in model.metadata_props}
    assert ModelSpec.model_validate_json(notes["organelle.spec"]) == spec_of()
    assert notes["organelle.checkpoint"] == checkpoint_hash(checkpoint)
    assert notes["organelle.step"] == "70"
    assert json.loads(notes["organelle.versions"])["torch"]
    sizes = [side.dim_param or side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes[1:] == [1, 24, 16]
    assert isinstance(sizes[0], str)
    assert not [tensor.name for tensor in model.graph.initializer if "head" in tensor.name]


def test_an_answer_that_is_another_writes_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from organelle.models import onnx_export

    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    with pytest.raises(CheckpointError, match="more than the 0"):
        export_onnx(checkpoint, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_written_down_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.syspath_prepend(request.config.rootpath / "tests")
    spec = spec_of("models.test_export:Undecided", options={})
    path = save_checkpoint(tmp_path / "own.ckpt", Checkpoint(spec, 1, build_network(spec).state_dict()))
    with pytest.raises(CheckpointError, match=r"test_export:Undecided cannot be written as ONNX"):
        export_onnx(path, tmp_path / "own.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["own.ckpt"]


@pytest.mark.parametrize(
    ("missing", "exported"), [("onnxruntime", export_onnx), ("bioimageio.spec", export_bioimageio)]
)
def test_a_missing_extra_is_named(
    missing: str,
    exported: Callable[..., Any],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=r"organelle\[export\]"):
        exported(checkpoint, tmp_path / "a.zip")


@pytest.fixture(scope="module")
def package(checkpoint: Path) -> Path:
    return export_bioimageio(checkpoint, checkpoint.with_name("mito.zip"), authors=["A. Person"]).path


def described(package: Path) -> dict[str, Any]:
    """The package as the specification's own library reads it, which leaves files for Python to close."""
    from bioimageio.spec import load_description

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        model: Any = load_description(package)
        record: dict[str, Any] = model.model_dump(mode="json", exclude_unset=False)
        record["status"] = model.validation_summary.status
        del model
        gc.collect()
    return record


def test_the_package_is_valid_and_says_what_our_spec_says(package: Path) -> None:
    model = described(package)
    assert model["status"] != "failed"
    (em,), (probability,) = model["inputs"], model["outputs"]
    assert [(a["id"], a["unit"], a["scale"], a["size"]) for a in em["axes"][2:]] == [
        ("y", "nanometer", 4, 24),
        ("x", "nanometer", 8, 16),
    ]
    assert probability["axes"][1]["channel_names"] == ["mito", "er"]
    assert [a["scale"] for a in probability["axes"][2:]] == [4, 8]
    assert {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 120, "std": 40}} in em["preprocessing"]
    assert em["preprocessing"][-1]["kwargs"] == {"dtype": "float32"}
    assert probability["postprocessing"][0]["id"] == "sigmoid"
    assert (model["license"], model["authors"][0]["name"]) == ("CC-BY-4.0", "A. Person")
    assert "10.25378/janelia.c.7456966" in [entry["doi"] for entry in model["cite"]]
    assert model["covers"]
    assert model["config"]["organelle"]["step"] == 70


def test_both_weights_of_the_package_make_its_test_output_of_its_test_input(
    package: Path, tmp_path: Path
) -> None:
    """The reader knows the package alone, none of our code."""
    from monai.networks import nets

    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    model = described(package)
    grey, wanted = np.load(tmp_path / "test_input.npy"), np.load(tmp_path / "test_output.npy")
    assert grey.dtype == np.uint8
    assert (float(grey.mean()), float(grey.std())) == pytest.approx((120, 40), abs=4)
    normalised = (grey.astype(np.float32) - 120) / 40

    logits = run_onnx(tmp_path / "weights.onnx", normalised)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), wanted, atol=1e-4)

    call = model["weights"]["pytorch_state_dict"]["architecture"]
    network = getattr(nets, call["callable"])(**call["kwargs"])
    network.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    with torch.no_grad():
        again = torch.sigmoid(network.eval()(torch.from_numpy(normalised))).numpy()
    np.testing.assert_allclose(again, wanted, atol=1e-5)


def test_what_the_specification_does_not_allow_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot name a model"):
        export_bioimageio(checkpoint, tmp_path / "a.zip", name="mito/er")
    with pytest.raises(SettingsError, match="mine alone"):
        export_bioimageio(checkpoint, tmp_path / "a.zip", licence="mine alone")
    with pytest.raises(SettingsError, match=r"a\.zip"):
        export_bioimageio(checkpoint, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_of_a_network_that_tells_more_than_masks_the_package_gives_the_masks(tmp_path: Path) -> None:
    torch.manual_seed(3)
    spec = spec_of(targets=[{"kind": "distance", "class": "mito"}])
    path = save_checkpoint(tmp_path / "a.ckpt", Checkpoint(spec, 1, build_network(spec).state_dict()))
    package = export_bioimageio(path, tmp_path / "a.zip")
    assert package.formats == ("onnx",)
    model = described(package.path)
    assert model["outputs"][0]["axes"][1]["channel_names"] == ["mito", "er"]
    with zipfile.ZipFile(package.path) as archive:
        assert np.load(archive.open("test_output.npy")).shape == (1, 2, 24, 16)
    channels = model["config"]["organelle"]["channels"]
    assert [channel["name"] for channel in channels] == ["mito", "er", "mito/distance"]


def test_a_network_that_is_shown_its_surroundings_takes_one_image_for_each(tmp_path: Path) -> None:
    torch.manual_seed(3)
    spec = spec_of(context=[2], patch_shape=[1, 48, 32], stride=[1, 24, 16])
    path = save_checkpoint(tmp_path / "a.ckpt", Checkpoint(spec, 1, build_network(spec).state_dict()))
    package = export_bioimageio(path, tmp_path / "a.zip")
    assert package.largest_difference <= package.allowed
    names = described(package.path)["inputs"][0]["axes"][1]["channel_names"]
    assert names == ["em", "em_2_times_coarser"]
    with zipfile.ZipFile(package.path) as archive:
        assert np.load(archive.open("test_input.npy")).shape == (1, 2, 48, 32)


def test_the_command_prints_how_far_the_file_is_from_torch(
    checkpoint: Path, written: Path, told: Any
) -> None:
    assert "logits differ from torch's by at most" in told.output
    assert isinstance(typed(checkpoint, "--onnx", written).exception, OutputExists)
    assert isinstance(typed(checkpoint).exception, SettingsError)
    assert isinstance(typed(checkpoint, "--onnx", checkpoint).exception, SettingsError)
