"""A checkpoint brings everything back, and a damaged or foreign one is refused."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from organelle.errors import CheckpointError, FileMissing, OutputExists
from organelle.models import (
    Checkpoint,
    ModelSettings,
    ModelSpec,
    Normalisation,
    build_network,
    checkpoint_hash,
    generator_states,
    load_checkpoint,
    require_classes,
    restore_generators,
    restore_network,
    save_checkpoint,
)


def make_spec(**changes: Any) -> ModelSpec:
    settings = ModelSettings.model_validate(
        {
            "network": "unet_2d",
            "options": {"features": [8] * 6, "dropout": 0.2},
            "classes": ["mito", "er"],
            "voxel_size_nm": [8, 8, 8],
            "patch_shape": [1, 32, 32],
            **changes,
        }
    )
    return settings.with_normalisation(Normalisation(mean=120, std=40))


@pytest.fixture
def spec() -> ModelSpec:
    torch.manual_seed(3)
    return make_spec()


def step(network: torch.nn.Module, optimiser: torch.optim.Optimizer, rng: np.random.Generator) -> None:
    x = torch.from_numpy(rng.standard_normal((2, 1, 32, 32), dtype=np.float32))
    network(x).square().mean().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_a_resumed_run_ends_with_the_tensors_of_an_undisturbed_one(tmp_path: Path, spec: ModelSpec) -> None:
    network = build_network(spec)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    rng = np.random.default_rng(5)
    for _ in range(2):
        step(network, optimiser, rng)
    states = generator_states(patches=rng)
    moment = Checkpoint(spec, 2, network.state_dict(), optimiser.state_dict(), states, state={"best": 0.5})
    path = save_checkpoint(tmp_path / "last.pt", moment)
    for _ in range(3):
        step(network, optimiser, rng)

    torch.manual_seed(99)
    loaded = load_checkpoint(path)
    again = restore_network(loaded).train()
    again_optimiser = torch.optim.AdamW(again.parameters(), lr=9.0)
    again_optimiser.load_state_dict(dict(loaded.optimiser))
    again_rng = np.random.default_rng(0)
    restore_generators(loaded.generators, patches=again_rng)
    for _ in range(3):
        step(again, again_optimiser, again_rng)

    assert (loaded.spec, loaded.step, loaded.state) == (spec, 2, {"best": 0.5})
    assert set(loaded.versions) == {"organelle", "torch", "monai", "numpy"}
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_averaged_weights_are_what_predicts(tmp_path: Path, spec: ModelSpec) -> None:
    weights = build_network(spec).state_dict()
    averaged = {name: tensor + 1 for name, tensor in weights.items()}
    loaded = load_checkpoint(save_checkpoint(tmp_path / "a.pt", Checkpoint(spec, 1, weights, ema=averaged)))
    name = next(iter(weights))
    assert torch.equal(restore_network(loaded).state_dict()[name], averaged[name])
    assert torch.equal(restore_network(loaded, averaged=False).state_dict()[name], weights[name])
    assert not restore_network(loaded).training


def test_the_hash_is_of_the_file_and_nothing_is_overwritten_unasked(tmp_path: Path, spec: ModelSpec) -> None:
    checkpoint = Checkpoint(spec, 1, {"w": torch.zeros(3)})
    path = save_checkpoint(tmp_path / "a.pt", checkpoint)
    first = checkpoint_hash(path)
    with pytest.raises(OutputExists):
        save_checkpoint(path, replace(checkpoint, step=2))
    assert checkpoint_hash(path) == first
    save_checkpoint(path, replace(checkpoint, step=2), overwrite=True)
    assert checkpoint_hash(path) != first
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("share", [0.02, 0.3, 0.98])
def test_a_lost_tail_is_noticed(tmp_path: Path, spec: ModelSpec, share: float) -> None:
    path = save_checkpoint(tmp_path / "a.pt", Checkpoint(spec, 1, build_network(spec).state_dict()))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"a\.pt is damaged"):
        load_checkpoint(path)


def test_a_single_flipped_bit_among_the_weights_is_noticed(tmp_path: Path, spec: ModelSpec) -> None:
    weights = torch.linspace(0, 1, 1000)
    path = save_checkpoint(tmp_path / "a.pt", Checkpoint(spec, 1, {"w": weights}))
    whole = bytearray(path.read_bytes())
    whole[whole.index(weights.numpy().tobytes()) + 2000] ^= 1
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"a\.pt is damaged.*data/0"):
        load_checkpoint(path)


def test_what_is_no_checkpoint_is_refused_without_running_it(tmp_path: Path, spec: ModelSpec) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    text, trap, weights, other = (
        tmp_path / name for name in ("text.pt", "trap.pt", "weights.pt", "other.pt")
    )
    text.write_text("hello")
    torch.save({"format": Trap()}, trap, pickle_module=pickle)
    torch.save({"w": torch.zeros(2)}, weights)
    torch.save([1, 2], other)
    for path in (text, trap, weights, other):
        with pytest.raises(CheckpointError, match=path.name):
            load_checkpoint(path)
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_that_lacks_a_part_is_refused(tmp_path: Path, spec: ModelSpec) -> None:
    path = save_checkpoint(tmp_path / "a.pt", Checkpoint(spec, 1, {}))
    record = torch.load(path, weights_only=True)
    for key, value in (("spec", '{"network": "unet_2d"}'), ("spec", "{"), ("model", None)):
        broken = {**record, key: value}
        if value is None:
            del broken[key]
        torch.save(broken, path)
        with pytest.raises(CheckpointError, match=r"a\.pt"):
            load_checkpoint(path)


def test_a_missing_file_names_its_neighbours(tmp_path: Path, spec: ModelSpec) -> None:
    save_checkpoint(tmp_path / "last.pt", Checkpoint(spec, 1, {}))
    with pytest.raises(FileMissing, match=r"nearest: last\.pt"):
        load_checkpoint(tmp_path / "lats.pt")
    with pytest.raises(FileMissing):
        checkpoint_hash(tmp_path / "nowhere" / "a.pt")


def test_weights_of_another_network_are_refused(spec: ModelSpec) -> None:
    weights = build_network(make_spec(options={"features": [16] * 6})).state_dict()
    with pytest.raises(CheckpointError, match="another network"):
        restore_network(Checkpoint(spec, 7, weights))


def test_a_checkpoint_of_other_classes_is_named(spec: ModelSpec) -> None:
    require_classes(spec, ("er",))
    with pytest.raises(CheckpointError, match=r"knows nothing of mito_mem, pm; nearest: mito\..*mito, er"):
        require_classes(spec, ("er", "mito_mem", "pm"))


def test_generators_that_were_not_saved_cannot_be_restored() -> None:
    states = generator_states(patches=np.random.default_rng(1))
    with pytest.raises(CheckpointError, match="noise"):
        restore_generators(states, noise=np.random.default_rng(1))
    with pytest.raises(CheckpointError, match="PCG64"):
        restore_generators(states, patches=np.random.Generator(np.random.MT19937(1)))
