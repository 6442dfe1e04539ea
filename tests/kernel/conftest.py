"""One cluster for the tests of a module: workers alice and bob of two threads each, as the documentation of Dask has."""

import gc

import pytest

import moorage
from tests.host.tools import eventually


@pytest.fixture(scope="module")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=2, memory_limit="1GB") as controller:
        yield controller


@pytest.fixture
def cluster(shared):
    """The cluster of this module, with both workers and nothing on it, before and after."""
    yield shared
    gc.collect()  # futures in the frames of a test
    shared.release(*shared.placer.names())
    eventually(lambda: {info.name for info in shared.workers() if info.status == "running"} == {"alice", "bob"})
