"""Workers by SSH, through a real server of this test alone."""

from __future__ import annotations

import os
import signal
import socket
import sys

import psutil
import pytest

import moorage
from moorage.errors import InputError, StartError
from tests.helpers import eventually
from tests.hpc.sshd import Keys, Server

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Options of a connection to an SSH server on loopback."""
    keys = Keys(tmp_path_factory.mktemp("ssh"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(keys, "127.0.0.1", port)
    yield keys.options(port)
    server.stop()


def options(server, **more):
    return {
        "hosts": ["127.0.0.1", "127.0.0.1"],
        "connect_options": server,
        "worker_options": {"nthreads": 1, "memory_limit": "500MB", "host": "127.0.0.1"},
        "scheduler_options": {"host": "127.0.0.1"},
        "remote_python": sys.executable,
        **more,
    }


def test_data_stays_while_workers_by_ssh_come_and_go(server):
    with moorage.start(using="ssh", options=options(server)) as cluster:
        cluster.wait_for_workers(2, 60)
        assert (sorted(cluster.worker_names()), cluster.secure, cluster.kind) == (["0", "1"], True, "SSHCluster")
        cluster.broadcast({"a": 1}, name="x")
        cluster.scatter(list(range(20)), name="rows")
        cluster.scale(3)
        cluster.wait_for_workers(3, 60)
        eventually(lambda: cluster.placement()["x"].holders == ["0", "1", "2"])
        os.kill(cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"], signal.SIGKILL)
        eventually(lambda: cluster.link.lives == 2 and cluster.link.is_back)  # with other workers
        eventually(lambda: cluster.placement()["x"].holders == ["0", "1", "2"])
        pids = cluster.client.run(os.getpid)
        cluster.scale(1)
        assert len(cluster.workers()) == 1
        assert cluster.gather("x", "rows") == ({"a": 1}, list(range(20)))
        for process in psutil.process_iter():
            if "dask_spec" in " ".join(words := _command(process)):
                assert "PRIVATE KEY" not in " ".join(words)
    eventually(lambda: not [pid for pid in pids.values() if psutil.pid_exists(pid)])


def test_a_host_that_cannot_be_reached_is_told_at_once(server):
    with pytest.raises(StartError, match=r"Connect|refused"):
        moorage.start(using="ssh", options=options(server, connect_options={**server, "port": 1}))


def test_hosts_have_to_be_named(server):
    with pytest.raises(InputError, match="No hosts"):
        moorage.start(using="ssh", options=options(server, hosts=[]))


def _command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []
