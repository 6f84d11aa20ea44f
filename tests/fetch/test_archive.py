"""The bucket's prepared zips: read by ranges, unpacked on the way, and never trusted blindly."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bucket_servers import RangeHandler, serve, serve_s3
from drawn_bucket import Csc, tree

from organelle.errors import FileMissing, SettingsError, TransferError
from organelle.fetch import Padding, Retry, open_source, plan_archive, transfer
from organelle.stores.source import PIECE_BYTES

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

KEY = "csc-zipped-data/matched_res_no_pad.zip"


def quick(attempts: int = 8) -> Retry:
    return Retry(attempts, 0.01, 0.05, np.random.default_rng(3))


def pack(bucket: Path, key: str = KEY, *, method: int = zipfile.ZIP_DEFLATED, top: str = "") -> Path:
    """Zip what the bucket holds, beside it."""
    home = bucket.parent / "zips"
    (home / key).parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(home / key, "w", method) as archive:
        for file in sorted(p for p in bucket.rglob("*") if p.is_file()):
            archive.write(file, top + file.relative_to(bucket).as_posix())
    return home


@pytest.fixture
def zips(bucket: Path) -> Path:
    """A bucket that holds an archive of the other one."""
    return pack(bucket)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_is_unpacked_is_what_was_packed(bucket: Path, tmp_path: Path, method: int) -> None:
    home = pack(bucket, method=method, top="data/")
    with zipfile.ZipFile(home / KEY, "a") as archive:
        archive.writestr("data/README.txt", "how to cite")
    plan = plan_archive(home)
    assert (plan.foreign, plan.unpacked_bytes) == (1, sum(len(v) for v in tree(bucket).values()))
    report = transfer(plan, tmp_path / "data")
    assert tree(tmp_path / "data") == tree(bucket)
    assert report.moved == len(plan.members)
    assert transfer(plan_archive(home), tmp_path / "data").moved == 0


def test_s3_and_a_web_server_give_it_in_parts(bucket: Path, zips: Path, tmp_path: Path) -> None:
    with serve(zips, handler=RangeHandler) as server, serve_s3(zips, "drawn") as endpoint:
        for name, url in {"http": server.url, "s3": "s3://drawn"}.items():
            transfer(plan_archive(open_source(url, endpoint=endpoint, retry=quick(2))), tmp_path / name)
            assert tree(tmp_path / name) == tree(bucket)


def test_a_server_that_gives_no_parts_is_told(zips: Path) -> None:
    with (
        serve(zips) as server,
        pytest.raises(TransferError, match="use a server with range requests"),
    ):
        plan_archive(open_source(server.url, retry=quick(2)))


def test_a_member_larger_than_what_is_held_is_streamed(tmp_path: Path) -> None:
    chunk = tmp_path / "bucket" / "d1" / "d1.zarr" / "a" / "0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(np.random.default_rng(1).bytes(PIECE_BYTES + 5) + bytes(3 * PIECE_BYTES))
    for name in ("1", "2"):
        (chunk.parent / name).write_bytes(b"small")
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        transfer(plan_archive(pack(tmp_path / "bucket", method=method)), tmp_path / f"data{method}")
        assert tree(tmp_path / f"data{method}") == tree(tmp_path / "bucket")


def test_padding_and_resolutions_pick_the_archive(bucket: Path) -> None:
    keys = {
        "matched_res_no_pad": (Padding(), False),
        "matched_res_128_pad": (Padding(128), False),
        "all_res_no_pad": (Padding(), True),
        "all_res_128_pad": (Padding(1), True),
    }
    for key in keys:
        home = pack(bucket, f"csc-zipped-data/{key}.zip")
    for key, (padding, every) in keys.items():
        assert plan_archive(home, padding=padding, all_resolutions=every).key.endswith(f"/{key}.zip")
    for padding in (Padding(129), Padding(nm=500)):
        with pytest.raises(SettingsError, match="the archives have 128 voxels of padding or none"):
            plan_archive(home, padding=padding)
    (home / KEY).unlink()
    with pytest.raises(FileMissing, match=f"has no archive {KEY}; .* fetch without --zip"):
        plan_archive(home)


def test_a_run_goes_on_with_the_members_that_are_missing(bucket: Path, zips: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    plan = plan_archive(zips)
    transfer(plan, data)
    lost, changed, wrong = (data / member.key for member in plan.members[:3])
    lost.unlink()
    changed.write_bytes(b"cut off")
    flipped = bytearray(wrong.read_bytes())
    flipped[0] ^= 1
    wrong.write_bytes(flipped)
    assert transfer(plan, data).moved == 2
    assert transfer(plan, data, verify=True).moved == 1
    assert tree(data) == tree(bucket)


def test_an_archive_that_changed_is_read_anew(bucket: Path, zips: Path, tmp_path: Path) -> None:
    old = plan_archive(zips)
    transfer(old, tmp_path / "data")
    chunk = next(p for p in sorted(bucket.rglob("0")) if p.is_file())
    chunk.write_bytes(bytes(chunk.stat().st_size))
    pack(bucket)
    with pytest.raises(TransferError, match="changed in the source after the plan was made; plan again"):
        transfer(old, tmp_path / "data", access_mode="overwrite")
    assert transfer(plan_archive(zips), tmp_path / "data").moved == 1
    assert tree(tmp_path / "data") == tree(bucket)


def test_a_killed_run_leaves_no_volume_without_its_voxels(bucket: Path, zips: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serve(zips, handler=RangeHandler, pause_s=0.05) as server:
        plan = plan_archive(open_source(server.url, workers=1))
        (tmp_path / "plan").write_bytes(pickle.dumps(plan))
        code = "import pickle, sys, organelle.fetch.archive as a; a.PIECE_BYTES = 9000; "
        code += "from organelle.fetch import transfer; "
        code += "transfer(pickle.loads(open(sys.argv[1], 'rb').read()), sys.argv[2])"
        before = server.requests
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "plan"), str(data)]) as process:
            while server.requests < before + 5:
                assert process.poll() is None
            process.kill()
        server.pause_s = 0
        here = {key: value for key, value in tree(data).items() if "/.fetch-" not in key}
        assert 1 <= len(here) < len(plan.members)
        assert not any(key.rpartition("/")[2].startswith(".z") for key in here)
        assert transfer(plan, data).skipped == len(here)
    assert tree(data) == tree(bucket)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def overwrite_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30] + bytes(30))


@pytest.mark.parametrize("damage", [cut, empty, overwrite_end])
def test_a_zip_that_was_interrupted_is_named(zips: Path, damage: Callable[[Path], None]) -> None:
    damage(zips / KEY)
    with pytest.raises(TransferError, match=rf"{KEY} is not a whole zip .*; fetch without --zip"):
        plan_archive(zips)


def test_a_damaged_member_is_named_and_the_others_arrive(bucket: Path, zips: Path, tmp_path: Path) -> None:
    plan = plan_archive(zips)
    victim = next(m for m in plan.members if m.is_deflated and m.bytes > 1000)
    with (zips / KEY).open("r+b") as stream:
        stream.seek(victim.stop - 300)
        stream.write(bytes(200))
    with pytest.raises(TransferError, match=rf"1 of .*\n{victim.key}: it is damaged in the archive"):
        transfer(plan_archive(zips), tmp_path / "data")
    whole = tree(bucket)
    del whole[victim.key]
    assert tree(tmp_path / "data") == whole


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("d1/d1.zarr/../../../evil", "does not stay inside"),
        ("d1/d1.zarr//0", "does not stay inside"),
        ("d1/d1.zarr/a\u202eb", "does not stay inside"),
        ("x/d1/d1.zarr/0", "stands there twice"),
    ],
)
def test_names_that_could_do_harm_are_refused(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / KEY).parent.mkdir()
    with zipfile.ZipFile(tmp_path / KEY, "w") as archive:
        archive.writestr("d1/d1.zarr/0", b"voxels")
        archive.writestr(name, b"evil")
    with pytest.raises(TransferError, match=rf"{why}.*nothing was written"):
        plan_archive(tmp_path)


def test_links_and_unknown_packing_are_refused(tmp_path: Path) -> None:
    (tmp_path / KEY).parent.mkdir()
    link = zipfile.ZipInfo("d1/d1.zarr/0")
    link.external_attr = 0o120777 << 16
    for method, info, why in [
        (zipfile.ZIP_STORED, link, "no plain file"),
        (zipfile.ZIP_LZMA, zipfile.ZipInfo("d1/d1.zarr/0"), "unknown way"),
    ]:
        info.compress_type = method
        with zipfile.ZipFile(tmp_path / KEY, "w") as archive:
            archive.writestr(info, b"/etc/passwd")
        with pytest.raises(TransferError, match=why):
            plan_archive(tmp_path)


def test_the_command_tells_sizes_and_unpacks(bucket: Path, zips: Path, tmp_path: Path, csc: Csc) -> None:
    line = ["fetch-data", "--source", zips, "--zip", "--dest", tmp_path / "data"]
    status, out, _ = csc(*line, "--dry-run")
    assert status == 0
    assert f"{(zips / KEY).stat().st_size / 1e3:.1f} kB with {len(tree(bucket))} files" in out
    assert not (tmp_path / "data").exists()
    assert csc(*line)[0] == 0
    assert tree(tmp_path / "data") == tree(bucket)
    status, _, err = csc(*line, "--crops", "1")
    assert status == 1
    assert "leave out --crops and --classes" in err
