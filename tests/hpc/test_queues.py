"""The same story on each real job queue: data stays while jobs come, go, and are killed; in the end none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dask
import pytest

import moorage
from moorage.deploy.clusters.jobqueue import shared_base
from moorage.errors import InputError, StartError
from tests.helpers import eventually

pytestmark = pytest.mark.timeout(600)

BIG = os.urandom(2_000_000)


@pytest.fixture
def start(queue):
    controllers = []

    def start(**options):
        controller = moorage.start(using=queue.name, options={**queue.options, **options.pop("options", {})}, **options)
        controllers.append(controller)
        return controller

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        yield start
    for controller in controllers:
        if controller.status != "stopped":
            controller.stop()
    eventually(lambda: not queue.jobs())


def arrived(cluster, n):
    cluster.wait_for_workers(n, 90)
    eventually(lambda: cluster.n_workers == n)


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
    eventually(lambda: len(cluster.placement()["big"].holders) == 4)

    # One is killed from outside: it is resubmitted, and holds again what it shall.
    before = set(queue.jobs())
    queue.cancel(sorted(before, key=int)[0])
    eventually(lambda: len(set(queue.jobs()) - before) == 1 and len(queue.jobs()) == 4)
    eventually(lambda: cluster.n_workers == 4 and len(cluster.placement()["big"].holders) == 4, 90)
    data_is_there(cluster)

    cluster.scale(1)
    eventually(lambda: len(queue.jobs()) == 1)
    assert len(cluster.workers()) == 1
    data_is_there(cluster)

    cluster.adapt(1, 3)
    load = cluster.client.map(_slow, range(60), pure=False)
    eventually(lambda: len(queue.jobs()) > 1)
    cluster.client.cancel(load)
    del load
    eventually(lambda: len(queue.jobs()) == 1 and cluster.status_info()["requested"] == 1)  # as many come back
    data_is_there(cluster)

    os.kill(cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"], signal.SIGKILL)
    eventually(lambda: cluster.link.lives == 2 and cluster.link.is_back)
    arrived(cluster, 1)  # a job that is submitted again: the other one ends for want of its scheduler
    data_is_there(cluster)
    assert cluster.worker_names() == [first]  # to which "pinned" is pinned
    eventually(lambda: len(queue.jobs()) == 1)

    cluster.stop()
    eventually(lambda: not queue.jobs())


def test_a_job_that_takes_the_name_of_a_lost_one_is_left_alone(start, queue):
    cluster = start(n_workers=1)
    arrived(cluster, 1)
    names = cluster.worker_names()
    queue.cancel(queue.jobs()[0])
    eventually(lambda: cluster.n_workers == 0)
    cluster.scale(0)
    cluster.scale(1)
    (job,) = queue.jobs()
    arrived(cluster, 1)  # later than the first one is given up
    assert cluster.worker_names() == names
    assert queue.jobs() == [job]


def test_a_worker_leaves_with_its_data_before_the_time_of_its_job_is_over(start, queue):
    if queue.name != "slurm" and not os.environ.get("MOORAGE_LONG_TESTS"):
        pytest.skip("a job of a minute; on one queue only, unless MOORAGE_LONG_TESTS is set")
    cluster = start(n_workers=1, options={"walltime": "00:01:00", "worker_extra_args": ["--lifetime-stagger", "0s"]})
    arrived(cluster, 1)
    begun = time.monotonic()
    (first,) = cluster.workers()
    (job,) = queue.jobs()
    plain = cluster.client.scatter(BIG)  # which nobody could send again
    cluster.pin("pinned", [first.name], value={"a": 1})
    cluster.broadcast(BIG, name="big")
    eventually(lambda: time.monotonic() > begun + 6)  # the second one shall be younger
    cluster.scale(2)
    arrived(cluster, 2)
    assert first.address in {info.address for info in cluster.workers()}
    assert not cluster.client.who_has([plain])[plain.key][1:]
    eventually(lambda: first.address not in {info.address for info in cluster.workers()})
    assert plain.result(60) == BIG
    assert cluster.gather("pinned") == {"a": 1}
    # The queue had no part in it; and the job is submitted again.
    eventually(lambda: job not in queue.jobs() and len(queue.jobs()) == 2)
    eventually(lambda: cluster.placement()["pinned"].holders == [first.name])


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


def test_jobs_of_several_workers_can_be_kept_beyond_the_notebook(start, queue):
    first = start(n_workers=2, keep=True, options={"cores": 2})
    assert len(queue.jobs()) == 1
    arrived(first, 2)
    first.broadcast(BIG, name="big")
    first.close()
    second = moorage.attach()
    assert second.kind == first.kind
    assert second.gather("big") == BIG
    second.scale(cores=4)
    assert len(queue.jobs()) == 2
    arrived(second, 4)
    values = {worker: os.urandom(1000) for worker in second.worker_names()}
    held = {worker: second.client.scatter(value, workers=[worker]) for worker, value in values.items()}
    second.scale(2)
    eventually(lambda: len(queue.jobs()) == 1)
    assert second.client.gather(held) == values
    second.stop()
    eventually(lambda: not queue.jobs())


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
    eventually(lambda: not queue.jobs())


def test_the_notebook_brings_a_cluster_back_whose_host_is_killed(start, queue):
    cluster = start(n_workers=2)
    arrived(cluster, 2)
    cluster.broadcast(BIG, name="big")
    lives = cluster.link.lives
    os.kill(cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"], signal.SIGKILL)
    eventually(lambda: cluster.link.lives > lives and cluster.link.is_back)
    arrived(cluster, 2)
    eventually(lambda: len(cluster.placement()["big"].holders) == 2)
    assert cluster.gather("big") == BIG
