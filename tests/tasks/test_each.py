"""Code that runs once on every worker."""

import contextlib
import os
import signal

import numpy as np
import pytest

from moorage.errors import MoorageError, UnknownWorkerError
from tests.helpers import eventually
from tests.tasks.tools import worker_name


def test_code_runs_once_on_each_worker_and_on_newcomers(cluster):
    data = np.arange(5000)
    cluster.broadcast(data, "data")
    each = cluster.submitter.each(lambda: (worker_name(0), int(data[7]), os.getpid()))
    values = each.gather()
    assert sorted(values) == ["alice", "bob"]
    assert all(values[name][:2] == (name, 7) for name in values)
    os.kill(values["bob"][2], signal.SIGKILL)

    def has_run_on_its_successor():
        with contextlib.suppress(UnknownWorkerError):  # not there yet
            return each["bob"][0] == "bob" and each["bob"][2] not in (values["bob"][2], values["alice"][2])

    eventually(has_run_on_its_successor)
    eventually(lambda: "bob" in each)
    assert "carol" not in each
    assert each["alice"] == values["alice"]
    each.cancel()
    assert each.done()


def test_code_that_fails_on_a_worker_says_where(cluster):
    def check():
        if worker_name(0) == "bob":
            raise OSError("no model here")
        return 1

    each = cluster.submitter.each(check)
    assert each.wait(30)
    assert list(each.errors) == ["bob"]
    assert each["alice"] == 1
    with pytest.raises(OSError, match="no model here"):
        each.gather()
    with pytest.raises(MoorageError, match="no worker 'carol'"):
        each["carol"]
    each.cancel()
