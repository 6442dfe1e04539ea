"""Code that was written for one of Dask's cluster objects works on ours."""

import asyncio
from urllib.request import urlopen

import pytest
from distributed import Client, WorkerPlugin
from distributed.core import Status

import moorage
from moorage.errors import InputError
from tests.helpers import eventually


def test_the_client_knows_its_cluster_and_the_cluster_its_client(cluster):
    client = cluster.client
    assert client.cluster is cluster
    assert cluster.get_client() is client
    assert client.dashboard_link == cluster.dashboard_link
    with urlopen(client.dashboard_link, timeout=60) as page:
        assert page.status == 200
    client.wait_for_workers(2)
    cluster.wait_for_workers(n_workers=2, timeout=5)
    html = client._repr_html_()
    assert "ClusterController" in html
    assert cluster.name in html


def test_workers_as_dask_and_we_say_it(cluster):
    assert set(cluster.workers) == {"alice", "bob"}
    assert {worker.nthreads for worker in cluster.workers.values()} == {2}
    assert [worker.name for worker in cluster.workers()] == ["alice", "bob"]
    assert cluster.plan == cluster.requested == cluster.observed == {"alice", "bob"}
    assert cluster.n_workers == len(cluster.workers) == 2


def test_the_status_is_dasks_word_and_ours(cluster):
    assert cluster.status == "connected"
    assert cluster.status == Status.running
    assert cluster.status not in (Status.closing, Status.closed)
    assert cluster.status.name == "running"


def test_the_scheduler_can_be_asked(cluster):
    assert cluster.scheduler_address == cluster.scheduler.address == cluster.address
    info = cluster.scheduler_info
    scheduler = cluster.scheduler
    assert scheduler.id == info["id"] == scheduler.identity()["id"]
    assert set(scheduler.workers) == set(info["workers"])
    assert "workers: 2, cores: 4" in repr(scheduler)
    assert info["id"] in scheduler._repr_html_()
    assert cluster.client.sync(scheduler.echo, data=1) == 1
    assert {worker["name"] for worker in info["workers"].values()} == {"alice", "bob"}
    assert sum(worker["nthreads"] for worker in info["workers"].values()) == 4
    assert cluster.client.sync(cluster.scheduler_comm.identity)["id"] == info["id"]
    assert info["id"] in cluster._repr_html_()
    assert "token" not in cluster._repr_html_()


class Grumble(WorkerPlugin):
    def setup(self, worker):
        import logging

        logging.getLogger("distributed.worker").warning("hello from %s", worker.name)


def test_logs_of_cluster_scheduler_and_workers(cluster):
    cluster.client.register_plugin(Grumble(), name="grumble")
    logs = cluster.get_logs()
    addresses = [worker.address for worker in cluster.workers()]
    assert set(logs) == {"Cluster", "Scheduler", *addresses}
    assert "hello from alice" in logs[addresses[0]]
    assert set(cluster.get_logs(cluster=False, scheduler=False, workers=addresses[:1])) == {addresses[0]}
    cluster.client.unregister_worker_plugin("grumble")


def test_further_clients_share_the_cluster_and_leave_it_when_they_close(cluster):
    with Client(cluster, set_as_default=False) as client:
        assert client.cluster is cluster
        assert client.submit(sum, [1, 2]).result(60) == 3
        assert moorage.attach(client) is cluster
    assert cluster.client.submit(sum, [1, 2]).result(60) == 3


def test_it_adapts_with_dasks_options_and_says_what_it_cannot(cluster):
    adapting = cluster.adapt(minimum=2, maximum=3, interval="100ms", wait_count=2)
    assert cluster.status_info()["adapt"] == [2, 3]
    assert (adapting.minimum, adapting.maximum) == (2, 3)
    adapting.stop()
    assert cluster.status_info()["adapt"] == []
    with pytest.raises(InputError, match="minimum_cores"):
        cluster.adapt(maximum=3, minimum_cores=1)


def test_scaling_by_the_object_of_the_client_loses_no_data(cluster):
    cluster.scatter(list(range(10)), name="rows")
    cluster.client.cluster.scale(3)
    eventually(lambda: len(cluster.workers()) == 3)
    cluster.client.cluster.scale(2)
    assert cluster.gather("rows") == list(range(10))


def test_a_context_ends_it(tmp_path):
    async def use():
        async with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
            address, security = cluster.scheduler_address, cluster.security
            async with Client(address, security=security, asynchronous=True, set_as_default=False) as client:
                assert await client.submit(sum, [1, 2], pure=False) == 3
            assert await cluster is cluster
            return cluster

    cluster = asyncio.run(use())
    assert cluster.status == Status.closed
    cluster.close(timeout=1)
    assert cluster.workers.keys() == {"0"}  # as it was
    assert "Scheduler" in cluster._repr_html_()
