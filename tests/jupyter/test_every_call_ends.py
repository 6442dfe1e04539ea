"""Every public call ends: in time, though the scheduler is stopped or dead; and at once, by an interrupt.

The calls are found by looking at the public classes, magics, actions and requests, so that a new one needs an entry in
`every_call.CALLS`. What each returns or raises in other circumstances is the business of other tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import dask
import dask.array
import numpy as np
import pytest
from distributed import Client, Event

import moorage
from moorage.controller import start
from moorage.controller.cluster import ClusterController
from moorage.errors import MoorageError
from moorage.jupyter.panel.publisher import Panel
from moorage.jupyter.panel.requests import Requests
from moorage.kernel import waiting
from moorage.kernel.placement.variable import Variable
from moorage.tasks.each import OnEach
from moorage.tasks.map.results import Results
from tests.helpers import eventually
from tests.jupyter.every_call import CALLS, LAST_CALLS, members, public_calls

LIMITS = {
    "moorage.answer-timeout": "1s",
    "moorage.connect-timeout": "1s",
    "moorage.stop-timeout": "1s",
    "moorage.wait-timeout": "1s",
}
IN_TIME = 15.0
"""Seconds for a call whose limits add up to no more than 4 s, while all the others run beside it."""
AT_ONCE = 5.0
"""Seconds from an interrupt to the end of the call."""
PATIENT = dict.fromkeys(LIMITS, "10 minutes")


class Scene:
    """A cluster with data, results on their way and others that are there, and all ways to speak with it."""

    def __init__(self, shell):
        self.shell = shell
        self.cluster = moorage.start(names=["alice", "bob"], threads_per_worker=2, memory_limit="1GB")
        self.pid = self.cluster._handle.info.pid
        self.gate = Event("gate", client=self.cluster.client)
        self.address, self.security = self.cluster.address, self.cluster.client.security
        self.client = Client(self.address, security=self.security, set_as_default=False, timeout=1)
        self.attached = [moorage.attach(self.address, security=self.security) for _ in range(4)]
        start.registry.add(self.cluster)
        self.value = np.arange(1000)
        shell.user_ns.update(cluster=self.cluster, x=np.arange(10), a=self.value, lazy=dask.array.ones(3))
        self.cluster.broadcast(self.value, "a")
        self.cluster.scatter([1, 2, 3], "parts")
        self.folder = tempfile.mkdtemp()
        self.cluster.save("a", to=f"{self.folder}/saved")
        self.variable = self.cluster["a"]
        self.submitter = self.cluster.submitter
        self.there = self.cluster.map(np.ones, [300_000, 300_000], batch_size=1)
        assert self.there.wait(60)
        self.each = self.submitter.each(int)
        assert self.each.wait(60)
        self.running = self.cluster.map(wait_at, ["gate"] * 4, batch_size=1)
        eventually(lambda: self.running.progress.running == 4)
        shell.user_ns.update(running=self.running)
        self.requests = Requests(Panel(shell))

    def line(self, magic, line=""):
        return self.shell.find_line_magic(magic)(line)

    def cell(self, magic, line, cell):
        return self.shell.find_cell_magic(magic)(line, cell)

    def ask(self, op, /, **args):
        replies = SimpleQueue()
        self.requests.answer({"id": 1, "op": op, "args": args}, "panel", False, replies.put)
        return replies.get()

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def close(self):
        self.go_on()
        self.requests.close()
        self.requests._panel.close()
        for one in self.attached:
            with contextlib.suppress(MoorageError):
                one.close()
        self.client.close()
        shutil.rmtree(self.folder)
        with contextlib.suppress(MoorageError):
            self.cluster.stop()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def wait_at(name):
    return Event(name).wait(120)


"""What changes nothing for the others. Variants of a call stand after a bar."""


def test_every_public_call_has_an_entry():
    known = {name.partition(" | ")[0] for name in CALLS | LAST_CALLS}
    assert sorted(public_calls() - known) == []


@pytest.fixture(params=[LIMITS], ids=["short"])
def scene(ipython, request):
    ipython.reset(new_session=False)
    ipython.run_line_magic("load_ext", "moorage")
    with dask.config.set(request.param):
        with dask.config.set({"moorage.answer-timeout": "1 minute"}):  # a busy machine takes more than a second
            scene = Scene(ipython)
        yield scene
        scene.close()
    ipython.run_line_magic("unload_ext", "moorage")


def reads():
    """Return a call for each public attribute that is none itself."""
    held = {ClusterController: "cluster", Variable: "variable", Results: "running", OnEach: "each"}
    return {
        f"{kind.__name__}.{name}": lambda s, kind=kind, name=name: getattr(getattr(s, held[kind]), name)
        for kind in held
        for name, member in members(kind).items()
        if not callable(member)
    }


def ends_in_time(scene):
    """Return what is wrong with calls that run side by side: those that take too long, or raise what they must not."""
    wrong = {}

    def call(item):
        name, function = item
        begun = time.monotonic()
        try:
            function(scene)
        except MoorageError:
            pass
        except BaseException as error:
            wrong[name] = repr(error)
        if (seconds := time.monotonic() - begun) > IN_TIME:
            wrong[name] = f"{seconds:.1f} s"

    calls = CALLS | reads()
    pool = ThreadPoolExecutor(len(calls))
    waits = {name: pool.submit(call, (name, function)) for name, function in calls.items()}
    deadline = time.monotonic() + 2 * IN_TIME
    while not all(one.done() for one in waits.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    wrong |= {name: "still waiting" for name, one in waits.items() if not one.done()}
    pool.shutdown(wait=False)
    for item in LAST_CALLS.items():
        call(item)
    return wrong


@pytest.mark.timeout(600)
def test_calls_end_in_time_though_the_scheduler_is_stopped(scene, monkeypatch):
    monkeypatch.setattr(waiting, "LOOK", 0.2)
    scene.stop()
    wrong = ends_in_time(scene)
    assert not wrong, "\n".join(f"{name}: {why}" for name, why in wrong.items())


@pytest.mark.timeout(600)
def test_calls_end_in_time_though_the_scheduler_is_dead(scene, monkeypatch):
    monkeypatch.setattr(waiting, "LOOK", 0.2)
    with dask.config.set({"moorage.cluster.restart": False}):
        os.kill(scene.pid, signal.SIGKILL)
        wrong = ends_in_time(scene)
    assert not wrong, "\n".join(f"{name}: {why}" for name, why in wrong.items())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scene", [PATIENT], ids=["patient"], indirect=True)
def test_an_interrupt_ends_each_call_at_once_and_the_cluster_can_be_used_on(scene):
    scene.stop()
    late = {}
    for name, call in (CALLS | reads()).items():
        seconds = interrupted(lambda call=call: call(scene))
        if seconds > AT_ONCE:
            late[name] = f"{seconds:.1f} s"
    scene.go_on()
    assert not late

    eventually(lambda: scene.cluster.status == "connected")
    scene.cluster.scatter([1, 2], "later", whole=True)
    assert scene.cluster.gather("later") == [1, 2]
    scene.gate.set()  # frees the workers
    assert scene.cluster.submit(sum, [1, 2]).result(30) == 3
    assert scene.cluster.map(abs, [-1, -2]).gather() == [1, 2]


def interrupted(call):
    """Press ctrl-C soon after `call` has begun; return the seconds from then until it ended."""
    pressed = []

    def press():
        pressed.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    timer = threading.Timer(0.3, press)
    with contextlib.suppress(MoorageError, KeyboardInterrupt):
        timer.start()
        try:
            call()
        finally:
            timer.cancel()
            timer.join()
    return time.monotonic() - pressed[0] if pressed else 0.0
