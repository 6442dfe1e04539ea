"""Three hosts: one is cut off for a while, one dies. What is placed is where it shall be, on those that are there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from distributed import Security

import moorage
from moorage.host.security import to_texts
from tests.host.tools import eventually
from tests.hpc.hosts import HERE, Hosts
from tests.kernel.test_attach import address_of

pytestmark = pytest.mark.timeout(200)

WORKERS = {1: ("1a", "1b"), 2: ("2a",), 3: ("3a",)}
BIG = os.urandom(3_000_000)
QUICK = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
}


@contextlib.contextmanager
def running(*words):
    with subprocess.Popen(
        list(map(str, words)), env={**os.environ, **QUICK}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def hosts():
    hosts = Hosts(3)
    hosts.start()
    yield hosts
    hosts.stop()


@pytest.fixture
def cluster(hosts, tmp_path):
    """A cluster with TLS, its scheduler here and its workers on three hosts, and what starts another worker."""
    texts = to_texts(Security.temporary())
    files = {"tls_ca": "ca_file", "tls_cert": "worker_cert", "tls_key": "worker_key"}
    for name, field in files.items():
        (tmp_path / name).write_text(texts[f"tls_{field}"])
    paths = {name: str(tmp_path / name) for name in files}
    tls = ["--tls-ca-file", paths["tls_ca"], "--tls-cert", paths["tls_cert"], "--tls-key", paths["tls_key"]]
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m"]
    with contextlib.ExitStack() as stack:
        scheduler = ["--host", HERE, "--port", 0, "--protocol", "tls", "--no-dashboard", "--scheduler-file", file]
        stack.enter_context(running(*dask, "distributed.cli.dask_scheduler", *scheduler, *tls))
        address = address_of(file)

        def start_worker(n, name):
            worker = [address, "--name", name, "--host", hosts.address(n), "--nthreads", 1, "--no-dashboard"]
            worker += ["--memory-limit", "500MB", "--local-directory", tmp_path]
            stack.enter_context(running(*hosts.command(n, *dask, "distributed.cli.dask_worker", *worker, *tls)))

        for n, names in WORKERS.items():
            for name in names:
                start_worker(n, name)
        with moorage.attach(address, **paths, timeout=60) as cluster:
            cluster.wait_for_workers(4, 90)
            yield cluster, start_worker
        for n in hosts.numbers:
            hosts.kill(n)


def on_hosts(cluster, name, *numbers):
    """Whether a variable is held by the workers of these hosts, and is as it shall be."""
    state = cluster.placement()[name]
    return {holder[0] for holder in state.holders} == set(map(str, numbers)) and state.state == "held"


def test_placements_are_met_on_the_hosts_that_are_there(cluster, hosts):
    cluster, start_worker = cluster
    cluster.broadcast(BIG, name="everywhere")
    cluster.broadcast(BIG[:1000], name="per_host", per_host=True)
    cluster.scatter([bytes([n]) * 1000 for n in range(30)], name="rows")
    assert len(cluster.placement()["everywhere"].holders) == 4
    assert len(cluster.placement()["per_host"].holders) == 3
    assert on_hosts(cluster, "per_host", 1, 2, 3)

    hosts.cut(2)
    eventually(lambda: cluster.n_workers == 3, 40)
    eventually(lambda: on_hosts(cluster, "everywhere", 1, 3), 30)
    eventually(lambda: on_hosts(cluster, "per_host", 1, 3), 30)
    eventually(lambda: cluster.placement()["rows"].state == "held", 30)  # those of the host that is away are sent again
    assert cluster.gather("rows") == [bytes([n]) * 1000 for n in range(30)]

    # A worker of Dask ends when it has lost its scheduler; whatever started it starts it again.
    eventually(lambda: not hosts.pids(2), 60)
    hosts.mend(2)
    start_worker(2, "2a")
    eventually(lambda: cluster.n_workers == 4, 60)
    eventually(lambda: on_hosts(cluster, "everywhere", 1, 2, 3), 30)
    assert len(cluster.placement()["everywhere"].holders) == 4
    eventually(lambda: on_hosts(cluster, "per_host", 1, 2, 3), 30)

    hosts.kill(3)
    eventually(lambda: cluster.n_workers == 3, 40)
    eventually(lambda: on_hosts(cluster, "everywhere", 1, 2) and on_hosts(cluster, "per_host", 1, 2), 30)
    eventually(lambda: cluster.placement()["rows"].state == "held", 30)
    assert cluster.gather("everywhere") == BIG
    assert cluster.gather("rows") == [bytes([n]) * 1000 for n in range(30)]
