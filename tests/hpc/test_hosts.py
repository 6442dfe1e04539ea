"""Three hosts: one is cut off for a while, one dies. What is placed is where it shall be, on those that are there."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
import urllib.request

import dask.config
import psutil
import pytest

import moorage
from tests.deploy.test_private import as_nobody
from tests.helpers import eventually, worker_infos
from tests.hpc.hosts import HERE, Hosts
from tests.hpc.packages import run
from tests.hpc.sshd import Keys, Server

pytestmark = pytest.mark.timeout(600)

LONG = bool(os.environ.get("MOORAGE_LONG_TESTS"))
CUT = 60.0 if LONG else 25.0
"""Seconds. In the long test, Dask notices the cut after the time it does so by default, else after a shorter one."""
QUICK = {} if LONG else {"distributed.comm.timeouts.tcp": "12s", "distributed.deploy.lost-worker-timeout": "5s"}
PORT = 2222
BIG = os.urandom(3_000_000)
ROWS = [bytes([n]) * 1000 for n in range(30)]


@pytest.fixture
def hosts(tmp_path):
    hosts = Hosts(3)
    try:
        hosts.start()
        keys = Keys(tmp_path)
        for n in hosts.numbers:
            Server(keys, hosts.address(n), PORT, hosts.command(n))
        hosts.connection = keys.options(PORT)
        yield hosts
    finally:
        hosts.stop()


@pytest.fixture
def cluster(hosts):
    """Two workers on the first host, one on each of the others, all by SSH, and the scheduler here."""
    options = {
        "hosts": [hosts.address(n) for n in (1, 1, 2, 3)],
        "connect_options": hosts.connection,
        "worker_options": {"nthreads": 1, "memory_limit": "500MB"},
        "scheduler_options": {"host": HERE},
        "remote_python": sys.executable,
    }
    with dask.config.set(QUICK), moorage.start(using="ssh", options=options, timeout=90) as cluster:
        cluster.wait_for_workers(4, 90)
        yield cluster


def held_on(cluster, hosts, name, *numbers):
    """Whether a variable is as it shall be, on workers of these hosts and no others."""
    there = {info.name: info.host for info in cluster.workers()}
    state = cluster.placement()[name]
    return state.state == "held" and {there.get(w) for w in state.holders} == {hosts.address(n) for n in numbers}


def nannies_and_workers(cluster):
    workers = worker_infos(cluster.client)
    return [address for worker, info in workers.items() for address in (worker, info["nanny"])]


def nannies(hosts, n):
    found = []
    for pid in hosts.pids(n):
        with contextlib.suppress(psutil.Error):
            found += [pid] if "distributed.cli.dask_spec" in psutil.Process(pid).cmdline() else []
    return found


def test_placements_are_met_on_the_hosts_that_are_there_and_again_on_one_that_comes_back(cluster, hosts):
    def all_is_met_on(*numbers):
        eventually(lambda: held_on(cluster, hosts, "everywhere", *numbers))
        eventually(lambda: held_on(cluster, hosts, "per_host", *numbers))
        eventually(lambda: cluster.placement()["rows"].state == "held")
        assert len(cluster.placement()["everywhere"].holders) == cluster.n_workers
        assert cluster.gather("everywhere", "rows") == (BIG, ROWS)

    assert cluster.secure
    everything = [cluster.address, *nannies_and_workers(cluster)]
    ports = [(host, int(port)) for host, port in (address.split("://")[1].split(":") for address in everything)]
    assert len(ports) == 1 + 2 * 4
    assert as_nobody(within=hosts.command(3), ports=ports, paths=[]) == []
    with pytest.warns(UserWarning, match="has no TLS"):
        local = moorage.start(n_workers=1, insecure=True)
    with local:  # on loopback, which another host does not reach
        port = local.address.rpartition(":")[2]
        reached = run(hosts.command(3, "bash", "-c", f"echo > /dev/tcp/{HERE}/{port}"), {}, check=False)
        assert "refused" in reached
    with urllib.request.urlopen(cluster.dashboard_link, timeout=60) as page:  # on loopback, the scheduler is not
        assert page.status == 200

    cluster.broadcast(BIG, name="everywhere")
    cluster.broadcast(BIG[:1000], name="per_host", per_host=True)
    cluster.scatter(ROWS, name="rows")
    (away,) = (info.name for info in cluster.workers() if info.host == hosts.address(2))
    cluster.pin("there", [away], value={"a": 1})
    all_is_met_on(1, 2, 3)

    hosts.cut(2)
    begun = time.monotonic()
    eventually(lambda: cluster.n_workers == 3)
    all_is_met_on(1, 3)  # the rows of the host that is away are sent again
    assert cluster.gather("there") == {"a": 1}
    assert cluster.placement()["there"].state == "waiting"

    eventually(lambda: time.monotonic() > begun + CUT, CUT)
    hosts.mend(2)
    eventually(lambda: cluster.n_workers == 4, 90)
    all_is_met_on(1, 2, 3)
    eventually(lambda: cluster.placement()["there"].holders == [away])
    eventually(lambda: len(nannies(hosts, 2)) == 1)  # nothing is left of the one that was cut off

    hosts.kill(3)
    eventually(lambda: cluster.n_workers == 3)
    all_is_met_on(1, 2)
    eventually(lambda: "could not be started" in cluster.status_info()["detail"])
    assert cluster.status_info()["pending"] == 1


def test_modules_of_the_user_are_on_hosts_that_do_not_have_the_files(cluster, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "beside_on_hosts.py"
    module = None
    for number in range(10):
        path.write_text(f"def f(): return {number}")
        importlib.invalidate_caches()
        module = importlib.reload(module) if module is not None else importlib.import_module(path.stem)
        path.unlink()  # all hosts of these tests have one disk
        if number % 3 == 1:
            os.kill(next(iter(cluster.client.run(os.getpid).values())), signal.SIGKILL)
        assert set(cluster.map(lambda i, module=module: module.f(), range(12), batch_size=1).gather()) == {number}
    eventually(lambda: cluster.n_workers == 4)
    assert set(cluster.submitter.each(module.f).gather(30).values()) == {9}
    del sys.modules[path.stem]
