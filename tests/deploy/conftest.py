"""A store of file descriptors, for the tests of it and of the host that fills it."""

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
