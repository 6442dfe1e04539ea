"""The cluster of `running`, once for all tests of magics."""

import pytest


@pytest.fixture(scope="package")
def running(ipython):
    """The controller of a cluster with the workers alice and bob, one thread each."""
    ipython.run_line_magic("load_ext", "moorage")
    ipython.run_line_magic("cluster", "start --names alice,bob --threads 1 --memory 1GB")
    controller = ipython.user_ns["cluster"]
    yield controller
    controller.stop()
