"""When training ends early, what it keeps, and what stops it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from organelle.catalog import Catalog, load_catalog
from organelle.errors import CheckpointError, SettingsError, TrainingError
from organelle.models import ModelSettings, load_checkpoint
from organelle.sampling import CropCache, SamplingSettings
from organelle.train import TrainReport, TrainSettings, train

MODEL = ModelSettings(
    network="unet_3d",
    classes=("mito", "pm", "cyto"),
    voxel_size_nm=(8, 8, 8),
    patch_shape=(16, 16, 16),
    options={"features": (4, 4, 4, 4, 4, 4), "groups": 2},
)
SETTINGS = TrainSettings(steps=4, checkpoint_every=2, validate_every=1, precision="float32")
STATE = ("model", "ema")


@pytest.fixture(scope="module")
def catalog(tiny_challenge: Path) -> Catalog:
    return load_catalog(tiny_challenge)


def run(
    challenge: Path, catalog: Catalog, folder: Path, *, model: ModelSettings = MODEL, **more: Any
) -> TrainReport:
    settings = SETTINGS.model_copy(update=more.pop("settings", {}))
    return train(
        model,
        data=challenge / "bucket",
        run=folder,
        train_crops=[catalog.crop(11), catalog.crop(12)],
        validate_crops=[catalog.crop(14)],
        sampling=SamplingSettings(batch_size=more.pop("batch_size", 2), workers=0),
        settings=settings,
        **more,
    )


def tensors(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = load_checkpoint(path)
    return {f"{part}.{name}": value for part in STATE for name, value in getattr(checkpoint, part).items()}


def test_a_run_that_does_not_get_better_ends_and_stays_ended(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    settled = {"steps": 40, "patience": 2, "learning_rate": 1e-12, "average": 0.0}
    report = run(tiny_challenge, catalog, tmp_path / "run", settings=settled)
    assert report.steps < 10
    again = run(tiny_challenge, catalog, tmp_path / "run", settings=settled)
    assert again.resumed_at == again.steps == report.steps


def test_the_best_few_states_are_kept(tiny_challenge: Path, catalog: Catalog, tmp_path: Path) -> None:
    report = run(tiny_challenge, catalog, tmp_path / "run", settings={"keep_best": 2})
    kept = load_checkpoint(tmp_path / "run" / "last.ckpt").state["kept"]
    assert [score for score, _ in kept] == sorted((score for score, _ in kept), reverse=True)
    there = {f"step-{step}.ckpt" for _, step in kept}
    assert len(there) == 2
    assert {p.name for p in (tmp_path / "run" / "best").iterdir()} == there
    best = tensors(tmp_path / "run" / "best" / f"step-{kept[0][1]}.ckpt")
    assert all(torch.equal(a, best[name]) for name, a in tensors(report.checkpoint).items())


def test_a_loss_that_is_no_number_names_its_batch(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(
        TrainingError, match=r"step \d+ cannot be made: loss .* patches are of crop1[12]"
    ) as told:
        run(tiny_challenge, catalog, tmp_path / "run", settings={"learning_rate": 1e30, "warmup_steps": 0})
    (kept,) = (tmp_path / "run").glob("failed-step-*.npz")
    assert kept.name in str(told.value)
    with np.load(kept) as arrays:
        assert arrays["em"].shape == (2, 1, 16, 16, 16)
        assert set(arrays) == {"em", "target", "known"}


def test_data_that_changed_are_noticed(tiny_challenge: Path, catalog: Catalog, tmp_path: Path) -> None:
    challenge = shutil.copytree(tiny_challenge, tmp_path / "challenge")
    run(challenge, catalog, tmp_path / "run", settings={"steps": 2})
    (tmp_path / "run" / "best.ckpt").unlink()  # as if it had been cut off in its last step
    (chunk,) = (challenge / "bucket").glob("*/*.zarr/recon-1/labels/groundtruth/crop11/mito/s0/0/0/0")
    chunk.unlink()
    with pytest.raises(CheckpointError, match="crop11 changed since the run began"):
        run(challenge, catalog, tmp_path / "run", settings={"steps": 2})


def test_parts_of_a_batch_lead_to_about_the_same_step(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path
) -> None:
    whole = run(tiny_challenge, catalog, tmp_path / "a", settings={"steps": 1})
    parts = run(tiny_challenge, catalog, tmp_path / "b", settings={"steps": 1, "accumulate": 2})
    one, other = tensors(whole.run / "last.ckpt"), tensors(parts.run / "last.ckpt")
    assert any(not torch.equal(value, other[name]) for name, value in one.items())
    assert all(torch.allclose(value, other[name], atol=5e-3) for name, value in one.items())


@pytest.mark.soak
def test_a_cache_changes_nothing(tiny_challenge: Path, catalog: Catalog, tmp_path: Path) -> None:
    plain = tensors(run(tiny_challenge, catalog, tmp_path / "a", settings={"steps": 2}).checkpoint)
    for name in ("b", "c"):
        cache = CropCache(tmp_path / "cache", 2**30)
        cached = run(tiny_challenge, catalog, tmp_path / name, settings={"steps": 2}, cache=cache)
        found = tensors(cached.checkpoint)
        assert all(torch.equal(value, found[n]) for n, value in plain.items())
        assert cached.notes == ()


def test_networks_learn_more_than_masks(tiny_challenge: Path, catalog: Catalog, tmp_path: Path) -> None:
    targets = [{"kind": "distance", "class": "mito"}, {"kind": "affinities", "class": "mito"}]
    model = ModelSettings.model_validate({**MODEL.model_dump(), "targets": targets})
    assert [c.name for c in model.channels][3:] == [
        "mito/distance",
        *(f"mito/affinity_{o}" for o in ("1_0_0", "0_1_0", "0_0_1")),
    ]
    report = run(tiny_challenge, catalog, tmp_path / "run", model=model, settings={"steps": 2})
    last = load_checkpoint(report.checkpoint)
    assert last.spec.channels == model.channels
    assert 7 in {value.shape[0] for value in last.model.values() if value.ndim}
    assert report.best is not None


RANK_SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_going_on import load_catalog, run
challenge, folder = Path(sys.argv[1]), Path(sys.argv[2])
if __name__ == "__main__":
    run(challenge, load_catalog(challenge), folder, settings={{"steps": 3}}, batch_size=4)
"""


@pytest.mark.soak
def test_two_ranks_take_the_steps_of_one(tiny_challenge: Path, catalog: Catalog, tmp_path: Path) -> None:
    """Their patches hang over the crops to different degrees, so that their known shares differ."""
    script = tmp_path / "ranks.py"
    script.write_text(RANK_SCRIPT.format(tests=str(Path(__file__).parent)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, script, tiny_challenge, tmp_path / "two"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one = run(tiny_challenge, catalog, tmp_path / "one", settings={"steps": 3}, batch_size=4)
    alone, together = tensors(one.run / "last.ckpt"), tensors(tmp_path / "two" / "last.ckpt")
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=2e-5)
    losses = [(folder / "steps.csv").read_text().splitlines()[1:] for folder in (one.run, tmp_path / "two")]
    for a, b in zip(*losses, strict=True):
        assert float(a.split(",")[1]) == pytest.approx(float(b.split(",")[1]), rel=1e-5)


def test_more_ranks_than_patches(
    tiny_challenge: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from organelle.train.ranks import Ranks

    with pytest.raises(SettingsError, match="3 ranks cannot share batches of 2"):
        Ranks(0, 3).share(2)
    assert [list(Ranks(r, 3).share(7)) for r in range(3)] == [[0, 1], [2, 3], [4, 5, 6]]
