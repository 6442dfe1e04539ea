"""`cluster.why()` of workers that leave, crash and are full, and of what goes with them."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import threading
import traceback

import numpy as np
import pytest
from distributed import Client, Event, KilledWorker, wait

import moorage
from moorage.errors import WaitTimeoutError
from moorage.worker.last_words import FILE
from tests.controller.why.tools import MB, address, make, says
from tests.helpers import eventually


@pytest.fixture(scope="module")
def leaving():
    """A cluster whose workers may be lost, for the last tests here: in the end dan is gone."""
    with moorage.start(names=["carol", "dan"], threads_per_worker=1, memory_limit="400MB") as controller:
        yield controller


def test_workers_keep_what_they_log_before_anything_is_placed(leaving):
    def look(dask_worker):
        return os.path.exists(os.path.join(dask_worker.local_directory, FILE))

    assert not leaving.placement()
    eventually(lambda: all(leaving.client.run(look).values()))


def test_what_is_spilled_says_what_fills_the_worker(leaving, names):
    names["big"] = leaving.client.map(make, [20 * MB] * 12, range(12), pure=False, workers=["dan"])
    wait(names["big"])
    found = says(leaving, "big", "spilled", "is on disk, mostly on dan")
    assert not found.well
    assert leaving.why("dan").state in ("spilled", "paused", "short of memory")


def test_a_copy_from_a_worker_that_is_stopped_takes_long_and_names_it(leaving):
    leaving.pin("block", workers=["carol"], value=np.arange(100_000))
    pid = leaving.client.run(os.getpid, workers=[address(leaving, "carol")])[address(leaving, "carol")]
    os.kill(pid, signal.SIGSTOP)
    try:
        with contextlib.suppress(WaitTimeoutError):
            leaving.pin("block", workers=["dan"], timeout=0.1)
        found = says(
            leaving, "block", "moving", "carol has been sending 781.25 kiB to dan", "restart_workers(['carol'])"
        )
        assert "carol has said nothing for" in found.cause
    finally:
        os.kill(pid, signal.SIGCONT)
    says(leaving, "block", "held")
    leaving.release("block")


def test_a_restart_that_somebody_asked_for_is_not_a_death(leaving):
    leaving.client.restart_workers(["carol"])
    assert says(leaving, "carol", "running", "it was told to restart").well


def test_a_value_whose_only_copy_went_with_its_worker_is_lost_and_so_is_what_needs_it(leaving, names):
    leaving.pin("once", workers=["dan"], value=b"x" * 1000, keep_origin=False)
    names["uses"] = leaving.client.submit(len, leaving["once"].future, workers=["carol"], pure=False)
    assert names["uses"].result() == 1000
    pid = leaving.client.run(os.getpid, workers=[address(leaving, "dan")])[address(leaving, "dan")]
    eventually(lambda: leaving.placement()["once"].holders == ["dan"])  # carol had one to use it
    os.kill(pid, signal.SIGKILL)
    says(leaving, "once", "lost", "its last copy was on worker dan", "Place it again with its value", "%pin once")
    names["uses"] = leaving.client.submit(len, leaving["once"].future, pure=False)
    says(leaving, "uses", "lost", "it needs ", "is lost", "Place it again with its value")
    leaving.release("once")
    eventually(lambda: leaving.why("dan").state in ("running", "restarted"))


def test_a_value_that_another_notebook_is_to_send_again_waits_for_that_notebook(leaving, names):
    client, busy = leaving.client, threading.Event()
    with (
        Client(client.scheduler.address, security=client.security, set_as_default=False) as theirs,
        moorage.attach(theirs) as other,
    ):
        texts = [str(n) * 15_000 for n in range(1000, 1200)]  # not shared, and too large to be kept
        other.pin("texts", workers=["dan"], value=texts)
        eventually(lambda: "texts" in leaving.placement())
        theirs.loop.add_callback(busy.wait)
        try:
            dan = address(leaving, "dan")
            os.kill(client.run(os.getpid, workers=[dan])[dan], signal.SIGKILL)
            says(leaving, "texts", "moving", "on its way from the notebook", "It comes when that notebook answers")
            names["uses"] = client.submit(len, leaving["texts"].future, pure=False)
            says(leaving, "uses", "waiting", "it waits for texts", "from the notebook that placed it")
        finally:
            busy.set()
        assert names["uses"].result(timeout=60) == 200
        says(leaving, "texts", "held")
        leaving.release("texts")


@pytest.fixture
def one_try(leaving):
    """Have a task fail with the first worker that ends under it."""

    def allow(failures, dask_scheduler):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, failures
        return before

    before = leaving.client.run_on_scheduler(allow, 0)
    eventually(lambda: leaving.why("carol").state in ("running", "restarted"))
    yield
    leaving.client.run_on_scheduler(allow, before)


def test_a_task_that_ends_its_workers_is_killed(leaving, names, one_try):
    names["deadly"] = leaving.client.submit(os._exit, 3, workers=["carol"], pure=False)
    says(leaving, "deadly", "killed", "the workers that ran exit died", "carol: its process ended", "exit code 3")


def test_a_task_that_takes_too_much_memory_says_how_much(leaving, names, one_try):
    def take():
        block = np.ones(400 * MB // 8)
        Event("never").wait(60)
        return block

    names["greedy"] = leaving.client.submit(take, workers=["carol"], pure=False)
    found = says(leaving, "greedy", "killed", "MiB, more memory than its limit", "workers more memory")
    assert "the last was carol: its process was ended" in found.cause
    says(leaving, "carol", "restarted", "MiB, more memory than its limit")


def test_a_worker_that_crashes_leaves_what_it_logged_and_where_it_was(leaving, names, one_try):
    def crash():
        logging.getLogger("distributed.worker").warning("about to read at %d", 0)
        ctypes.string_at(0)

    names["results"] = leaving.map(lambda _: crash(), [0], workers=["carol"])
    names["results"].wait()
    found = says(leaving, "results[0]", "killed", "the last was carol: its process crashed", "signal 11 (SIGSEGV)")
    assert any("WARNING about to read at 0" in line for line in found.log), found.log
    assert any("string_at" in line for line in found.log), found.log
    assert "signal 11 (SIGSEGV)" in repr(names["results"].errors[0])
    with pytest.raises(KilledWorker) as raised:
        names["results"][0]
    assert "about to read at 0" in "".join(traceback.format_exception(raised.value))
    says(leaving, "carol", "restarted", "signal 11", "about to read at 0")


def test_the_file_of_last_words_is_the_owners_alone(leaving):
    def look(dask_worker):
        path = os.path.join(dask_worker.local_directory, FILE)
        return os.stat(path).st_mode & 0o777

    assert set(leaving.client.run(look).values()) == {0o600}


def test_a_worker_that_has_left_holds_up_what_is_for_it_only(leaving, names):
    leaving.pin("here", workers=["dan"], value=[1])
    eventually(lambda: leaving.why("carol").state in ("running", "restarted"))  # it takes what dan has
    left = address(leaving, "dan")
    leaving.scale(workers=["dan"])
    says(leaving, "dan", "gone", "it was told to leave", "%cluster scale")
    names["only"] = leaving.client.submit(make, 8, workers=[left], pure=False)
    says(leaving, "only", "waiting", "it may run only on dan, and no such worker is here", "allow_other_workers=True")
    says(leaving, "here", "waiting", "no worker dan yet", "%pin here --workers W... (carol)")


def test_without_workers_everything_waits_for_some(leaving, names):
    leaving.scale(0, force=True)
    names["any"] = leaving.client.submit(make, 8, pure=False)
    says(leaving, "any", "waiting", "the cluster has no running workers", "%cluster scale 2")
    says(leaving, "here", "waiting", "the cluster has no running workers", "%cluster scale 2")
