"""How a cluster in a process of its own ends: by whoever started it, by its death, by itself; nothing is left."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from moorage.errors import InputError
from tests.deploy.tools import (
    Starter,
    client_of,
    client_to,
    command,
    gone,
    living,
    started,
    workers_of,
)
from tests.helpers import eventually

pytestmark = pytest.mark.usefixtures("root")


def test_the_starter_killed_leaves_nothing():
    with Starter("start(n_workers=2)\nsys.stdin.read()") as starter:
        ready = starter.until("ready")
        starter.process.send_signal(signal.SIGKILL)
        eventually(lambda: gone(ready["pid"], ready["scratch"]))


def test_the_starter_killed_leaves_nothing_though_its_child_holds_the_pipe():
    code = """
import os, signal, time
handle = start(n_workers=1)
if os.fork() == 0:
    report(child=os.getpid())
    time.sleep(60)
    os._exit(0)
sys.stdin.read()
"""
    with Starter(code) as starter:
        ready = starter.until("ready")
        child = psutil.Process(starter.until("child")["child"])
        starter.process.send_signal(signal.SIGKILL)
        try:
            eventually(lambda: gone(ready["pid"], ready["scratch"]))
            assert child.is_running()
        finally:
            child.kill()


def test_the_starter_killed_leaves_nothing_though_the_scheduler_is_busy():
    code = """
import time
from distributed import Client
handle = start(n_workers=1)
client = Client(handle.info.address, security=handle.info.security)
client._send_to_scheduler({"op": "log-event", "topic": "x", "msg": 1})
def block(dask_scheduler):
    import time
    time.sleep(60)
import threading
threading.Thread(target=lambda: client.run_on_scheduler(block), daemon=True).start()
time.sleep(0.5)
report(blocked=True)
sys.stdin.read()
"""
    with Starter(code) as starter:
        ready = starter.until("ready")
        starter.until("blocked")
        starter.process.send_signal(signal.SIGKILL)
        eventually(lambda: gone(ready["pid"], ready["scratch"]))


def test_the_starter_killed_during_the_start_leaves_nothing(root):
    with Starter("start(n_workers=4)") as starter:
        host = starter.host().pid
        starter.until("arrived")
        starter.process.send_signal(signal.SIGKILL)
        eventually(lambda: not living(host))
        eventually(lambda: not [path for path in root.glob("moorage-*/*") if path.is_dir()])


def test_an_interrupt_during_the_start_leaves_nothing(root):
    with Starter("start(n_workers=8)") as starter:
        host = starter.host().pid
        starter.until("arrived")
        starter.process.send_signal(signal.SIGINT)
        assert starter.process.wait(60) != 0
        assert starter.process.stderr is not None
        assert "KeyboardInterrupt" in starter.process.stderr.read()
        assert not living(host)
        eventually(lambda: not [path for path in root.glob("moorage-*/*") if path.is_dir()])


def test_an_interrupt_of_the_process_group_does_not_reach_the_cluster():
    code = """
handle = start(n_workers=1)
try:
    report(waiting=True)
    sys.stdin.read()
except KeyboardInterrupt:
    report(interrupted=True)
sys.stdin.read()
"""
    with Starter(code) as starter:
        ready = starter.until("ready")
        starter.until("waiting")
        os.killpg(starter.process.pid, signal.SIGINT)
        starter.until("interrupted")
        with client_to(ready) as client:
            assert client.submit(sum, [1, 2]).result(60) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stopped workers are ended by Linux only")
def test_the_host_killed_leaves_no_worker_not_even_a_stuck_one():
    with started(n_workers=2) as handle:
        pids = workers_of(handle)
        os.kill(pids["1"], signal.SIGSTOP)
        os.kill(handle.info.pid, signal.SIGKILL)
        eventually(lambda: not living(handle.info.pid))
        assert not handle.alive
        assert Path(handle.info.scratch).exists()
        handle.close()
        assert not Path(handle.info.scratch).exists()


def test_what_a_killed_host_left_is_removed_by_the_next_start(root):
    with Starter("start(n_workers=1)\nsys.stdin.read()") as starter:
        ready = starter.until("ready")
        # Nobody is left to tidy up: neither the host nor the one that started it.
        starter.process.send_signal(signal.SIGSTOP)
        os.kill(ready["pid"], signal.SIGKILL)
        starter.process.send_signal(signal.SIGKILL)
        eventually(lambda: not living(ready["pid"]))
    assert Path(ready["scratch"]).exists()
    with started(n_workers=1) as handle:
        eventually(lambda: not Path(ready["scratch"]).exists())
        assert Path(handle.info.scratch).exists()


def test_closing_ends_what_a_task_has_started_and_does_not_wait_for_a_worker_that_hangs():
    def start_something():
        import subprocess

        return subprocess.Popen(["sleep", "300"]).pid

    with started(n_workers=2) as handle:
        with client_of(handle) as client:
            pid = client.submit(start_something).result()
        assert psutil.pid_exists(pid)
        os.kill(workers_of(handle)["0"], signal.SIGSTOP)
        handle.close()
        eventually(lambda: gone(handle.info.pid, handle.info.scratch))


def test_a_host_that_cannot_be_made_to_end_is_killed():
    with started(n_workers=1) as handle:
        os.kill(handle.info.pid, signal.SIGSTOP)
        handle.close(timeout=0.5)
        eventually(lambda: gone(handle.info.pid, handle.info.scratch))


def test_a_terminated_host_leaves_nothing():
    with started(n_workers=1) as handle:
        os.kill(handle.info.pid, signal.SIGTERM)
        eventually(lambda: gone(handle.info.pid, handle.info.scratch))


def test_stop_over_the_connection_leaves_nothing():
    with started(n_workers=1) as handle:
        with client_of(handle) as client:
            assert command(client, "stop")["name"] == handle.info.name
        eventually(lambda: gone(handle.info.pid, handle.info.scratch))


@pytest.mark.parametrize("end", ["handle.close()", "pass"])
def test_a_kept_cluster_outlives_what_started_it_until_it_is_stopped_and_python_does_not_complain_at_its_end(end):
    code = f"import warnings\nwarnings.simplefilter('always')\nhandle = start(n_workers=1, keep=True)\n{end}"
    with Starter(code) as starter:
        ready = starter.until("ready")
        assert starter.process.communicate(timeout=60)[1] == ""
        assert starter.process.returncode == 0
    with client_to(ready) as client:
        assert command(client)["keep"] is True
        assert client.submit(sum, [1, 2]).result() == 3
        with pytest.raises(InputError):
            command(client, "keep", keep=False)
        command(client, "stop")
    eventually(lambda: gone(ready["pid"], ready["scratch"]))


def test_a_cluster_can_be_kept_afterwards():
    code = "handle = start(n_workers=1)\nsys.stdin.readline()\nhandle.kept = True\nhandle.close()"
    with Starter(code) as starter:
        ready = starter.until("ready")
        with client_to(ready) as client:
            assert command(client, "keep", keep=True)["keep"] is True
            starter.process.communicate("\n", timeout=60)
            assert client.submit(sum, [1, 2]).result() == 3
            command(client, "stop")
    eventually(lambda: gone(ready["pid"], ready["scratch"]))


def test_a_kept_cluster_that_nobody_uses_ends():
    with Starter("start(n_workers=1, keep=True, idle_timeout=8).close()") as starter:
        ready = starter.until("ready")
        starter.process.wait(60)
    with client_to(ready) as client:
        client.submit(time.sleep, 9).result()  # longer than the limit: used is used
    eventually(lambda: gone(ready["pid"], ready["scratch"]))
