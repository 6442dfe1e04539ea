"""One cluster for all tests of running code: workers alice and bob of one thread each, and two ways to use it."""

import numpy as np
import pytest
from distributed import Client

import moorage
from moorage.tasks.runner import Submitter
from tests.tasks.plain_backend import PlainBackend
from tests.two_workers import empty


@pytest.fixture(scope="package")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as controller:
        yield controller


@pytest.fixture
def cluster(shared):
    """The cluster, with both workers and nothing on it, before and after."""
    yield shared
    empty(shared)


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
