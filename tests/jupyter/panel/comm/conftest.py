"""One kernel with a cluster of alice and bob for all tests of this folder, and a page that talks to it."""

import pytest

from tests.jupyter.panel.live import LiveKernel, Page


@pytest.fixture(scope="package")
def kernel():
    kernel = LiveKernel()
    kernel.run("import numpy as np\n%load_ext moorage")
    yield kernel
    kernel.close()


@pytest.fixture(scope="package")
def cluster(kernel):
    """The kernel with a cluster of alice and bob."""
    kernel.run("%cluster start --names alice,bob --threads 1 --memory 1GB")
    return kernel


@pytest.fixture
def panel(cluster):
    cluster.run("cluster.release(*cluster)\nfor n in [n for n in globals() if n.startswith('x')]: del globals()[n]")
    panel = Page(cluster)
    yield panel
    panel.leave()
