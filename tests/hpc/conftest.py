"""Queues for the tests of this folder: real ones, started once, with commands that find them in the environment."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

from tests.hpc import gridengine, slurm
from tests.hpc.packages import require


@pytest.fixture(scope="module", params=[gridengine, slurm], ids=["sge", "slurm"])
def queue(request, tmp_path_factory):
    if find_spec("dask_jobqueue") is None:  # not imported: that would take the interrupt signal for itself
        pytest.skip("dask-jobqueue is not installed")
    module = request.param
    require(module.PACKAGES, module.PROGRAMS)
    folder = tmp_path_factory.mktemp(request.param.__name__.rpartition(".")[2])
    one = (module.GridEngine if module is gridengine else module.Slurm)(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in one.environment.items():
            patch.setenv(name, value)
        here = os.getcwd()
        os.chdir(folder)  # where jobs leave their output
        try:
            one.start()
            yield one
        finally:
            one.stop()
            os.chdir(here)
