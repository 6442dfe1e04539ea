"""One cluster for the tests of a module: workers alice and bob of two threads each, as in the documentation of Dask."""

import contextlib
import gc

import pytest

import moorage
from moorage.errors import UnknownVariableError
from tests.helpers import eventually


@pytest.fixture(scope="module")
def alice_and_bob():
    with moorage.start(names=["alice", "bob"], threads_per_worker=2, memory_limit="1GB") as controller:
        yield controller


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
