"""What goes to schedulers, workers and nannies by value takes all along that it needs of this package."""

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from dask.sizeof import sizeof

import moorage
from moorage._dask.taking import take
from moorage.kernel.code import sending as code
from moorage.kernel.images import sending as images
from moorage.kernel.install import pickled_by_value, pickled_once
from moorage.scheduler.plugin import PlacementSchedulerPlugin
from moorage.tasks import runtime
from moorage.worker.code import packages
from moorage.worker.code.environment import EnvironmentPlugin
from moorage.worker.code.plugin import CodePlugin
from moorage.worker.images.nanny import SharedMemoryNannyPlugin
from moorage.worker.images.plugin import ImagesPlugin
from moorage.worker.taking import Taken
from moorage.worker.tasks.runtime import RuntimePlugin
from tests.helpers import eventually

SHIPPED = {
    "scheduler": lambda: pickled_by_value(PlacementSchedulerPlugin()),
    "images": lambda: pickled_by_value(ImagesPlugin(images.MODULE, True), images.MODULES),
    "nanny": lambda: pickled_by_value(SharedMemoryNannyPlugin(), images.MODULES),
    "code": lambda: pickled_by_value(CodePlugin(code.MODULE), code.MODULES),
    "environment": lambda: pickled_by_value(EnvironmentPlugin({}, ""), (EnvironmentPlugin.__module__,)),
    "packages": lambda: pickled_by_value(packages.pip_install, (packages.__name__,)),
    "runtime": lambda: pickled_by_value(RuntimePlugin("name", images.MODULE, code.MODULE), runtime.MODULES),
    "take": lambda: pickled_by_value(take, (take.__module__,)),
    "taken": lambda: pickled_by_value(Taken, (Taken.__module__,)),
}
UNPICKLE = """
import pickle, sys
sys.modules["moorage"] = None
for name, pickled in pickle.load(sys.stdin.buffer).items():
    try:
        pickle.loads(pickled)
    except ImportError as error:
        print(name, error)
"""


def not_taken_along(shipped: dict[str, bytes]) -> str:
    """Return what a process without moorage says of pickles, if anything."""
    run = subprocess.run(
        [sys.executable, "-c", UNPICKLE], input=pickle.dumps(shipped), capture_output=True, timeout=60, check=True
    )
    return run.stdout.decode()


def test_it_can_be_read_where_moorage_is_not_installed() -> None:
    assert not_taken_along({name: make() for name, make in SHIPPED.items()}) == ""


def test_what_dask_has_measured_in_this_process_does_not_go_along() -> None:
    sizeof(np.zeros(1))
    assert not [name for name, make in SHIPPED.items() if b"register_numpy" in make()]


@pytest.mark.parametrize("module", ["moorage.wire.transfers", "moorage._dask.server"])
def test_a_module_that_is_left_out_is_found(module: str) -> None:
    fewer = tuple(name for name in images.MODULES if name != module)
    plugin = ImagesPlugin(images.MODULE, True)
    assert "images" in not_taken_along({"images": pickled_by_value(plugin, fewer)})


def test_what_every_cluster_gets_is_pickled_while_it_starts_and_once() -> None:
    pickled_once.cache_clear()
    with moorage.start(1):
        eventually(lambda: "moorage-ahead" not in {thread.name for thread in threading.enumerate()})
    pickled = pickled_once.cache_info().misses
    with moorage.start(1) as cluster:
        x = cluster.broadcast(np.arange(100_000), name="x")
        assert cluster.submit(len, x).result(60) == 100_000
    assert pickled_once.cache_info().misses == pickled
