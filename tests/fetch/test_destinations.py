"""Folders that cannot take what is fetched: in use, full, closed. Nothing is lost, and a rerun completes."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bucket_servers import FlakyHandler, Server, serve
from drawn_bucket import CATALOG, tree
from test_archive import pack

from organelle.errors import OutputExists, TransferError
from organelle.fetch import ArchivePlan, FetchPlan, open_source, plan_archive, plan_fetch, transfer

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

CODE = "import pickle, sys; from organelle.fetch import transfer; "
CODE += "transfer(pickle.loads(open(sys.argv[1], 'rb').read()), sys.argv[2])"


def command(plan: FetchPlan | ArchivePlan, data: Path) -> list[str]:
    """A process that carries out the plan."""
    file = data.with_name("plan")
    file.write_bytes(pickle.dumps(plan))
    return [sys.executable, "-c", CODE, str(file), str(data)]


def wait_for(server: Server, requests: int) -> None:
    until = time.monotonic() + 20
    while server.requests < requests and time.monotonic() < until:
        time.sleep(0.005)
    assert server.requests >= requests


def fill(file: Path) -> None:
    """Leave no byte free on its disk."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
        while stream.write(bytes(1 << 12)):
            pass


def plans(bucket: Path) -> Iterator[FetchPlan | ArchivePlan]:
    yield plan_fetch(bucket, CATALOG, [1])
    yield plan_archive(pack(bucket))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_two_fetches_into_one_folder_do_not_meet(bucket: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serve(bucket, handler=FlakyHandler) as server:
        plan = plan_fetch(open_source(server.url, workers=1), CATALOG, [1])
        before, server.pause_s = server.requests, 0.05
        with subprocess.Popen(command(plan, data)) as first:
            wait_for(server, before + 3)
            with pytest.raises(OutputExists, match=f"process {first.pid} is fetching into {data} now"):
                transfer(plan, data)
            server.pause_s = 0
        assert first.returncode == 0
    assert tree(data) == {o.key: (bucket / o.key).read_bytes() for o in plan.objects}


def test_the_lock_of_a_dead_process_holds_nobody_up(bucket: Path, tmp_path: Path) -> None:
    plan = plan_fetch(bucket, CATALOG, [1])
    left = tmp_path / "data" / "d1" / ".fetch-0.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    (tmp_path / "data" / ".organelle-fetch.lock").write_text("1\n")
    assert transfer(plan, tmp_path / "data").moved == len(plan.objects)
    assert not left.exists()


def test_a_disk_that_fills_up_ends_the_run_and_whole_files_stay(bucket: Path, small_disk: Path) -> None:
    data, filler = small_disk / "data", small_disk / "filler"
    with serve(bucket, handler=FlakyHandler) as server, ThreadPoolExecutor(1) as other:
        plan = plan_fetch(open_source(server.url, workers=2), CATALOG, [1])
        before, server.pause_s = server.requests, 0.02
        run = other.submit(transfer, plan, data)
        wait_for(server, before + 6)
        fill(filler)
        server.pause_s = 0
        with pytest.raises(TransferError, match=r"could not be .* \(No space left on device\)"):
            run.result(timeout=60)
        here = tree(data)
        assert 1 <= len(here) < len(plan.objects)
        assert all(value == (bucket / key).read_bytes() for key, value in here.items())
        assert not list(data.rglob(".fetch-*"))
        filler.unlink()
        assert transfer(plan, data).skipped == len(here)
    assert tree(data) == {o.key: (bucket / o.key).read_bytes() for o in plan.objects}


def test_a_file_that_may_not_grow_ends_the_run_and_a_rerun_completes(bucket: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    for number, plan in enumerate(plans(bucket)):
        data = tmp_path / f"run{number}" / "data"
        data.parent.mkdir()
        done = subprocess.run(
            command(plan, data), preexec_fn=limit, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "could not be written (File too large)" in done.stderr
        here = tree(data)
        assert all(value == (bucket / key).read_bytes() for key, value in here.items())
        assert len(here) < len(plan.objects)
        assert not list(data.rglob(".fetch-*"))
        transfer(plan, data)
        assert tree(data) == {o.key: (bucket / o.key).read_bytes() for o in plan.objects}


def test_a_destination_that_may_not_be_written_is_told(bucket: Path) -> None:
    plan = plan_fetch(bucket, CATALOG, [1])
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        try:
            os.seteuid(user or 65534)
            with pytest.raises(TransferError, match=f"nothing can be written in {folder}; choose another"):
                transfer(plan, Path(folder) / "data")
        finally:
            os.seteuid(user)


def test_a_destination_below_a_file_is_told(bucket: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for plan in plans(bucket):
        with pytest.raises(OutputExists, match="file/data cannot be a folder: a file stands there or above"):
            transfer(plan, tmp_path / "file" / "data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "d1").write_text("no folder")
    with pytest.raises(OutputExists, match=r"d1\.zarr.* cannot be a folder"):
        transfer(plan, tmp_path / "data")
