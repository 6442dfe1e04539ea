"""The cluster of `running`, once for all tests of magics."""

import pytest

from tests.jupyter.conftest import two_workers

running = pytest.fixture(two_workers, scope="package", name="running")
