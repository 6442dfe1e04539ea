"""A cluster whose connection is gone, for whatever reason: it can be found again, ended, and replaced."""

import asyncio
import contextlib
import os
import signal

import dask.config
import pytest

import moorage
from moorage.controller import registry
from moorage.deploy.kept import state_folder
from moorage.errors import NoClusterError, UnreachableError
from tests.deploy.tools import living
from tests.helpers import eventually


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    """A folder for state files of this test alone."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def start():
    """Start clusters that are ended in any case."""
    hosts = []

    def start(**options):
        cluster = moorage.start(n_workers=1, threads_per_worker=1, **options)
        hosts.append(host_of(cluster))
        return cluster

    yield start
    for controller in registry.all_controllers():
        controller.stop()
    for host in hosts:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(host, signal.SIGKILL)


def host_of(cluster):
    """Return the process id of the host, which is that of its process group."""
    return cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"]


def nothing_is_left(host):
    return not living(host)


def test_a_cluster_whose_client_was_closed_is_found_again_with_its_variables_and_ends_with_us(start):
    old = start()
    host = host_of(old)
    old.broadcast(b"x" * 1000, name="x")
    old.client.close()
    assert old.lost
    assert old.status_info()["status"] == "lost"
    with pytest.raises(UnreachableError, match="is lost"):
        old.placement()

    def found_again(new):
        assert (new.status, old.status) == ("connected", "stopped")
        assert (new.address, host_of(new), registry.current()) == (old.address, host, new)
        assert registry.all_controllers() == [new]
        assert new.gather("x") == b"x" * 1000
        new.client.close()
        return new

    old = found_again(moorage.attach())
    old = found_again(moorage.attach(old))
    old = found_again(moorage.attach(old.address, security=old.client.security))
    old.close()  # it was started here, however often it was attached to
    eventually(lambda: nothing_is_left(host))
    assert registry.all_controllers() == []


def test_stop_ends_a_cluster_whose_client_was_closed(start):
    cluster = start(keep=True)
    host = host_of(cluster)
    cluster.client.close()
    cluster.stop()
    assert cluster.status == "stopped"
    eventually(lambda: nothing_is_left(host))
    assert not list(state_folder().iterdir())


def test_shutdown_of_the_client_ends_the_cluster_though_it_is_kept(start):
    cluster = start(keep=True)
    host = host_of(cluster)
    cluster.client.shutdown()
    assert (cluster.status, cluster.client.status) == ("stopped", "closed")
    eventually(lambda: nothing_is_left(host))
    assert registry.all_controllers() == []
    cluster.stop()
    cluster.close()
    with pytest.raises(UnreachableError, match="is stopped"):
        moorage.attach(cluster)


def test_stop_ends_what_a_killed_host_has_left(start):
    cluster = start()
    host = host_of(cluster)
    os.kill(host, signal.SIGSTOP)  # so that nothing else ends, and nothing answers
    os.kill(host, signal.SIGKILL)
    cluster.stop()
    eventually(lambda: nothing_is_left(host))


def test_a_kept_cluster_that_another_notebook_has_started_is_ended_without_a_connection(start):
    with start(keep=True) as theirs:
        host = host_of(theirs)
    mine = moorage.attach(theirs.name)
    assert mine.handle is None
    mine.client.close()
    mine.stop()
    eventually(lambda: nothing_is_left(host))


def test_a_kept_cluster_that_another_notebook_has_stopped_is_no_obstacle(start):
    with start(keep=True) as theirs:
        host = host_of(theirs)
    mine = moorage.attach(theirs.name)
    os.kill(host, signal.SIGTERM)
    eventually(lambda: nothing_is_left(host))
    eventually(lambda: mine.lost)
    with pytest.raises(NoClusterError):
        moorage.attach()
    with pytest.raises(UnreachableError):
        moorage.attach(mine, timeout=1)
    mine.stop()
    assert mine.status == "stopped"
    assert registry.all_controllers() == []


@pytest.mark.parametrize("error", [RuntimeError("broken in a new way"), None], ids=["listening failed", "no answer"])
def test_leaving_ends_cleanly_whatever_has_become_of_the_connection(start, monkeypatch, error):
    cluster = start()
    host, client, loop = host_of(cluster), cluster.client, cluster.client.loop.asyncio_loop
    future = client.submit(sum, [1, 2])

    async def failing(*_, **__):
        raise error

    async def endless(*_, **__):
        await asyncio.Event().wait()

    if error is not None:
        monkeypatch.setattr(client, "_ensure_connected", failing)
        loop.call_soon_threadsafe(client.scheduler_comm.abort)
        eventually(client._handle_report_task.done)
    else:
        monkeypatch.setattr(client, "_close", endless)
    with dask.config.set({"moorage.stop-timeout": "2s"}):
        cluster.close()
    assert (cluster.status, client.status, future.status) == ("stopped", "closed", "cancelled")
    assert loop.is_closed()
    eventually(lambda: nothing_is_left(host))
    with pytest.raises(UnreachableError):
        cluster.placement()
    client.close()  # as it does when it is collected


def test_a_client_that_gave_up_by_itself_leaves_no_thread(start):
    cluster = start()
    loop = cluster.client.loop.asyncio_loop
    cluster.client._timeout = 0.5
    with dask.config.set({"moorage.cluster.restart": False}):
        os.killpg(host_of(cluster), signal.SIGKILL)
        eventually(lambda: cluster.client.status == "closed")
    assert not loop.is_closed()
    cluster.close()
    assert loop.is_closed()
