"""A root of scratch folders for each test, empty before and after."""

import pytest

from tests.deploy.tools import scratch_root


@pytest.fixture
def root():
    with scratch_root() as root:
        yield root
