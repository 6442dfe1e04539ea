"""On which workers tasks and items run: near their data, or where they are told to."""

import time

import numpy as np
import pytest
from distributed import Event

from moorage.errors import InputError, UnknownVariableError, UnknownWorkerError
from moorage.tasks.options import Options
from tests.helpers import eventually
from tests.tasks.tools import run_cell, worker_name

WHERE = "from distributed import get_worker\nget_worker().name"


def test_a_task_runs_on_the_workers_asked_for(backend, submitter):
    for worker in backend.workers():
        for asked in (worker.name, worker.address, worker.address.split("://")[1]):
            assert str(run_cell(submitter, WHERE, {}, options=Options(workers=(asked,)))) == worker.name


def test_a_task_runs_near_a_variable_and_where_a_strict_pin_demands(backend, submitter, data):
    backend.place(data, "data", workers=["bob"], strict=True)
    assert str(run_cell(submitter, WHERE, {}, options=Options(near="data"))) == "bob"
    assert str(run_cell(submitter, WHERE + " if len(data) else 0", {"data": data})) == "bob"


def test_unknown_workers_and_variables_are_named(submitter):
    with pytest.raises(UnknownWorkerError, match=r"(?s)no worker 'carol'.*alice, bob"):
        run_cell(submitter, "1", {}, options=Options(workers=("carol",)))
    with pytest.raises(UnknownVariableError, match="no variable 'fligths'"):
        run_cell(submitter, "1", {}, options=Options(near="fligths"))


def test_a_few_items_run_where_their_data_is(cluster):
    data = np.arange(500_000)
    cluster.scatter(data, "data", workers=["bob"], whole=True, allow_other_workers=True)
    assert set(cluster.map(lambda i: worker_name(data[i]), range(3)).gather()) == {"bob"}


@pytest.mark.parametrize("n", [3, 5, 12, 40])
def test_short_items_run_where_their_data_is_however_many(cluster, n):
    """Dask forgets where the data is from twice the number of threads on, and copies it ad hoc."""
    data = np.arange(500_000)
    cluster.scatter(data, "data", workers=["bob"], whole=True, allow_other_workers=True)
    assert cluster.map(lambda i: worker_name(data[i]), range(n)).gather() == ["bob"] * n
    assert cluster.placement()["data"].holders == ["bob"]


def test_many_items_have_their_data_copied_to_all_workers_first(cluster, capsys):
    data = np.arange(500_000)
    cluster.scatter(data, "data", workers=["bob"], whole=True, allow_other_workers=True)
    where = cluster.map(lambda i: time.sleep(0.02) or worker_name(data[i]), range(400)).gather()
    assert set(where) == {"alice", "bob"}
    assert "Copying 3.81 MiB that the items use to all 2 workers" in capsys.readouterr().out
    eventually(lambda: cluster.placement()["data"].holders == ["bob"])
    assert list(cluster.placement()) == ["data"]


def test_a_strict_pin_is_where_all_items_run(cluster):
    data = np.arange(500_000)
    cluster.pin("data", ["bob"], value=data)
    assert set(cluster.map(lambda i: time.sleep(0.01) or worker_name(data[i]), range(100)).gather()) == {"bob"}


def test_preferred_workers_are_helped_by_others_when_they_are_busy(cluster):
    slow = cluster.map(lambda i: time.sleep(0.05) or worker_name(i), range(40), workers="bob", allow_other_workers=True)
    assert set(slow.gather()) == {"alice", "bob"}
    only = cluster.map(lambda i: time.sleep(0.01) or worker_name(i), range(20), workers="bob")
    assert set(only.gather()) == {"bob"}
    near = np.arange(5000) + 0.5  # of which nobody has a copy from before
    cluster.pin("near", ["alice"], value=near)
    assert set(cluster.map(worker_name, range(20), near="near").gather()) == {"alice"}


def test_items_of_a_list_that_is_placed_run_where_they_are(cluster):
    parts = [np.full(200_000, i) for i in range(8)]
    cluster.scatter(parts, "parts", by="workers")
    names = {w.address: w.name for w in cluster.workers()}
    held = [names[next(iter(cluster.client.who_has(f)[f.key]))] for f in cluster["parts"].futures]
    assert set(held) == {"alice", "bob"}
    assert cluster.map(lambda p: (int(p[0]), worker_name(p)), parts).gather() == list(enumerate(held))
    parts[2][0] = 77
    assert cluster.map(lambda p: int(p[0]), parts).gather() == [0, 1, 77, 3, 4, 5, 6, 7]


def test_a_task_for_a_worker_runs_on_it_after_it_has_restarted(cluster):
    gate = Event(client=cluster.client)

    def wait_at(name):
        from distributed import Event

        assert Event(name).wait(60)
        return worker_name(0)

    waiting = [cluster.submit(wait_at, gate.name, workers="bob", pure=False) for _ in range(3)]
    bob = next(w for w in cluster.workers() if w.name == "bob")
    eventually(lambda: cluster.client.processing()[bob.address])
    cluster.client.restart_workers([bob.address])
    gate.set()
    assert cluster.client.gather(waiting) == ["bob"] * 3


def test_the_next_map_needs_no_other_copy_though_dask_has_tidied_up_meanwhile(cluster):
    data = np.arange(500_000)
    cluster.broadcast(data, "data")
    for _ in range(2):
        assert set(cluster.map(lambda i: time.sleep(0.01) or worker_name(data[i]), range(60)).gather()) == {
            "alice",
            "bob",
        }
        cluster.client.amm.run_once()
        cluster.client.amm.run_once()
        assert cluster.placement()["data"].holders == ["alice", "bob"]


def test_a_variable_can_be_looped_over_by_element(cluster):
    cluster.scatter([np.full(200_000, i) for i in range(4)], "parts", by="workers")
    assert cluster.map(lambda p: int(p[0]), cluster["parts"]).gather() == [0, 1, 2, 3]
    assert cluster.submitter.cell_map("int(p[0])", "p", "parts", {}).gather() == [0, 1, 2, 3]
    cluster.broadcast([1, 2], "whole")
    with pytest.raises(InputError, match="placed as one value"):
        cluster.map(abs, cluster["whole"])


def test_resources_that_no_worker_offers_are_told_and_waited_for(cluster, capsys):
    future = cluster.submit(lambda: 1, resources={"GPU": 2})
    assert "No worker offers GPU=2: waiting for one that does." in capsys.readouterr().out
    assert not future.done()
    future.release()
