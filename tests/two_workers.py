"""One cluster for tests of many modules: workers alice and bob of two threads each, as in the documentation of Dask.

Modules that use it run one after another (tests/conftest.py), and hand it on, but not after a failure, nor while it
works or holds anything, nor to one with other settings.
"""

import contextlib
import copy
import gc

import dask.config
import pytest

import moorage
from moorage.errors import UnknownVariableError
from tests.helpers import eventually

_handed_on = []


@pytest.fixture(scope="module")
def alice_and_bob(request):
    session = request.session
    failed, settings = session.testsfailed, copy.deepcopy(dask.config.get("moorage"))
    while _handed_on:
        controller, its_settings = _handed_on.pop()
        if its_settings == settings:
            break
        controller.stop()
    else:
        controller = moorage.start(names=["alice", "bob"], threads_per_worker=2, memory_limit="1GB")
    yield controller
    users = {item.path for item in session.items if "alice_and_bob" in item.fixturenames}
    wanted = session.testsfailed == failed and session.next_item and session.next_item.path in users
    if wanted and rests(controller.client):
        _handed_on.append((controller, settings))
    else:
        controller.stop()


def rests(client):
    """Whether workers have nothing to do, nor any data, once Python has let go of what was garbage."""
    gc.collect()
    with contextlib.suppress(AssertionError):
        return eventually(lambda: not (any(client.processing().values()) or client.who_has()), 2)
    return False


@pytest.fixture
def cluster(alice_and_bob):
    """The cluster with both workers and nothing on it, before and after."""
    yield alice_and_bob
    empty(alice_and_bob)


def empty(controller):
    """Release what there is, and wait until nothing is left, no notice either, and both workers run."""
    eventually(lambda: not release_all(controller))
    for notice in list(controller.notices):
        controller.dismiss(notice)
    eventually(lambda: {info.name for info in controller.workers() if info.status == "running"} == {"alice", "bob"})


def release_all(controller):
    """Release what there is, and return what is left."""
    with contextlib.suppress(UnknownVariableError):  # gone by itself meanwhile
        controller.release(*controller)
    if controller.placement():
        gc.collect()  # futures in the frames of a test
    return controller.placement()
