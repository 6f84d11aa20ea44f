"""Limits of control groups, read from folders of the kernel's form."""

from pathlib import Path

import psutil
import pytest

from organelle.children import available_memory, cores, total_memory

NONE = Path("/nowhere")


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_without_control_groups_the_machine_itself_counts():
    assert total_memory(NONE, NONE) == psutil.virtual_memory().total
    assert 0 < available_memory(NONE, NONE) <= total_memory(NONE, NONE)
    assert cores(NONE, NONE) >= 1


def test_this_machine_has_something_to_offer():
    assert 0 < available_memory() <= total_memory()
    assert cores() >= 1


@pytest.fixture
def second(tmp_path):
    """Version 2: a pod with a limit, and a container without one inside of it."""
    write(tmp_path / "own")
    (tmp_path / "own" / "cgroup").write_text("0::/pod/container\n")
    write(tmp_path / "groups")
    pod = tmp_path / "groups" / "pod"
    write(pod, memory__max="1000000", memory__current="700000", cpu__max="50000 100000")
    write(pod, memory__stat="anon 400000\ninactive_file 300000\nactive_file 0")
    write(pod / "container", memory__max="max", memory__current="5", cpu__max="max 100000")
    return tmp_path / "groups", tmp_path / "own" / "cgroup"


def test_the_tightest_group_above_counts(second):
    assert total_memory(*second) == 1_000_000
    assert available_memory(*second) == 600_000  # pages of files are given back on demand
    assert cores(*second) == 1


def test_groups_of_version_1(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("4:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/\n")
    groups = tmp_path / "groups"
    write(groups / "memory", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="1")
    write(groups / "memory" / "job", memory__limit_in_bytes="2000", memory__usage_in_bytes="500")
    write(groups / "cpu,cpuacct" / "job", cpu__cfs_quota_us="100000", cpu__cfs_period_us="100000")
    assert total_memory(groups, own) == 2000
    assert available_memory(groups, own) == 1500
    assert cores(groups, own) == 1


def test_a_group_that_is_full_leaves_nothing(second):
    groups, own = second
    write(groups / "pod", memory__current="5000000", memory__stat="inactive_file 0")
    assert available_memory(groups, own) == 0
