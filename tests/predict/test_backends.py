"""The same network in torch, ONNX Runtime and OpenVINO."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_networks import spec_of

from organelle.errors import CheckpointError, MissingExtra, SettingsError
from organelle.models import Checkpoint, build_network, checkpoint_hash, load_checkpoint, save_checkpoint
from organelle.predict import PredictSettings
from organelle.predict.backends import choose_backend, compare, one_thread_each
from organelle.predict.opening import open_forward
from organelle.predict.side_by_side import side_by_side

SOLID = {"network": "tiny_networks:Tiny", "options": {}, "patch_shape": [8, 16, 16], "stride": [8, 8, 8]}
FLAT = {**SOLID, "options": {"dimensions": 2}, "patch_shape": [16, 1, 24], "stride": [8, 1, 8]}
TARGETS = [{"kind": "distance", "class": "mito"}, {"kind": "affinities", "class": "mito"}]
NAMES = ["er", "mito/distance", "mito/affinity_0_0_1", "mito"]
ONNX = ["onnxruntime", "openvino"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory):
    """Writes checkpoints once: `drawn(**changes)`."""
    folder = tmp_path_factory.mktemp("checkpoints")
    written: dict[str, Path] = {}

    def write(**changes: object) -> Path:
        key = str(changes)
        if key not in written:
            spec = spec_of(**{**SOLID, **changes})
            torch.manual_seed(0)
            state = build_network(spec).state_dict()
            written[key] = save_checkpoint(folder / f"{len(written)}.ckpt", Checkpoint(spec, 0, state))
        return written[key]

    return write


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ONNX files of all tests here."""
    return tmp_path_factory.mktemp("onnx")


def opened(path, cache, names=None, **settings):
    how = PredictSettings(**settings)
    return open_forward([path], load_checkpoint(path).spec, how, names, cache=cache)


def em_of(shape, seed=0):
    return np.random.default_rng(seed).standard_normal((1, *shape)).astype(np.float32)


@pytest.mark.parametrize("backend", ONNX)
@pytest.mark.parametrize("changes", [{"targets": TARGETS}, {**FLAT, "context": [4]}])
def test_every_backend_says_what_torch_says(drawn, kept, backend, changes):
    path = drawn(**changes)
    spec = load_checkpoint(path).spec
    names = NAMES if spec.targets else None
    em = np.concatenate([em_of(spec.patch_shape, n) for n in range(spec.in_channels)])
    wanted, found = (opened(path, kept, names, backend=name) for name in ("torch", backend))
    np.testing.assert_allclose(found(em), wanted(em), atol=1e-5)
    assert wanted(em).std() > 0.1
    (agreement,) = found.agreements
    assert agreement.backend == backend
    assert 0 < agreement.largest_difference < 1e-5
    assert wanted.agreements == ()


@pytest.mark.parametrize("backend", ["torch", *ONNX])
def test_the_number_of_threads_changes_no_bit(drawn, kept, backend):
    path = drawn(targets=TARGETS)
    patches = [(n, em_of((8, 16, 16), n)) for n in range(8)]
    with one_thread_each():
        one, three = (
            [said for _, said in side_by_side(opened(path, kept, backend=backend, threads=n), patches, n)]
            for n in (1, 3)
        )
    np.testing.assert_array_equal(one, three)


def test_threads_of_torch_are_as_before_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with one_thread_each():
        assert torch.get_num_threads() == 1
        (inside,) = (said for _, said in side_by_side(lambda _: torch.get_num_threads(), [(0, 0)], 1))
        assert inside == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_the_onnx_file_is_written_once_per_checkpoint_and_patch(drawn, kept):
    path = drawn(targets=TARGETS)
    file = kept / f"{checkpoint_hash(path)}-8x16x16.onnx"
    opened(path, kept, backend="onnxruntime")
    written = file.stat()
    opened(path, kept, backend="openvino")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    wide = opened(path, kept, backend="openvino", window=[16, 16, 32])
    assert wide(em_of((16, 16, 32))).shape == (3, 16, 16, 32)
    assert (kept / f"{checkpoint_hash(path)}-16x16x32.onnx").is_file()


@pytest.mark.parametrize("backend", ONNX)
def test_a_kept_file_that_is_damaged_is_named(drawn, kept, tmp_path, backend):
    path = drawn()
    (tmp_path / f"{checkpoint_hash(path)}-8x16x16.onnx").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"8x16x16\.onnx is nothing that .* delete it"):
        opened(path, tmp_path, backend=backend)


@pytest.mark.parametrize("backend", ONNX)
def test_mirrors_and_turns_are_the_same_in_every_backend(drawn, kept, backend):
    path = drawn(targets=TARGETS)
    em = em_of((8, 16, 16))
    averages = {"mirrors": True, "turns": True}
    wanted, found = (opened(path, kept, NAMES, backend=name, **averages) for name in ("torch", backend))
    np.testing.assert_allclose(found(em), wanted(em), atol=1e-5)
    plain = opened(path, kept, NAMES, backend=backend)
    assert abs(plain(em) - wanted(em)).max() > 0.01


def test_without_a_folder_no_file_is_left(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert opened(drawn(), None, backend="onnxruntime")(em_of((8, 16, 16))).shape == (3, 8, 16, 16)
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith("onnx-")]


def test_auto_is_the_fastest_that_is_installed(monkeypatch):
    assert choose_backend("auto", "cpu") == "openvino"
    assert choose_backend("auto", "cuda:1") == "torch"
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_backend("auto", "cpu") == "onnxruntime"
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert choose_backend("auto", "cpu") == "torch"


@pytest.mark.parametrize("backend", ONNX)
def test_a_backend_that_is_not_installed_names_the_line_that_installs_it(
    drawn, tmp_path, backend, monkeypatch
):
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(MissingExtra, match=rf"{backend} is not installed.*pip install 'organelle\[infer\]'"):
        opened(drawn(), tmp_path, backend=backend)


def test_a_network_that_onnx_cannot_express_may_run_in_torch(drawn, tmp_path):
    path = drawn(network="tiny_networks:Undecided")
    with pytest.raises(CheckpointError, match=r'Undecided cannot be written as ONNX.*backend = "torch" runs'):
        opened(path, tmp_path, backend="openvino")
    assert not list(tmp_path.iterdir())
    assert opened(path, tmp_path)(em_of((8, 16, 16))).shape == (3, 8, 16, 16)


def test_a_backend_that_says_something_else_is_refused(drawn, kept, monkeypatch):
    monkeypatch.setattr(compare, "TOLERANCE", 0.0)
    with pytest.raises(CheckpointError, match=r"what onnxruntime says differs from torch by up to .*e-0"):
        opened(drawn(targets=TARGETS), kept, backend="onnxruntime")


def test_what_does_not_run_on_this_device_is_explained(drawn, kept):
    with pytest.raises(SettingsError, match=r'"openvino" runs on the CPU; on device = "cuda"'):
        opened(drawn(), kept, backend="openvino", device="cuda")
    with pytest.raises(SettingsError, match=r'"mixed" is for CUDA; on cpu leave it'):
        opened(drawn(), kept, precision="mixed", device="cpu")
