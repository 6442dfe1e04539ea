"""One cluster for all tests of running code: workers alice and bob of one thread each, and two ways to use it."""

import contextlib
import gc

import numpy as np
import pytest
from distributed import Client

import moorage
from moorage.errors import UnknownVariableError
from moorage.tasks.runner import Submitter
from tests.deploy.tools import eventually
from tests.tasks.plain_backend import PlainBackend


@pytest.fixture(scope="package")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as controller:
        yield controller


@pytest.fixture
def cluster(shared):
    """The cluster, with both workers and nothing on it, before and after."""
    yield shared
    eventually(lambda: is_empty(shared))
    eventually(lambda: {info.name for info in shared.workers() if info.status == "running"} == {"alice", "bob"}, 30)


def is_empty(controller):
    """Release what there is; return whether nothing is left."""
    with contextlib.suppress(UnknownVariableError):  # gone by itself meanwhile
        controller.release(*controller)
    if controller.placement():
        gc.collect()  # futures in the frames of a test
    return not controller.placement()


@pytest.fixture(scope="package")
def client(shared):
    """Another client of the same cluster, for the engine on plain Dask."""
    address = shared.client.scheduler.address
    with Client(address, security=shared.client.security, set_as_default=False) as client:
        yield client


@pytest.fixture
def backend(client):
    return PlainBackend(client)


@pytest.fixture
def submitter(backend):
    return Submitter(backend)


@pytest.fixture
def data():
    return np.random.default_rng(0).random(300_000)  # 2.4 MB
