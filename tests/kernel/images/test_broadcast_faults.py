"""Whoever is killed at whichever stage of a broadcast: nothing hangs, nothing is left, and the others go on."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask.config as configuration
import numpy as np
import pytest

import moorage
from moorage.errors import MoorageError
from moorage.images.format import fingerprint
from moorage.kernel.images import sharing
from tests.controller.tools import address_of, dask
from tests.deploy.tools import living
from tests.helpers import eventually
from tests.kernel.images.stages import STAGES, at, segments
from tests.two_workers import release_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

N = 2_000_000
NOTEBOOK_OF_FEW = """
import os, resource, time
import numpy, moorage
cluster = moorage.attach()
few = len(os.listdir("/proc/self/fd")) + 30
resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
x = numpy.random.default_rng(7).random(2_000_000)
cluster.broadcast(x, name="x")
future, workers = cluster["x"].future, [info.name for info in cluster.workers()]
tasks = [cluster.client.submit(numpy.sum, future, workers=[worker], pure=False) for worker in workers]
print([float(total) for total in cluster.client.gather(tasks)])
deadline = time.monotonic() + 10
while "shared" not in (told := cluster.sharing("x")["x"]) and time.monotonic() < deadline:  # workers tell a bit later
    time.sleep(0.02)
print(told)
"""

NOTEBOOK_OF_TWO = """
import os, sys
import dask, numpy, moorage
with dask.config.set({"moorage.owner": sys.argv[1]}):
    cluster = moorage.attach()
cluster.broadcast(numpy.arange(100_000), name="before")
print("ready", flush=True)
for line in sys.stdin:
    word, seed = line.split()
    if word == "place":
        cluster.broadcast(numpy.random.default_rng(int(seed)).random(2_000_000), name="x")
    else:
        cluster.release("x")
    print("done", flush=True)
"""

ROOT = Path(__file__).parents[3]
LONGEST = 30.0
"""Seconds after which something hangs."""

NOTEBOOK = """
import os, sys
import numpy, moorage
from tests.kernel.images.stages import at
cluster = moorage.attach()
cluster.broadcast(numpy.arange(100_000), name="before")
stage = sys.argv[1]
x = numpy.random.default_rng(7).random(2_000_000)
with at(stage, x.nbytes, lambda: os.kill(os.getpid(), 9)):
    cluster.broadcast(x, name=stage.replace(" ", "_"))  # under one name the first might save the others the sending
"""


def random(seed):
    return np.random.default_rng(seed).random(N)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        options = {"threads_per_worker": 1, "memory_limit": "500MB", "keep": True}
        with moorage.start(names=["alice", "bob"], **options) as controller:
            controller.broadcast(random(19), name="before")  # the code goes to the workers with the first value
            yield controller
            controller.stop()


@pytest.fixture
def cluster(shared):
    yield shared
    eventually(lambda: not release_all(shared))
    nothing_is_left_in(*shared.client.run(os.getpid).values())


def nothing_is_left_in(*pids):
    """Wait until no segment is in these processes, nor in this one."""

    def left():
        sharing.pool().close()
        return [name for name, holders in segments().items() if holders & {*pids, os.getpid()}]

    probes = 2 * len(sharing._open)  # of each client, to ask workers whether they can map
    eventually(lambda: len(left()) <= probes)


def sums(cluster, name):
    workers = [info.name for info in cluster.workers() if info.status == "running"]
    future = cluster[name].future
    return cluster.client.gather(
        [cluster.client.submit(np.sum, future, workers=[worker], pure=False) for worker in workers]
    )


def held_by_both(cluster, name):
    placement = cluster.placement().get(name)
    return placement is not None and placement.state == "held" and placement.holders == ["alice", "bob"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_is_killed(cluster, stage):
    x = random(STAGES.index(stage))
    address = next(info.address for info in cluster.workers() if info.name == "alice")
    (pid,) = cluster.client.run(os.getpid, workers=[address]).values()
    begun = time.monotonic()
    with at(stage, x.nbytes, lambda: os.kill(pid, signal.SIGKILL)) as happened:
        cluster.broadcast(x, name="x")
    assert happened == [stage]
    assert time.monotonic() - begun < LONGEST
    eventually(lambda: address not in {info.address for info in cluster.workers()})
    eventually(lambda: held_by_both(cluster, "x"))
    assert sums(cluster, "x") == [x.sum()] * 2


def test_the_notebook_is_killed(cluster):
    x = random(7)
    # each attaches to the one cluster that is kept
    notebooks = {stage: subprocess.Popen([sys.executable, "-c", NOTEBOOK, stage], cwd=ROOT) for stage in STAGES}
    for stage, notebook in notebooks.items():
        assert notebook.wait(60) == -signal.SIGKILL, stage
    # what they have left half-way is completed or lost, and nobody waits for it
    eventually(lambda: all(one.state in ("held", "lost") for one in cluster.placement().values()))
    cluster.broadcast(x, name="mine")
    assert sums(cluster, "mine") == [x.sum()] * 2


def test_a_notebook_without_file_descriptors_sends_a_copy_that_workers_share(cluster):
    command = [sys.executable, "-c", NOTEBOOK_OF_FEW]
    done = subprocess.run(command, cwd=ROOT, timeout=60, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [str([float(random(7).sum())] * 2), "shared by alice, bob"]


def test_it_is_released_while_workers_map_it(cluster):
    x = random(7)
    for number in range(15):
        cluster.pin("x", ["alice"], value=x)
        cluster.pin("x", ["alice", "bob"], timeout=0)
        time.sleep(number / 500)  # at whichever moment
        cluster.release("x")
    cluster.broadcast(x, name="x")
    assert sums(cluster, "x") == [x.sum()] * 2


def held(key, dask_worker):
    """Return the sum of what a worker has, and the segments that it has mapped."""
    with open("/proc/self/maps") as lines:
        names = {line.split("memfd:")[1].split()[0] for line in lines if "memfd:moorage-" in line}
    return dask_worker.data[key].sum() if key in dask_worker.data else None, names


def test_two_notebooks_place_the_same_at_once(cluster):
    command = [sys.executable, "-c", NOTEBOOK_OF_TWO]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with contextlib.ExitStack() as stack:
        notebooks = [stack.enter_context(subprocess.Popen([*command, who], cwd=ROOT, **pipes)) for who in "ab"]
        stack.callback(lambda: [notebook.kill() for notebook in notebooks])

        def tell(word, *those):
            for notebook in those:
                notebook.stdin.write(f"{word}\n")
            assert [notebook.stdout.readline() for notebook in those] == ["done\n"] * len(those)

        assert [notebook.stdout.readline() for notebook in notebooks] == ["ready\n"] * 2
        before = cluster.client.run(held, None)
        for seed in range(10):
            x = random(seed)
            key = f"x-{fingerprint(x)}"
            first, second = notebooks if seed % 2 else notebooks[::-1]
            tell(f"place {seed}", first, second)
            tell("release 0", first)
            for who, (total, segments) in cluster.client.run(held, key).items():
                assert total == x.sum()
                assert len(segments - before[who][1]) == 1
            tell("release 0", second)
            eventually(lambda: cluster.client.run(held, None) == before)


@pytest.mark.parametrize("stage", STAGES)
def test_the_scheduler_is_killed(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    cluster = moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="500MB")
    host = cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"]
    try:
        cluster.broadcast(random(19), name="before")
        pids, x = list(cluster.client.run(os.getpid).values()), random(10)
        begun = time.monotonic()
        kill = lambda: os.kill(host, signal.SIGKILL)  # noqa: E731
        soon = configuration.set({"moorage.answer-timeout": "2s", "moorage.cluster.restart": False})
        with soon, at(stage, x.nbytes, kill) as happened, contextlib.suppress(MoorageError):
            cluster.broadcast(x, name="x", timeout="5s")
        assert happened == [stage]
        assert time.monotonic() - begun < LONGEST
        eventually(lambda: not living(host))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(host, signal.SIGKILL)
        cluster.stop()
    nothing_is_left_in(*pids)


def test_a_nanny_is_killed(tmp_path):
    file = tmp_path / "scheduler.json"
    with contextlib.ExitStack() as stack:
        start = lambda *words: stack.enter_context(dask(*words))  # noqa: E731
        start("scheduler", tmp_path, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        words = ("--nthreads", "1", "--memory-limit", "500MB", "--host", "127.0.0.1", "--no-dashboard")
        address = address_of(file)
        worker = lambda name: start("worker", tmp_path, address, "--name", name, *words)  # noqa: E731
        worker("bob")
        nannies = {stage: worker(f"alice-{number}") for number, stage in enumerate(STAGES)}
        cluster = stack.enter_context(moorage.attach(address))
        eventually(lambda: len([info for info in cluster.workers() if info.status == "running"]) == 5)
        cluster.broadcast(random(19), name="before")
        cluster.release("before")
        for number, (stage, nanny) in enumerate(nannies.items()):
            x = random(20 + number)
            begun = time.monotonic()
            with at(stage, x.nbytes, nanny.kill) as happened:
                cluster.broadcast(x, name="x")
            assert happened == [stage]
            assert time.monotonic() - begun < LONGEST
            eventually(lambda left=4 - number: len(cluster.workers()) == left)
            eventually(lambda left=4 - number: len(cluster.placement()["x"].holders) == left)
            assert sums(cluster, "x") == [x.sum()] * (4 - number)
        pids = cluster.client.run(os.getpid).values()
        cluster.release("x")
        nothing_is_left_in(*pids)
