"""What a host has left, as control groups of both versions say it."""

import sys

import psutil
import pytest

from moorage.images.free_memory import groups_left, host_free

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")

GB = 10**9


def group(directory, limit, usage, cached=0, *, v1=False):
    """Make what the system shows of a group."""
    directory.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if v1 else ("memory.max", "memory.current")
    for name, value in zip(names, (limit, usage), strict=True):
        (directory / name).write_text(f"{value}\n")
    (directory / "memory.stat").write_text(f"anon 1\n{'total_' if v1 else ''}inactive_file {cached}\n")


def left(tmp_path, lines):
    (tmp_path / "groups").write_text("\n".join(lines) + "\n")
    return sorted(groups_left(str(tmp_path / "groups"), str(tmp_path / "cgroup")))


def test_version_2_with_groups_within_groups(tmp_path):
    group(tmp_path / "cgroup/jobs", 8 * GB, 5 * GB, cached=GB)
    group(tmp_path / "cgroup/jobs/7", "max", 2 * GB)
    group(tmp_path / "cgroup/jobs/7/step", 3 * GB, 1 * GB)
    assert left(tmp_path, ["0::/jobs/7/step"]) == [2 * GB, 4 * GB]


def test_version_1(tmp_path):
    group(tmp_path / "cgroup/memory/job", 4 * GB, 1 * GB, v1=True)
    lines = ["12:cpu,cpuacct:/elsewhere", "9:memory:/job", "1:name=systemd:/user.slice", "0::/user.slice"]
    assert left(tmp_path, lines) == [3 * GB]


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_sees_its_own_group_as_the_root(tmp_path, version):
    v1 = version == 1
    group(tmp_path / "cgroup" / ("memory" if v1 else ""), 2 * GB, GB, v1=v1)
    assert left(tmp_path, ["9:memory:/docker/0123" if v1 else "0::/"]) == [GB]


def test_no_groups_no_limit(tmp_path):
    assert list(groups_left(str(tmp_path / "missing"))) == []
    assert left(tmp_path, ["0::/"]) == []


def test_there_is_no_more_than_the_machine_has():
    assert 0 < host_free() <= psutil.virtual_memory().total
