"""The same story on each real job queue: data stays while jobs come, go, and are killed; in the end none is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dask
import pytest

import moorage
from moorage.errors import InputError, StartError
from moorage.host.queues import shared_base
from tests.host.tools import eventually

pytestmark = pytest.mark.timeout(200)

BIG = os.urandom(2_000_000)


@pytest.fixture
def start(queue):
    controllers = []

    def start(**options):
        controller = moorage.start(using=queue.name, options={**queue.options, **options.pop("options", {})}, **options)
        controllers.append(controller)
        return controller

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "2s"}):
        yield start
    for controller in controllers:
        if controller.status != "stopped":
            controller.stop()
    eventually(lambda: not queue.jobs(), 30)


def arrived(cluster, n):
    cluster.wait_for_workers(n, 90)
    eventually(lambda: cluster.n_workers == n, 60)


def data_is_there(cluster):
    assert cluster.gather("big") == BIG
    assert cluster.gather("pinned") == {"a": 1}
    assert cluster.gather("rows") == [(n, n * n) for n in range(50)]


def test_data_stays_while_jobs_come_and_go(start, queue):
    cluster = start(n_workers=2)
    assert len(queue.jobs()) == 2
    arrived(cluster, 2)
    assert cluster.secure
    cluster.broadcast(BIG, name="big")
    first, second = cluster.worker_names()
    cluster.pin("pinned", [first], value={"a": 1})
    cluster.scatter([(n, n * n) for n in range(50)], name="rows")
    assert cluster.placement()["big"].holders == sorted([first, second])

    big = cluster["big"].future
    results = cluster.client.map(lambda n, data: n + len(data), range(200), data=big, pure=False)
    assert cluster.client.gather(results) == [n + len(BIG) for n in range(200)]

    cluster.scale(4)
    arrived(cluster, 4)
    eventually(lambda: len(cluster.placement()["big"].holders) == 4, 30)

    # One is killed from outside: it is resubmitted, and holds again what it shall.
    before = set(queue.jobs())
    queue.cancel(sorted(before, key=int)[0])
    eventually(lambda: len(set(queue.jobs()) - before) == 1 and len(queue.jobs()) == 4, 60)
    eventually(lambda: cluster.n_workers == 4 and len(cluster.placement()["big"].holders) == 4, 90)
    data_is_there(cluster)

    cluster.scale(1)
    eventually(lambda: len(queue.jobs()) == 1, 30)
    assert len(cluster.workers()) == 1
    data_is_there(cluster)

    cluster.adapt(1, 3)
    load = cluster.client.map(_slow, range(60), pure=False)
    eventually(lambda: len(queue.jobs()) > 1, 30)
    cluster.client.cancel(load)
    del load
    eventually(lambda: len(queue.jobs()) == 1 and cluster.n_workers == 1, 60)
    data_is_there(cluster)

    cluster.stop()
    eventually(lambda: not queue.jobs(), 30)


def _slow(n):
    import time

    time.sleep(0.5)
    return n


def test_what_the_queue_refuses_is_told_in_its_own_words(start, queue):
    with pytest.raises(StartError, match="refused the job") as caught:
        start(n_workers=1, options={"queue": "nosuch"})
    assert "nosuch" in str(caught.value) or "partition" in str(caught.value)
    assert not queue.jobs()


def test_a_command_that_is_missing_is_named(start, queue, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StartError, match=r"there is no command '(qsub|sbatch)'"):
        start(n_workers=1)


def test_credentials_of_jobs_are_private_and_go_with_the_cluster(start, queue):
    before = set(shared_base().iterdir()) if shared_base().exists() else set()
    cluster = start(n_workers=1)
    (folder,) = (path for path in shared_base().iterdir() if path not in before and path.is_dir())
    assert folder.stat().st_mode & 0o777 == 0o700
    files = [path for path in folder.iterdir() if "key" in path.name]
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    secret = files[0].read_text().splitlines()[1]
    arrived(cluster, 1)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        assert secret.encode() not in shown
    cluster.stop()
    eventually(lambda: not folder.exists())


def test_jobs_can_be_kept_beyond_the_notebook(start, queue):
    first = start(n_workers=1, keep=True)
    arrived(first, 1)
    first.broadcast(BIG, name="big")
    first.close()
    second = moorage.attach()
    assert second.kind == first.kind
    assert second.gather("big") == BIG
    assert len(queue.jobs()) == 1
    second.stop()
    eventually(lambda: not queue.jobs(), 30)


@pytest.mark.parametrize("option", ["security", "protocol", "asynchronous"])
def test_what_moorage_sets_cannot_be_an_option(start, option):
    with pytest.raises(InputError, match=option):
        start(n_workers=1, options={option: None})


def test_the_notebook_about_queues_shows_what_it_says(queue):
    if queue.name != "sge":
        pytest.skip("the notebook is about Grid Engine")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, root / "notebooks/run.py", root / "notebooks/hpc.ipynb"],
        capture_output=True,
        text=True,
        timeout=190,
    )
    assert done.returncode == 0, done.stderr
    assert "200 distances" in done.stdout
    assert "as computed here: True" in done.stdout
    eventually(lambda: not queue.jobs(), 30)
