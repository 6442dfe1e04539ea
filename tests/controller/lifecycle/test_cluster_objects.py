"""Cluster objects that the notebook has made itself: their size is looked after as long as they are attached."""

import os
import signal
import time

import dask.config
import pytest
from distributed import Client, LocalCluster, Security
from distributed.core import Status, rpc
from distributed.deploy.cluster import Cluster

import moorage
from moorage.errors import InputError, ScaleError, UnknownWorkerError, UnreachableError
from tests.controller.tools import LOCAL, address_of
from tests.controller.tools import dask as dask_process
from tests.deploy.jobs import JobCluster
from tests.deploy.tools import scratch_root
from tests.helpers import eventually


@pytest.fixture(scope="module")
def local():
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture
def delay(tmp_path):
    """A file that says how many seconds jobs wait in the queue."""
    return tmp_path / "delay"


@pytest.fixture
def jobs(delay):
    """A cluster object of jobs that nobody watches."""
    options = {"security": Security.temporary(), "protocol": "tls://", "delay": str(delay), "asynchronous": False}
    with (
        scratch_root(),
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
        JobCluster(n_workers=1, **options) as cluster,
    ):
        yield cluster


def test_a_job_that_was_killed_is_submitted_again_and_data_moves_before_jobs_go(jobs):
    with moorage.attach(jobs) as cluster:
        cluster.wait_for_workers(1, 60)
        (worker,) = cluster.workers()
        cluster.broadcast({"a": 1}, name="x")
        os.kill(cluster.client.run(os.getpid)[worker.address], signal.SIGKILL)
        eventually(lambda: [info.address for info in cluster.workers()] not in ([], [worker.address]))
        cluster.scale(2)
        cluster.wait_for_workers(2, 60)
        plain = cluster.client.scatter([os.urandom(100) for _ in range(10)])
        values = cluster.client.gather(plain)
        cluster.scale(1)
        assert cluster.client.gather(plain) == values
        assert cluster.gather("x") == {"a": 1}
        assert len(jobs.worker_spec) == 1


def test_a_pin_to_a_worker_that_is_asked_for_waits_for_it(jobs, delay):
    with moorage.attach(jobs) as cluster:
        cluster.wait_for_workers(1, 60)
        delay.write_text("3")
        cluster.scale(2)
        assert cluster.status_info()["pending"] == 1
        cluster.pin("x", ["1"], value={"a": 1}, timeout=0)
        eventually(lambda: cluster.placement()["x"].state == "waiting")  # on the other one meanwhile
        assert cluster.placement()["x"].reason == "no worker 1 yet"
        with pytest.raises(UnknownWorkerError, match="'2'"):
            cluster.pin("x", ["2"])
        eventually(lambda: cluster.placement()["x"].holders == ["1"])
        assert cluster.placement()["x"].state == "held"


def test_what_comes_and_goes_by_itself_is_told(jobs):
    with moorage.attach(jobs) as cluster:
        status = eventually(lambda: (s := cluster.status_info())["arrived"] == 1 and s)
        assert (status["requested"], status["pending"], status["scalable"]) == (1, 0, True)
        cluster.adapt(1, 2)
        load = cluster.client.map(time.sleep, [0.3] * 1000, pure=False)  # enough until another worker has come
        eventually(lambda: cluster.status_info()["arrived"] == 2)
        cluster.client.cancel(load)
        del load
        eventually(lambda: cluster.status_info()["requested"] == 1)


def test_the_object_is_as_it_was_when_it_was_left(local):
    before = dict(vars(local))
    with moorage.attach(local) as cluster:
        assert moorage.attach(local) is cluster
        assert cluster.scalable
        with pytest.raises(InputError, match="cannot be kept"):
            cluster.keep()
    eventually(lambda: set(vars(local)) == set(before))
    assert local.status == Status.running


def test_a_size_that_dask_adapts_is_warned_of_and_taken_over(local):
    dasks = local.adapt(minimum=1, maximum=1)
    with moorage.attach(local) as cluster:
        assert ["%cluster adapt" in notice["remedy"] for notice in cluster.notices.values()] == [True]
        cluster.adapt(1, 1)
        assert dasks.periodic_callback is None
        assert cluster.status_info()["adapt"] == [1, 1]
        cluster.adapt()
    with moorage.attach(local) as cluster:
        assert not cluster.notices


def test_an_asynchronous_object_is_refused_and_a_closed_one(local):
    closed = LocalCluster(n_workers=0, dashboard_address=":0")
    closed.close()
    with pytest.raises(UnreachableError, match="is closed"):
        moorage.attach(closed)

    async def attach_to_asynchronous():
        async with LocalCluster(n_workers=0, dashboard_address=":0", asynchronous=True) as cluster:
            with pytest.raises(InputError, match="asynchronous LocalCluster"):
                moorage.attach(cluster)

    with Client(local, set_as_default=False) as client:
        client.sync(attach_to_asynchronous)


class Elsewhere(Cluster):
    """A cluster object as those of Kubernetes or a gateway: its scheduler is in another process."""

    def __init__(self, address):
        super().__init__(asynchronous=False)
        self.scheduler_comm = rpc(address)
        self._loop_runner.start()
        self.sync(self._start)


def test_an_object_whose_scheduler_is_elsewhere_takes_placements_but_no_size(tmp_path):
    file = tmp_path / "scheduler.json"
    with dask_process("scheduler", tmp_path, *LOCAL, "--no-dashboard", "--scheduler-file", file):
        worker = ("--host", "127.0.0.1", "--no-dashboard", "--name", "alice", "--nthreads", 1)
        with (
            dask_process("worker", tmp_path, address_of(file), *worker),
            Elsewhere(address_of(file)) as elsewhere,
            moorage.attach(elsewhere) as cluster,
        ):
            cluster.wait_for_workers(1, 60)
            cluster.broadcast(1, name="x")
            assert cluster.placement()["x"].holders == ["alice"]
            assert not cluster.scalable
            with pytest.raises(ScaleError, match="scale a Elsewhere without losing data"):
                cluster.scale(2)
            assert cluster.status_info()["requested"] == 1
