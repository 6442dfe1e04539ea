"""What tests of clusters share: a store of file descriptors, and dask-jobqueue."""

import signal
from pathlib import Path

import pytest

from moorage.deploy.fdstore.client import end_at, start
from tests.helpers import eventually


@pytest.fixture
def store(tmp_path):
    client = start(tmp_path)
    yield client
    end_at(client.path)
    eventually(lambda: not Path(client.path).exists())


@pytest.fixture(scope="module")
def jobqueue():
    before = signal.getsignal(signal.SIGINT)
    yield pytest.importorskip("dask_jobqueue")
    signal.signal(signal.SIGINT, before)  # which the import has taken, for all tests that this process runs later
