"""Workers whose versions differ from the notebook's are named, with what to do."""

import json
import os
import signal
import subprocess
import sys

import pandas
import pytest
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st

import moorage
from moorage.kernel.connection import worker_versions
from moorage.kernel.connection.worker_versions import differences, in_words
from tests.controller.tools import LOCAL, address_of, dask
from tests.helpers import eventually

VERSIONS = st.dictionaries(st.sampled_from(["numpy", "pandas", "distributed"]), st.sampled_from(["1.0", "2.0", None]))


@given(VERSIONS, st.sets(st.text("abc", min_size=1), max_size=5))
def test_equal_versions_are_no_difference(ours, workers):
    assert not differences(ours, dict.fromkeys(workers, ours), ["numpy", "pandas", "distributed"])


@given(VERSIONS, st.dictionaries(st.sampled_from("abcdef"), VERSIONS))
def test_every_package_that_differs_is_named_with_every_worker(ours, theirs):
    found = differences(ours, theirs, ["numpy", "pandas", "distributed"])
    for package, mine in ours.items():
        others = {worker for worker, versions in theirs.items() if mine and versions.get(package) != mine}
        assert others == {
            worker for difference, workers in found.items() if difference[0] == package for worker in workers
        }
        assert bool(others) == in_words(found).count(f"{package} is {mine} here")


def test_of_python_the_patch_release_does_not_matter():
    theirs = {"a": {"python": "3.11.9.final.0"}, "b": {"python": "3.12.1.final.0"}}
    found = differences({"python": "3.11.7.final.0"}, theirs, ["python"])
    assert in_words(found) == "python is 3.11 here and 3.12 on b"


OTHER = """
def dask_setup(worker):
    there = worker.handlers["versions"]

    def versions(*args, **kwargs):
        answer = there(*args, **kwargs)
        for name, version in {"cloudpickle": "0.1", "pandas": None}.items():
            if name in answer["packages"]:
                answer["packages"][name] = version
        return answer

    worker.handlers["versions"] = versions
"""
ANOTHER = OTHER.replace('"pandas": None', '"numpy": "0.2"')


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A scheduler with a worker that tells other versions."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "other.py").write_text(OTHER)
    file = folder / "scheduler.json"
    with dask("scheduler", folder, *LOCAL, "--no-dashboard", "--scheduler-file", file):
        worker = ("--host", "127.0.0.1", "--no-dashboard", "--name", "alice", "--preload", folder / "other.py")
        with dask("worker", folder, address_of(file), *worker):
            with moorage.attach(str(file)) as cluster:
                cluster.wait_for_workers(1, 60)
            yield json.loads(file.read_text())["address"]


def said(cluster):
    return " ".join(notice["message"] + notice["remedy"] for notice in cluster.notices.values())


@pytest.mark.filterwarnings("ignore::distributed.versions.VersionMismatchWarning")
def test_attaching_tells_of_versions_that_differ(address):
    with moorage.attach(address) as cluster:
        assert "cloudpickle is " in said(cluster)
        assert "0.1 on alice" in said(cluster)
        assert "same environment" in said(cluster)
        assert "numpy" not in said(cluster)


@pytest.mark.filterwarnings("ignore::distributed.versions.VersionMismatchWarning")
def test_a_worker_that_is_stuck_keeps_nobody_from_telling_of_the_others(address, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_versions, "_SECONDS", 1.0)
    options = ("--host", "127.0.0.1", "--no-dashboard", "--name", "stuck", "--nthreads", 1, "--no-nanny")
    with dask("worker", tmp_path, address, *options) as stuck:
        with Client(address) as client:
            client.wait_for_workers(2, 60)
        os.kill(stuck.pid, signal.SIGSTOP)
        try:
            with moorage.attach(address) as cluster:
                eventually(lambda: "0.1 on alice" in said(cluster))
        finally:
            os.kill(stuck.pid, signal.SIGCONT)


@pytest.mark.filterwarnings("ignore::distributed.versions.VersionMismatchWarning")
def test_placing_tells_of_the_package_that_the_value_needs(address):
    with moorage.attach(address) as cluster:
        assert "pandas" not in said(cluster)
        cluster.broadcast(pandas.Series([1, 2]), name="x")
        eventually(lambda: "pandas is " in said(cluster))
        assert "missing on alice" in said(cluster)
        cluster.release("x")


@pytest.mark.filterwarnings("ignore::distributed.versions.VersionMismatchWarning")
def test_workers_that_come_later_are_compared_and_each_difference_is_told_once(tmp_path):
    (tmp_path / "other.py").write_text(OTHER)
    (tmp_path / "another.py").write_text(ANOTHER)
    file = tmp_path / "scheduler.json"

    def worker(name, *more):
        options = ("--host", "127.0.0.1", "--no-dashboard", "--name", name, "--nthreads", 1)
        return dask("worker", tmp_path, address_of(file), *options, *more)

    with (
        dask("scheduler", tmp_path, *LOCAL, "--no-dashboard", "--scheduler-file", file),
        moorage.attach(address_of(file)) as cluster,
        worker("same"),
    ):
        cluster.wait_for_workers(1, 60)
        with worker("alice", "--preload", tmp_path / "other.py"):
            eventually(lambda: "0.1 on alice" in said(cluster))
            with worker("bob", "--preload", tmp_path / "another.py"):
                eventually(lambda: "0.2 on bob" in said(cluster))
        assert said(cluster).count("cloudpickle is") == 1
        assert "same" not in said(cluster).replace("same environment", "")


def test_nothing_is_said_where_all_is_the_same():
    with moorage.start(n_workers=1, keep=True) as started:
        kept = subprocess.run([sys.executable, "-c", ATTACH], capture_output=True, text=True, timeout=60)
        assert kept.stdout.strip() == "{}", kept.stderr
        started.keep(False)


ATTACH = "import moorage; print(moorage.attach().notices)"
