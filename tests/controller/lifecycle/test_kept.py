"""Clusters that outlive what started them: found again by name, with all that is placed, until they end."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import dask.config
import psutil
import pytest

import moorage
from moorage.controller import start
from moorage.deploy.kept import kept_clusters, state_folder
from moorage.deploy.state_file import KeptCluster, StateFile
from moorage.errors import ClusterError, InputError, NoClusterError, UnreachableError
from moorage.model import Everywhere, OnWorkers
from tests.helpers import eventually

NOTEBOOK = """
import json, os, sys
import moorage

cluster = moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB", keep=True)
cluster.broadcast(bytes(range(256)) * 40_000, name="big")
cluster.pin("model", ["bob"], value={"a": [1, 2]})
cluster.scatter({"one": 1, "two": [2, 3]}, name="parts")
cluster.scatter([(n,) for n in range(5)], name="rows")
pid = cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"]
print(json.dumps({"name": cluster.name, "host": pid}), flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    """A folder for state files of this test alone."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    yield
    for cluster in kept_clusters(state_folder()):  # of a test that failed
        with contextlib.suppress(ProcessLookupError):
            os.kill(cluster.pid, signal.SIGTERM)
    eventually(lambda: not kept_clusters(state_folder()))


@contextlib.contextmanager
def kernel_killed():
    """What a process has told that started a cluster, kept it and was killed."""
    environment = {**os.environ, "DASK_MOORAGE__OWNER": "flights.ipynb"}
    with subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield json.loads(process.stdout.readline()) | {"kernel": process}
        finally:
            process.kill()


def arrivals(cluster):
    """Number of times that data has come to each worker: from a notebook, by whatever way, or from another worker."""
    return cluster.client.run(
        lambda dask_worker: sum(
            type(event).__name__ in ("UpdateDataEvent", "GatherDepSuccessEvent")
            for event in dask_worker.state.stimulus_log
        )
    )


def test_all_is_back_by_name_after_the_kernel_was_killed_and_nothing_is_copied_again():
    with kernel_killed() as told:
        with moorage.attach() as before:
            arrived = arrivals(before)
        assert min(arrived.values()) > 0  # it does count
        told["kernel"].send_signal(signal.SIGKILL)
        told["kernel"].wait(60)
        cluster = moorage.attach()
        assert (cluster.name, cluster.kept, cluster.kind) == (told["name"], True, "local")
        assert sorted(cluster) == ["big", "model", "parts", "rows"]
        states = cluster.placement()
        assert states["big"].placement == Everywhere()
        assert states["big"].holders == ["alice", "bob"]
        assert states["model"].placement == OnWorkers(("bob",))
        assert states["model"].holders == ["bob"]
        assert {state.state for state in states.values()} == {"held"}
        assert {state.owner for state in states.values()} == {"flights.ipynb"}
        assert arrivals(cluster) == arrived
        assert cluster["big"].future.result(timeout=60) == bytes(range(256)) * 40_000
        assert cluster.client.submit(len, cluster["big"].future).result(timeout=60) == 256 * 40_000
        assert set(cluster["parts"].futures) == {"one", "two"}
        assert cluster.gather("parts") == {"one": 1, "two": [2, 3]}
        assert cluster.gather("rows") == [(n,) for n in range(5)]
        cluster.stop()
        with pytest.raises(NoClusterError):
            moorage.attach()
        eventually(lambda: not psutil.pid_exists(told["host"]))


def test_closing_only_leaves_and_another_process_may_keep_it():
    first = moorage.start(n_workers=1, keep=True)
    first.broadcast(1, name="x")
    code = "import moorage; c = moorage.attach(); c.keep(False); c.keep(True)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    first.close()
    with moorage.attach(first.name) as second:
        assert second.gather("x") == 1
    third = moorage.attach()
    assert third.gather("x") == 1
    third.stop()
    assert kept_clusters(state_folder()) == []


def test_a_cluster_can_be_kept_afterwards_and_given_up_again_and_only_what_goes_on_can_be_left():
    os.makedirs(state_folder(), mode=0o755)
    with moorage.start(n_workers=1) as cluster:
        cluster.broadcast(1, name="x")
        with pytest.raises(ClusterError, match="ends with this notebook"):
            cluster.leave()
        assert kept_clusters(state_folder()) == []
        cluster.keep()
        assert [kept.name for kept in kept_clusters(state_folder())] == [cluster.name]
        assert moorage.attach() is cluster
        assert cluster.status_info()["idle_timeout"] == 3600
        only_the_user_can_read_its_file()
        cluster.keep(False)
        assert kept_clusters(state_folder()) == []
        assert not cluster.kept
        assert cluster.gather("x") == 1
        cluster.keep()
        cluster.leave()
        assert cluster.status == "stopped"
    again = moorage.attach(cluster.name)
    assert again.gather("x") == 1
    assert (again.leavable, again.stoppable) == (True, True)
    again.stop()


def only_the_user_can_read_its_file():
    assert state_folder().stat().st_mode & 0o777 == 0o700
    (path,) = state_folder().iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert kept_clusters(state_folder()) == []  # somebody may have written it
    path.chmod(0o600)


def test_of_several_the_one_meant_has_to_be_named():
    with moorage.start(n_workers=1) as first, moorage.start(n_workers=1) as second:
        first.keep()
        second.keep()
        with pytest.raises(InputError) as caught:
            moorage.attach()
        for cluster in (first, second):
            assert cluster.name in caught.value.message
            assert moorage.attach(cluster.name) is cluster
        assert 'attach("' in caught.value.remedy
        with pytest.raises(InputError, match="neither an address") as caught:
            moorage.attach("nosuch")
        assert first.name in caught.value.remedy
        first.keep(False)
        second.keep(False)


def test_a_cluster_that_has_died_and_come_back_while_it_was_sought_is_attached_to():
    with kernel_killed(), pytest.MonkeyPatch.context() as patch:
        (kept,) = kept_clusters(state_folder())

        def is_back():
            return [one for one in kept_clusters(state_folder()) if one.pid != kept.pid and not one.returning]

        def nobody_answers(*_):  # for as long as it takes to come back
            patch.undo()
            os.kill(kept.pid, signal.SIGKILL)
            eventually(is_back)
            raise UnreachableError("No scheduler answers.", "")

        patch.setattr(start, "client_at", nobody_answers)
        cluster = moorage.attach()
        assert cluster.name == kept.name
        cluster.stop()


def test_a_host_that_was_killed_leaves_a_file_that_the_next_look_removes():
    with dask.config.set({"moorage.cluster.restart": False}):
        cluster = moorage.start(n_workers=1, keep=True)
        (kept,) = kept_clusters(state_folder())
        os.kill(kept.pid, signal.SIGKILL)
        eventually(lambda: kept_clusters(state_folder()) == [] and cluster.lost)
    assert list(state_folder().iterdir()) == []
    with pytest.raises(NoClusterError):
        moorage.attach()
    cluster.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}'])
def test_a_file_that_says_nothing_is_passed_over(text):
    state = StateFile(state_folder(), KeptCluster("a/b", "local", "tls://h:1", "", os.getpid(), "h", {}))
    state.write()
    assert [cluster.name for cluster in kept_clusters(state_folder())] == ["a/b"]
    state.path.write_text(text)
    assert kept_clusters(state_folder()) == []
    state.remove()
    assert not state.path.exists()
