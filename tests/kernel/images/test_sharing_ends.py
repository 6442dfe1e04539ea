"""What is left of shared memory, of values that are gone and of a notebook; and clusters that share none."""

import os
import subprocess
import sys
from pathlib import Path

import dask.config
import numpy as np
import pytest

import moorage
from moorage.images.segment import shared_directory
from tests.helpers import eventually
from tests.kernel.images.mapping import mapped, on_each
from tests.kernel.images.stages import segments

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

LEAKS = Path(__file__).parents[3] / "benchmarks/leaks.py"
NOTEBOOK = """
import moorage, numpy

cluster = moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB", keep=True)
cluster.broadcast(numpy.arange(1_000_000), name="x")
print("placed", flush=True)
for n in range(1000):
    cluster.broadcast(numpy.full(5_000_000, n), name="y")
"""


@pytest.mark.parametrize(("rounds", "mb"), [("100", "10"), ("300", "0.01")], ids=["large", "small"])
def test_nothing_is_left_of_values_in_any_process(rounds, mb):
    command = [sys.executable, str(LEAKS), "--rounds", rounds, "--mb", mb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_left_of_a_notebook_that_was_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", NOTEBOOK], stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout.readline() == "placed\n"
        eventually(lambda: any(notebook.pid in pids for pids in segments().values()))
        notebook.kill()
    cluster = moorage.attach()
    try:
        eventually(lambda: all(state.state in ("held", "lost") for state in cluster.placement().values()))
        workers = set(cluster.client.run(os.getpid).values())
        assert cluster.client.submit(np.sum, cluster["x"].future).result() == np.arange(1_000_000).sum()
        cluster.release(*[name for name in cluster if name != "x"])
        eventually(lambda: len([pids for pids in segments().values() if pids & workers]) == 1)
        cluster.scale(3)  # they map what the others have
        eventually(lambda: len(cluster.placement()["x"].holders) == 3)
        workers = set(cluster.client.run(os.getpid).values())
        (pids,) = [pids for pids in segments().values() if pids & workers]
        assert len(pids - workers) == 1  # what keeps it for workers that come in their place
        left = Path(shared_directory(), f"moorage-{os.getuid()}-of-a-process-that-was-killed")
        left.touch()
    finally:
        cluster.stop()
    eventually(lambda: not any(pids & workers for pids in segments().values()))
    eventually(lambda: not left.exists())


def test_sharing_can_be_switched_off():
    x = np.random.default_rng(8).random(4_000_000)
    with (
        dask.config.set({"moorage.images.share": False}),
        moorage.start(n_workers=2, threads_per_worker=1, memory_limit="400MB") as private,
    ):
        private.broadcast(x, name="x")
        assert set.union(*mapped(private).values()) == set()
        assert on_each(private, np.sum, "x") == [x.sum()] * 2
