"""Clusters whose workers are jobs that nobody watches but the host: lost ones are submitted again."""

from __future__ import annotations

import os
import signal

import dask.config
import pytest

from moorage.deploy.host_process import HostSpec, launch
from moorage.errors import ScaleError, StartError
from tests.deploy.tools import addresses, client_of, command, gone, infos, scratch_root, started, workers_of
from tests.helpers import eventually

JOBS = "tests.deploy.jobs.JobCluster"


@pytest.fixture(autouse=True)
def root():
    with scratch_root() as root, dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        yield root


def arrived(client):
    return sorted(command(client)["arrived"])


def test_jobs_arrive_after_the_cluster_is_ready_and_end_with_it():
    with started(cluster_class=JOBS, n_workers=2) as handle, client_of(handle) as client:
        assert command(client)["requested"] == ("0", "1")
        eventually(lambda: arrived(client) == ["0", "1"])
    eventually(lambda: gone(handle.info.pid, handle.info.scratch))


def test_a_job_that_was_killed_is_submitted_again(root):
    with started(cluster_class=JOBS, n_workers=1) as handle, client_of(handle) as client:
        eventually(lambda: arrived(client) == ["0"])
        before = addresses(client)["0"]
        os.kill(workers_of(handle)["0"], signal.SIGKILL)
        eventually(lambda: addresses(client).get("0") not in (None, before))


def test_a_timer_of_a_lost_job_does_not_hit_the_next_of_its_name(root):
    delay = root / "delay"
    options = {"delay": str(delay)}
    with started(cluster_class=JOBS, n_workers=1, options=options) as handle, client_of(handle) as client:
        eventually(lambda: arrived(client) == ["0"])
        delay.write_text("3")  # longer than the time after which a worker is given up
        os.kill(workers_of(handle)["0"], signal.SIGKILL)
        eventually(lambda: arrived(client) == [])
        command(client, "scale", n=0)
        command(client, "scale", n=1)
        eventually(lambda: arrived(client) == ["0"])


def test_a_submission_that_fails_is_reported_at_once(root):
    refusal = root / "refusal"
    refusal.write_text("no queue of that name")
    with pytest.raises(StartError, match="no queue of that name"):
        launch(HostSpec(cluster_class=JOBS, n_workers=1, options={"refusal": str(refusal)}))


def test_a_submission_that_fails_leaves_the_size_as_it_was(root):
    refusal = root / "refusal"
    options = {"refusal": str(refusal)}
    with started(cluster_class=JOBS, n_workers=1, options=options) as handle, client_of(handle) as client:
        eventually(lambda: arrived(client) == ["0"])
        refusal.write_text("quota exceeded")
        with pytest.raises(ScaleError, match="quota exceeded"):
            command(client, "scale", n=3)
        assert command(client)["requested"] == ("0",)
        refusal.unlink()
        command(client, "scale", n=2)
        eventually(lambda: len(arrived(client)) == 2)


def test_a_lost_job_is_submitted_again_once_the_queue_takes_it(root):
    refusal = root / "refusal"
    options = {"refusal": str(refusal)}
    with started(cluster_class=JOBS, n_workers=1, options=options) as handle, client_of(handle) as client:
        eventually(lambda: arrived(client) == ["0"])
        refusal.write_text("queue is down")
        os.kill(workers_of(handle)["0"], signal.SIGKILL)
        eventually(lambda: "queue is down" in command(client)["trouble"])
        assert command(client)["pending"] == ("0",)
        refusal.unlink()
        eventually(lambda: arrived(client) == ["0"])
        assert command(client)["trouble"] == ""


def test_workers_of_one_job_go_together_and_their_data_stays():
    with (
        started(cluster_class=JOBS, n_workers=4, options={"processes": 2}) as handle,
        client_of(handle) as client,
    ):
        eventually(lambda: arrived(client) == ["0-0", "0-1", "1-0", "1-1"])
        values = {str(info["name"]): os.urandom(1000) for _, info in infos(client)}
        futures = {name: client.scatter(value, workers=[name]) for name, value in values.items()}
        with pytest.raises(ScaleError, match="belongs to the same job") as caught:
            command(client, "scale", workers=["1-0"])
        assert "1-0, 1-1" in caught.value.remedy
        assert len(command(client, "scale", n=3)["arrived"]) == 4  # not fewer than asked for
        assert len(command(client, "scale", n=2)["arrived"]) == 2
        assert client.gather(futures) == values
