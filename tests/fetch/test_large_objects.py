"""Objects that are larger than what is held at once, and answers that are not what was announced."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bucket_servers import TaggedHandler, TrickleHandler, s3_client, serve, serve_s3
from drawn_bucket import CROPS, tree

from organelle.errors import TransferError
from organelle.fetch import CropPlan, FetchObject, FetchPlan, Retry, Source, open_source, transfer
from organelle.stores.source import PIECE_BYTES

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

LARGE = 2 * PIECE_BYTES + 12345


def quick(attempts: int = 8) -> Retry:
    return Retry(attempts, 0.01, 0.05, np.random.default_rng(3))


def plan_of(source: Source, *keys: str) -> FetchPlan:
    found = source.ask(keys)
    objects = tuple(FetchObject(key, found[key].bytes, found[key].etag) for key in keys)
    return FetchPlan(source, (CropPlan(CROPS[3], ("s0",), objects, (), ()),))


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A bucket of one large object and a small one."""
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket" / "large").write_bytes(np.random.default_rng(2).bytes(LARGE))
    (tmp_path / "bucket" / "small").write_bytes(b"small")
    return tmp_path / "bucket"


def test_a_large_object_comes_in_pieces_from_every_kind_of_store(large: Path, tmp_path: Path) -> None:
    with serve(large) as server, serve_s3(large, "drawn") as endpoint:
        sources = {"file": large, "no-ranges": server.url, "s3": "s3://drawn"}
        for name, url in sources.items():
            plan = plan_of(open_source(url, endpoint=endpoint, retry=quick(2)), "large", "small")
            assert [len(p) for p in plan.source.pieces("small", plan.source.ask(["small"])["small"])] == [5]
            transfer(plan, tmp_path / name)
            assert tree(tmp_path / name) == tree(large)


def test_pieces_are_no_larger_than_promised(large: Path) -> None:
    source = open_source(large)
    sizes = [len(piece) for piece in source.pieces("large", source.ask(["large"])["large"])]
    assert sizes == [PIECE_BYTES, PIECE_BYTES, 12345]


def test_a_server_without_ranges_that_cuts_off_is_asked_until_all_is_there(
    large: Path, tmp_path: Path
) -> None:
    with serve(large, odds=0.7) as server:
        plan = plan_of(open_source(server.url, retry=quick(40)), "large")
        transfer(plan, tmp_path / "data")
        assert server.faults["truncated"]
    assert (tmp_path / "data" / "large").read_bytes() == (large / "large").read_bytes()


def test_an_upload_in_parts_has_no_md5_and_is_compared_only(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    with serve_s3(tmp_path / "bucket", "drawn") as endpoint:
        client = s3_client(endpoint)
        upload = client.create_multipart_upload(Bucket="drawn", Key="a", ACL="public-read")["UploadId"]
        part = {"Bucket": "drawn", "Key": "a", "UploadId": upload}
        tag = client.upload_part(**part, PartNumber=1, Body=b"voxels")["ETag"]
        client.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
        client.put_object_acl(Bucket="drawn", Key="a", ACL="public-read")
        source = open_source("s3://drawn", endpoint=endpoint, retry=quick(2))
        plan = plan_of(source, "a")
        assert (plan.objects[0].etag or "").endswith("-1")
        assert transfer(plan, tmp_path / "data").moved == 1
        client.put_object(Bucket="drawn", Key="a", Body=b"others", ACL="public-read")
        client.close()
        (tmp_path / "data" / "a").unlink()
        with pytest.raises(TransferError, match="a: it changed in the source after the plan was made"):
            transfer(plan, tmp_path / "data")
        assert transfer(plan_of(source, "a"), tmp_path / "data").moved == 1


@pytest.mark.parametrize("name", ["large", "small"])
def test_bytes_that_do_not_have_the_md5_announced_are_asked_for_again(
    large: Path, tmp_path: Path, name: str
) -> None:
    with serve(large, handler=TaggedHandler) as server:
        server.spoiled = 2
        plan = plan_of(open_source(server.url, retry=quick(3)), name)
        transfer(plan, tmp_path / "data")
        assert (tmp_path / "data" / name).read_bytes() == (large / name).read_bytes()
        server.spoiled = 1000
        with pytest.raises(TransferError, match=f"{name}: what arrived has md5:.*, but the source announced"):
            transfer(plan, tmp_path / "other")
    assert tree(tmp_path / "other") == {}


def test_memory_does_not_follow_the_size_of_objects(tmp_path: Path) -> None:
    code = """
import resource, sys
from organelle.fetch import *
from organelle.fetch.survey import FetchObject
source = open_source(sys.argv[1], workers=4)
found = source.ask("0123")
objects = [FetchObject(key, entry.bytes, entry.etag) for key, entry in found.items()]
next(source.pieces("0", found["0"]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
crop = CropPlan(None, (), tuple(objects), (), ())
transfer(FetchPlan(source, (crop,)), sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    (tmp_path / "bucket").mkdir()
    for n in range(4):
        with (tmp_path / "bucket" / str(n)).open("wb") as stream:
            stream.truncate(60 * 10**6)
    with serve(tmp_path / "bucket") as server:
        for name, root in {"folder": str(tmp_path / "bucket"), "no-ranges": server.url}.items():
            command = [sys.executable, "-c", code, root, str(tmp_path / name)]
            grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            assert grown * 1024 < 150e6, name


def test_a_body_that_trickles_is_given_up_in_time_and_named(bucket: Path, tmp_path: Path) -> None:
    names = sorted(p.relative_to(bucket).as_posix() for p in bucket.rglob("*") if p.is_file())
    keys = [key for key in names if "/s0/" in key][:6]
    victim = next(key for key in keys if (bucket / key).stat().st_size > 100)
    with serve(bucket, handler=TrickleHandler) as server:
        plan = plan_of(open_source(server.url, timeout_s=0.3, retry=quick(3)), *keys)
        server.trickles = {Path(victim).name}
        slow = [
            key for key in keys if Path(key).name in server.trickles and (bucket / key).stat().st_size > 100
        ]
        begin = time.monotonic()
        with pytest.raises(TransferError, match=f"{len(slow)} of 6 objects") as caught:
            transfer(plan, tmp_path / "data")
        assert time.monotonic() - begin < 10
        assert all(f"\n{key}: " in str(caught.value) for key in slow)
        server.trickles = set()
        assert transfer(plan, tmp_path / "data").moved == len(slow)


def test_a_source_that_answers_no_more_is_not_asked_for_everything(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    for n in range(60):
        (tmp_path / "bucket" / str(n)).write_bytes(b"voxels")
    with serve(tmp_path / "bucket") as server:
        pass
    gone = open_source(server.url, workers=2, retry=quick(2))
    plan = dataclasses.replace(plan_of(open_source(tmp_path / "bucket"), *map(str, range(60))), source=gone)
    with pytest.raises(TransferError, match=r"of 60 .*failed one after the other, so \d+ requests were not"):
        transfer(plan, tmp_path / "data")
