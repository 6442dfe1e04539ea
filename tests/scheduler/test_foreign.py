"""Schedulers and workers that others start, by the ``dask`` command: with moorage as a preload, and without moorage."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from distributed import Client

from moorage.errors import LostError
from moorage.model import Everywhere, OnWorkers
from tests.helpers import eventually, worker_infos
from tests.scheduler.notebook import Notebook

VALUE = np.arange(100_000)

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # those processes do not have the tests either


def test_a_scheduler_started_with_the_preload_keeps_broadcasts(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    scheduler = ["scheduler", "--scheduler-file", str(file), "--port", "0", "--no-dashboard", "--host", "127.0.0.1"]
    worker = ["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--name"]
    with (
        dask(tmp_path, *scheduler, "--dashboard-address", ":0", "--preload", "moorage.scheduler"),
        dask(tmp_path, *worker, "alice"), dask(tmp_path, *worker, "bob"),
    ):  # fmt: skip
        eventually(file.exists)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            future = client.scatter(VALUE, broadcast=True)
            client.amm.run_once()
            assert holders(client, future.key) == {"alice", "bob"}


def test_all_of_it_works_on_a_scheduler_that_has_no_moorage(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_MOORAGE)
    file = tmp_path / "scheduler.json"
    scheduler = ["scheduler", "--scheduler-file", str(file), "--port", "0", "--no-dashboard", "--host", "127.0.0.1"]
    worker = ["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--name"]
    with (
        dask(tmp_path, *scheduler, "--dashboard-address", ":0"),
        dask(tmp_path, *worker, "alice"), dask(tmp_path, *worker, "bob") as bob,
    ):  # fmt: skip
        eventually(file.exists)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            assert client.run_on_scheduler(has_moorage) is False
            assert set(client.run(has_moorage).values()) == {False}
            check_foreign(client, bob)


def holders(client: Client, key: str) -> set[str]:
    names = {address: str(worker["name"]) for address, worker in worker_infos(client).items()}
    return {names[address] for address in client.who_has().get(key, ())}


def check_foreign(client: Client, bob: subprocess.Popen[bytes]) -> None:
    assert client.scheduler is not None
    notebook = Notebook(client.scheduler.address)
    notebook.everywhere("x", VALUE)
    notebook.pin("y", VALUE + 1, "bob")
    notebook.place("z", OnWorkers(("bob",)), VALUE + 2, origin=False)
    notebook.until("z", on=["bob"])
    z = notebook.future(notebook.key("z"))
    client.amm.run_once()
    assert holders(client, notebook.key("x")) == {"alice", "bob"}
    os.killpg(bob.pid, signal.SIGKILL)
    notebook.until("y", "waiting", on=["alice"])
    assert np.array_equal(notebook.value("y"), VALUE + 1)
    assert notebook.move("y", Everywhere())["status"] == "OK"
    notebook.until("z", "lost")
    with pytest.raises(LostError, match="is lost: no notebook has its value any more"):
        z.result(30)
    notebook.uninstall()
    assert client.run_on_scheduler(lambda dask_scheduler: "moorage" in dask_scheduler.plugins) is False
    notebook.close()


class dask:
    """A ``dask`` command for as long as the block, with everything it starts."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        environment["DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD"] = "forkserver"
        environment["DASK_TEMPORARY_DIRECTORY"] = str(folder)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=folder, env=environment, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


NO_MOORAGE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "moorage":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def has_moorage() -> bool:
    try:
        import moorage
    except ImportError:
        return False
    return bool(moorage)
