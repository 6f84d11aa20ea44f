"""The same bucket as a folder, over HTTP and on S3; servers that fail; folders that are in use."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bucket_servers import FAULTS, FlakyHandler, RangeHandler, close_bucket, serve, serve_s3
from drawn_bucket import CATALOG, tree

from organelle.catalog import em_path
from organelle.errors import EMMissing, SettingsError, TransferError
from organelle.fetch import FetchPlan, Retry, Source, open_source, plan_fetch, speedtest, transfer

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


def quick(attempts: int = 8) -> Retry:
    return Retry(attempts, 0.01, 0.05, np.random.default_rng(3))


def keys(plan: FetchPlan) -> list[tuple[str, int]]:
    return [(o.key, o.bytes) for o in plan.objects]


@pytest.fixture
def http(bucket: Path) -> Iterator[Source]:
    with serve(bucket) as server:
        yield open_source(server.url, retry=quick())


def test_the_plan_and_the_bytes_are_the_same_from_folder_http_and_s3(
    bucket: Path,
    http: Source,
    tmp_path: Path,
) -> None:
    (em_path(bucket, "d1") / "s0" / "1" / "0" / "0").unlink()
    expected = plan_fetch(bucket, CATALOG, "*", padding_voxels=5)
    assert len(expected.absent) == 1
    with serve_s3(bucket, "drawn") as endpoint:
        s3 = open_source("s3://drawn", endpoint=endpoint, retry=quick())
        for name, source in {"file": open_source(bucket.as_uri()), "http": http, "s3": s3}.items():
            plan = plan_fetch(source, CATALOG, "*", padding_voxels=5)
            assert keys(plan) == keys(expected)
            assert plan.absent == expected.absent
            transfer(plan, tmp_path / name)
            assert tree(tmp_path / name) == {key: (bucket / key).read_bytes() for key, _ in keys(plan)}
            assert transfer(pickle.loads(pickle.dumps(plan)), tmp_path / name).moved == 0


def test_s3_says_md5_and_errors_name_bucket_and_permission(bucket: Path) -> None:
    with serve_s3(bucket, "drawn") as endpoint:
        plan = plan_fetch(open_source("s3://drawn", endpoint=endpoint), CATALOG, [1])
        assert all(len(o.etag or "") == 32 for o in plan.objects)
        with pytest.raises(TransferError, match="no such bucket"):
            plan_fetch(open_source("s3://drown", endpoint=endpoint, retry=quick(2)), CATALOG, [1])
        close_bucket(endpoint, "drawn")
        with pytest.raises(TransferError, match="s3://drawn does not allow to read"):
            plan_fetch(open_source("s3://drawn", endpoint=endpoint, retry=quick(2)), CATALOG, [1])


def test_no_network_is_told_with_the_address(bucket: Path) -> None:
    with serve(bucket) as server:
        url = server.url
    with pytest.raises(TransferError, match=rf"{url} gave no whole answer .* in 2 attempts"):
        plan_fetch(open_source(url, retry=quick(2)), CATALOG, [1])


def test_a_server_that_fails_one_time_in_five_gives_everything(bucket: Path, tmp_path: Path) -> None:
    with serve(bucket, odds=0.2) as server:
        plan = plan_fetch(open_source(server.url, retry=quick(12)), CATALOG, "*", padding_voxels=99)
        transfer(plan, tmp_path / "data")
        assert set(server.faults) == set(FAULTS)
        assert server.requests < 3 * len(plan.objects)
    assert tree(tmp_path / "data") == {key: (bucket / key).read_bytes() for key, _ in keys(plan)}


def test_what_cannot_be_got_is_named_and_the_rest_is_kept(bucket: Path, http: Source, tmp_path: Path) -> None:
    plan = plan_fetch(http, CATALOG, [1])
    lost = plan.objects[1].key
    kept = (bucket / lost).read_bytes()
    (bucket / lost).unlink()
    with pytest.raises(TransferError, match=rf"1 of .*\n{lost}"):
        transfer(plan, tmp_path / "data")
    assert set(tree(tmp_path / "data")) == {o.key for o in plan.objects} - {lost}
    (bucket / lost).write_bytes(kept)
    assert transfer(plan, tmp_path / "data").moved == 1


def test_verify_finds_a_byte_that_flipped(bucket: Path, http: Source, tmp_path: Path) -> None:
    plan = plan_fetch(http, CATALOG, [1])
    transfer(plan, tmp_path / "data")
    victim = tmp_path / "data" / plan.objects[0].key
    flipped = bytearray(victim.read_bytes())
    flipped[-1] ^= 1
    victim.write_bytes(flipped)
    assert transfer(plan, tmp_path / "data").moved == 0
    assert transfer(plan, tmp_path / "data", verify=True).moved == 1
    assert victim.read_bytes() == (bucket / plan.objects[0].key).read_bytes()


def test_too_little_room_is_told_before_anything_moves(bucket: Path, tmp_path: Path) -> None:
    plan = plan_fetch(bucket, CATALOG, [1])
    part = plan.crops[0]
    huge = dataclasses.replace(part, em=(dataclasses.replace(part.em[0], bytes=10**18),))
    with pytest.raises(TransferError, match=r"1000000000\.\d+ GB are needed, but only \d+\.\d+ GB are free"):
        transfer(dataclasses.replace(plan, crops=(huge,)), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_killed_fetch_leaves_whole_files_only_and_the_next_goes_on(bucket: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serve(bucket, handler=FlakyHandler) as server:
        plan = plan_fetch(open_source(server.url, workers=2), CATALOG, "1 2")
        (tmp_path / "plan").write_bytes(pickle.dumps(plan))
        code = "import pickle, sys; from organelle.fetch import transfer; "
        code += "transfer(pickle.loads(open(sys.argv[1], 'rb').read()), sys.argv[2])"
        command = [sys.executable, "-c", code, str(tmp_path / "plan"), str(data)]
        before, server.pause_s = server.requests, 0.05
        with subprocess.Popen(command) as process:
            while server.requests < before + 6:
                assert process.poll() is None
            process.kill()
        server.pause_s = 0
        arrived = {k: v for k, v in tree(data).items() if "/.fetch-" not in k}
        assert 1 <= len(arrived) < len(plan.objects)
        assert all(value == (bucket / key).read_bytes() for key, value in arrived.items())
        assert transfer(plan, data).skipped == len(arrived)
    assert tree(data) == {key: (bucket / key).read_bytes() for key, _ in keys(plan)}


def test_em_that_ends_in_the_padding_is_noted_and_a_level_without_data_is_an_error(bucket: Path) -> None:
    assert plan_fetch(bucket, CATALOG, [1], padding_voxels=1).crops[0].is_cut
    assert not plan_fetch(bucket, CATALOG, [3], padding_voxels=1).crops[0].is_cut
    (em_path(bucket, "d1") / "s0" / "0" / "0" / "0").unlink()
    with pytest.raises(EMMissing, match=rf"crop1: {bucket}.*/s0 is listed, but has no EM chunk"):
        plan_fetch(bucket, CATALOG, [1])


def test_a_store_that_is_not_zarr_is_told(tmp_path: Path) -> None:
    folder = em_path(tmp_path, "d1")
    folder.mkdir(parents=True)
    (folder / "attributes.json").write_text(json.dumps({"n5": "2.0.0"}))
    with pytest.raises(EMMissing, match="crop1 of d1 has no EM in"):
        plan_fetch(tmp_path, CATALOG, [1])


def test_the_speed_is_that_of_the_bytes_that_came(http: Source) -> None:
    plan = plan_fetch(http, CATALOG, [1])
    speed = speedtest(http, CATALOG, [1], seconds=100)
    assert (speed.objects, speed.bytes) == (len(plan.objects), plan.bytes)
    assert 0 < speed.median_s < speed.seconds
    assert speed.megabytes_per_s == pytest.approx(plan.bytes / 1e6 / speed.seconds)
    assert 1 <= speedtest(http, CATALOG, [1], seconds=1e-9).objects < len(plan.objects)
    with pytest.raises(SettingsError, match="must be positive"):
        speedtest(http, CATALOG, [1], seconds=float("nan"))


def test_one_object_is_read_in_parts_when_the_url_names_it(bucket: Path) -> None:
    (bucket / "large.bin").write_bytes(bytes(3_000_000))
    with serve(bucket, handler=RangeHandler) as server:
        speed = speedtest(open_source(f"{server.url}/large.bin"), CATALOG, [1], seconds=100)
        assert (speed.objects, speed.bytes) == (3, 3_000_000)
        with pytest.raises(EMMissing, match="is that the root that holds d1/d1"):
            speedtest(open_source(f"{server.url}/nothing"), CATALOG, [1], seconds=100)
