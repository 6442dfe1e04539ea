"""What holds for all tests: who shares a process, in which order, where kept clusters have their files, what idles.

Processes and clusters take most of the time of a test, so they are shared, and tests run side by side (with the options
of pytest that stand in ``.ci/check.mjs``). All tests of a module run one after another in one process, and so do those
of a folder in `TOGETHER`: a fixture of module scope, or in these folders of package scope, is made once. (For pytest a
package is a folder with an ``__init__.py``; elsewhere its scope is the whole run.)
"""

import contextlib
import gc
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path

import dask.config
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Clusters are idle for most of a test, and use a tenth of a processor meanwhile. Most of that is Dask looking at the
# stacks and the memory of its workers, at the machine, and at how late its event loops are, up to a hundred times a
# second: do so less often.
for name, interval in {
    "WORKER__PROFILE__INTERVAL": "500ms",
    "WORKER__MEMORY__MONITOR_INTERVAL": "500ms",
    "ADMIN__SYSTEM_MONITOR__INTERVAL": "2s",
    "ADMIN__TICK__INTERVAL": "500ms",
}.items():
    os.environ.setdefault(f"DASK_DISTRIBUTED__{name}", interval)
# What a test starts in its own process: a fresh interpreter for each worker takes a second.
dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
# Hundreds of processes import moorage, and need not compile it each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

HERE = Path(__file__).parent
PANEL = "panel"
TOGETHER = (
    "hpc",  # apt, and networks of this machine's own
    "tasks",
    "jupyter/magics",
    "jupyter/panel/comm",
    PANEL,
    "scheduler",
)
# A process that has one or two tests left is given the next group already: after those of one test come short ones.
LONGEST_FIRST = (
    "upstream/test_upstream.py",
    "tasks",
    "scheduler",
    "hpc",
    "test_chaos.py",
    "deploy/host/test_host_process.py",
    "deploy/scaling/test_scaling.py",
    "jupyter/test_kernel.py",
    "jupyter/magics",
    "controller/test_cluster.py",
    "controller/lifecycle/test_attach.py",
    "controller/lifecycle/test_kept.py",
    "controller/saving/test_reviving.py",
    "repository/test_run_notebook.py",
    "controller/test_bad_input.py",
    "kernel/placement/test_recovery.py",
)


def group(path):
    """Return what `path` is to share a process with: its folder, or itself."""
    name = path.relative_to(HERE).as_posix()
    return next((folder for folder in TOGETHER if name.startswith(f"{folder}/")), name)


class Together(LoadScopeScheduling):
    """Gives the tests of a group to one process."""

    def _split_scope(self, nodeid):
        return group(HERE.parent / nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config, log):
    return Together(config, log)


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    groups = {id(item): group(item.path) for item in items}
    # from the first page on, Playwright has an event loop running in the main thread: no asyncio.run there any more
    items.sort(key=lambda item: (groups[id(item)] == PANEL, places.get(groups[id(item)], len(places))))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Collect with the collector of garbage off: it would look through all that is imported, again and again."""
    gc.disable()
    try:
        import_ahead(session.config)
        return (yield)
    finally:
        gc.enable()


def import_ahead(config):
    """Have each of several processes begin at another place: what one has compiled, the others find compiled."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ignored = [Path(path).resolve() for path in config.getoption("ignore") or ()]
    files = [
        file
        for argument in config.args
        for file in sorted(Path(argument).resolve().rglob("test_*.py"))
        if file.is_relative_to(HERE) and not any(map(file.is_relative_to, ignored))
    ]
    for file in files[len(files) * number // count :] if number else ():
        with contextlib.suppress(Exception, pytest.skip.Exception):  # it is imported once more, and then that is told
            importlib.import_module(".".join(file.relative_to(HERE.parent).with_suffix("").parts))


@pytest.fixture(scope="module", autouse=True)
def frozen():
    """Have the collector not look through what there was before, imported or shared: many tests ask it to look."""
    gc.collect()
    gc.freeze()


def pytest_configure():
    # a shell ignores this signal in what it starts in the background, and so do all that are started from there
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def short_folder():
    """Return a function that makes a folder; the path of a socket in it must not be longer than 107 characters."""
    with contextlib.ExitStack() as stack:
        yield lambda: Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="m", ignore_cleanup_errors=True)))


@pytest.fixture(scope="session", autouse=True)
def runtime_dir(short_folder):
    with pytest.MonkeyPatch.context() as patch:
        folder = short_folder()
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def durable_dir(tmp_path_factory):
    """Where durable variables are, of this process and of kernels."""
    folder = str(tmp_path_factory.mktemp("durable") / "variables")
    with pytest.MonkeyPatch.context() as patch, dask.config.set({"moorage.durable-directory": folder}):
        patch.setenv("DASK_MOORAGE__DURABLE_DIRECTORY", folder)
        yield


@pytest.fixture(scope="session", autouse=True)
def without_pandas():
    """Workers import pandas when they need it: all tests together have it imported, few of their clusters need it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moorage.deploy.host_process.PRELOADABLE", ("numpy", "numpy.random"))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_terminal():
    """What is printed is as wide as in a log: pytest-xdist gives its processes a width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield
