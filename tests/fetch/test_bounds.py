from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from drawn_bucket import CATALOG

from organelle.catalog import Dataset, load_catalog
from organelle.errors import SettingsError
from organelle.fetch import bound_fetch, plan_fetch

MEASURED = dataclasses.replace(
    CATALOG, datasets={"d1": Dataset("d1", em_voxel_size_nm=(8, 8, 8), extent_um_xyz=(0.512, 0.512, 0.512))}
)


@pytest.mark.parametrize("padding", [0, 1, 7, 40])
@pytest.mark.parametrize("all_resolutions", [False, True])
def test_no_plan_exceeds_its_bound(drawn: Path, padding: int, all_resolutions: bool) -> None:
    chunks = (16, 16, 16)
    plan = plan_fetch(drawn, CATALOG, "*", padding_voxels=padding, all_resolutions=all_resolutions)
    bounds = bound_fetch(
        MEASURED, "*", padding_voxels=padding, all_resolutions=all_resolutions, em_chunks=chunks
    )
    for part, bound in zip(plan.crops, bounds, strict=True):
        stored = [o for o in part.em if o.key.rpartition("/")[2].isdigit()]
        assert 0 < len(stored) * math.prod(chunks) <= bound.em_bytes
        assert (bound.label_bytes > 0) == (not part.crop.is_test)


def test_the_bound_of_a_known_crop_is_counted_by_hand() -> None:
    bound = bound_fetch(MEASURED, [2], classes=["er"], em_chunks=(64, 64, 64), label_chunks=(16, 16, 16))[0]
    # crop 2: 16 voxels of 16 nm; EM levels 16 nm (32 voxels, one chunk holds all) and none coarser
    assert bound.label_bytes == 16**3
    assert bound.em_bytes == 2**3 * 64**3


def test_the_whole_challenge_is_bounded_without_a_network() -> None:
    catalog = load_catalog()
    everything = bound_fetch(catalog)
    assert len(everything) == len(catalog.train_crops)
    assert {b.label_bytes for b in bound_fetch(catalog, "test")} == {0}
    assert all(b.em_bytes > math.prod(b.crop.extent.shape_nm) / 1e3**3 for b in everything)
    with pytest.raises(SettingsError, match="does not say"):
        bound_fetch(CATALOG, [1])


def test_the_command_prints_what_it_assumed() -> None:
    from typer.testing import CliRunner

    from organelle.cli.everything import app

    said = CliRunner().invoke(app, ["fetch-data", "--crops", "247", "--dry-run", "--offline"])
    assert said.exit_code == 0
    assert "at most 10.58 GB of EM" in said.output
    assert "chunks of 128 x 128 x 128 voxels" in said.output
    assert isinstance(CliRunner().invoke(app, ["fetch-data", "--offline"]).exception, SettingsError)
