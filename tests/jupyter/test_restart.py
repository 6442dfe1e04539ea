"""A notebook whose kernel restarts, or dies: the kept cluster is there, and its variables under their names."""

import os

import pytest

from tests.jupyter.test_kernel import Kernel


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JPY_SESSION_NAME", "flights.ipynb")
    kernel = Kernel()
    yield kernel
    kernel.run("%load_ext moorage\n%cluster attach --as left\nleft.stop()")
    kernel.close()


def ok(kernel, code):
    outcome = kernel.run(code)
    assert outcome.status == "ok", outcome.traceback
    return outcome.text


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_kept_cluster_is_there_for_the_next_kernel(kernel, how):
    ok(kernel, "%load_ext moorage")
    shown = ok(kernel, "%cluster start --names alice,bob --threads 1 --memory 1GB --keep")
    assert "outlives this kernel, and stops after 60m 0s unused" in shown
    ok(kernel, "big = bytes(10**7)\nparts = {'one': 1, 'two': [2]}\n%broadcast big\n%scatter parts\n%pin big -h")
    before = ok(kernel, "%placement")
    if how == "killed":
        os.kill(int(ok(kernel, "import os; print(os.getpid())")), 9)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    ok(kernel, "%load_ext moorage")
    assert "alice" in ok(kernel, "%cluster attach")
    assert ok(kernel, "%placement") == before
    assert "True" in ok(kernel, "print(cluster['big'].future.result() == bytes(10**7))")
    assert "True" in ok(kernel, "%gather parts\nprint(parts == {'one': 1, 'two': [2]})")
    assert "stopped" in ok(kernel, "%cluster stop")
    assert "no cluster is kept" in kernel.run("%cluster attach").evalue
