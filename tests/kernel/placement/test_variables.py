"""Variables as a notebook holds them: persisted collections, futures, several on one key, what a release lets go of."""

import gc
import os
import signal

import dask.array
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client, Event, Future, wait

import moorage
from moorage.controller import registry
from moorage.errors import InputError, UnknownVariableError, WaitTimeoutError
from moorage.model import Anywhere, Everywhere, OnWorkers
from tests.helpers import eventually, restart_worker


@pytest.fixture
def other(cluster, monkeypatch):
    """Another notebook on the same cluster."""
    monkeypatch.setattr(registry, "owner", lambda: "other.ipynb")
    client = Client(cluster.address, security=cluster.client.security, set_as_default=False)
    controller = moorage.attach(client)
    yield controller
    controller.release(*(name for name in controller if "@" not in name))
    controller.close()
    client.close()
    registry.add(cluster)


def kill(cluster, name):
    address = next(info.address for info in cluster.workers() if info.name == name)
    os.kill(cluster.client.run(os.getpid, workers=[address])[address], signal.SIGKILL)
    eventually(lambda: address not in {info.address for info in cluster.workers()})


# ---- the handle


def test_a_variable_has_keys_futures_placement_and_value(cluster):
    futures = cluster.scatter({"a": 1, "b": 2}, "d", workers="bob")
    variable = cluster["d"]
    assert variable.name == "d"
    assert variable.keys == [future.key for future in futures.values()]
    assert {label: future.key for label, future in variable.futures.items()} == {
        label: future.key for label, future in futures.items()
    }
    assert variable.placement.placement == OnWorkers(("bob",), each=False)
    assert variable.placement.holders == ["bob"]
    assert (variable.placement.nkeys, variable.placement.typename) == (2, "dict")
    assert variable.gather() == {"a": 1, "b": 2}
    assert "d" in repr(variable)
    assert "held" in repr(variable)
    with pytest.raises(InputError, match="2 keys") as caught:
        variable.future  # noqa: B018
    assert "futures" in caught.value.remedy


def test_a_variable_of_one_key_has_one_future_that_plain_dask_takes(cluster):
    value = np.arange(10)
    cluster.broadcast(value, "v")
    future = cluster["v"].future
    assert isinstance(future, Future)
    assert cluster.client.submit(np.sum, future).result(60) == 45
    assert cluster.client.gather(cluster["v"].futures).sum() == 45


def test_names_are_listed_looked_up_and_completed(cluster):
    cluster.broadcast(1, "one")
    cluster.broadcast(2, "two")
    assert sorted(cluster) == ["one", "two"] == sorted(cluster._ipython_key_completions_())
    assert "one" in cluster
    assert "three" not in cluster
    assert 5 not in cluster
    assert list(cluster.placement("two")) == ["two"]
    with pytest.raises(UnknownVariableError):
        cluster["three"]
    assert cluster.gather("two", "one") == (2, 1)


def test_a_handle_of_a_released_variable_says_so(cluster):
    cluster.broadcast(1, "v")
    variable = cluster["v"]
    cluster.release("v")
    for use in (lambda: variable.keys, lambda: variable.future, lambda: variable.placement, variable.gather):
        with pytest.raises(UnknownVariableError):
            use()


def test_type_and_shape_are_told(cluster):
    cluster.broadcast(np.ones((3, 4)), "v")
    state = cluster.placement()["v"]
    assert (state.typename, state.detail, state.nbytes) == ("ndarray", "(3, 4) float64", 96)


def test_a_table_of_placements_is_a_mapping_with_a_readable_text(cluster):
    assert repr(cluster.placement()) == "nothing is placed"
    cluster.broadcast(np.ones(10), "v")
    placements = cluster.placement()
    assert len(placements) == 1
    assert dict(placements)["v"].state == "held"
    assert repr(placements) == "v: 80 B everywhere, held by alice, bob"


# ---- moving


def test_a_variable_moves_from_placement_to_placement(cluster):
    cluster.scatter(np.arange(1000), "v", workers="alice")
    key = cluster["v"].keys
    for placement, holders in [
        (OnWorkers(("bob",)), ["bob"]),
        (Everywhere(), ["alice", "bob"]),
        (OnWorkers(("alice",)), ["alice"]),
        (Anywhere(copies=2), ["alice", "bob"]),
        (OnWorkers(("alice", "bob"), each=False), None),
    ]:
        cluster.place("v", placement)
        state = cluster.placement()["v"]
        assert (state.placement, state.state) == (placement, "held")
        assert len(state.holders) == 1 if holders is None else state.holders == holders
        assert cluster["v"].keys == key
    assert cluster.gather("v").sum() == 499500


def test_tasks_may_run_elsewhere_if_said_so(cluster):
    cluster.pin("v", ["alice"], True, value=1)
    assert cluster.placement()["v"].placement == OnWorkers(("alice",), allow_other_workers=True)


# ---- futures and persisted collections


def test_a_computed_result_can_be_placed_and_survives_by_computing_it_again(cluster):
    future = cluster.client.submit(lambda: np.full(1000, os.getpid()), pure=False)
    wait(future, 60)
    cluster.broadcast(future, "result")
    assert cluster.placement()["result"].holders == ["alice", "bob"]
    assert cluster.placement()["result"].typename == "ndarray"
    first = cluster.gather("result")[0]
    assert first == future.result(60)[0]
    kill(cluster, "alice")
    eventually(lambda: cluster.placement()["result"].holders == ["alice", "bob"])
    del future
    gc.collect()
    assert cluster.gather("result").shape == (1000,)


def test_a_result_that_is_not_ready_waits_and_is_placed_when_it_is(cluster):
    event = Event("go", client=cluster.client)
    future = cluster.client.submit(lambda: [Event("go").wait("30s"), 42][1])
    cluster.pin("later", ["alice", "bob"], value=future, timeout=0.1)
    assert cluster.placement()["later"].state == "waiting"
    eventually(lambda: "computed" in cluster.placement()["later"].reason)  # once the scheduler knows the task
    event.set()
    eventually(lambda: cluster.placement()["later"].holders == ["alice", "bob"])
    assert cluster.gather("later") == 42


def test_a_task_that_fails_makes_the_variable_lost_with_its_reason(cluster):
    event = Event("fail", client=cluster.client)
    future = cluster.client.submit(lambda: Event("fail").wait("30s") / 0)
    cluster.pin("later", ["alice"], value=future, timeout=0.1)
    event.set()
    eventually(lambda: cluster.placement()["later"].state == "lost")
    assert "failed" in cluster.placement()["later"].reason


def test_futures_keep_their_shape(cluster):
    futures = {"a": cluster.client.submit(lambda: 1), "b": cluster.client.submit(lambda: 2)}
    placed = cluster.scatter(futures, "d", workers="bob")
    assert {label: future.key for label, future in placed.items()} == {k: f.key for k, f in futures.items()}
    eventually(lambda: cluster.placement()["d"].state == "held")
    assert cluster.gather("d") == {"a": 1, "b": 2}
    assert cluster.placement()["d"].held == {"bob": 2}


def test_a_persisted_array_follows_its_worker_through_a_restart(cluster):
    array = dask.array.arange(4000, chunks=1000).persist(scheduler=cluster.client)
    wait(array, 60)
    cluster.pin("array", ["alice"], value=array)
    state = cluster.placement()["array"]
    assert (state.nkeys, state.held) == (4, {"alice": 4})
    restart_worker(cluster.client, "alice")
    eventually(lambda: cluster.placement()["array"].held == {"alice": 4})
    assert array.sum().compute(scheduler=cluster.client) == 7998000
    assert np.array_equal(np.concatenate(cluster.gather("array")), np.arange(4000))


def test_a_persisted_frame_can_be_everywhere(cluster):
    frame = dd.from_pandas(pd.DataFrame({"x": range(100)}), npartitions=3).persist(scheduler=cluster.client)
    wait(frame, 60)
    cluster.broadcast(frame, "frame")
    state = cluster.placement()["frame"]
    assert state.nkeys == frame.npartitions
    assert state.holders == ["alice", "bob"]
    assert set(state.held.values()) == {frame.npartitions}
    assert frame.x.sum().compute(scheduler=cluster.client) == 4950


# ---- several on one key


def test_variables_on_one_key_each_get_what_they_want(cluster):
    future = cluster.broadcast(np.arange(10), "one")
    cluster.pin("two", ["alice"], value=future)
    assert cluster["one"].keys == cluster["two"].keys
    assert cluster.placement()["two"].holders == ["alice", "bob"]  # the other one wants it there
    cluster.release("one")
    eventually(lambda: cluster.placement()["two"].holders == ["alice"])
    assert cluster.gather("two").sum() == 45


def test_an_origin_serves_as_long_as_one_variable_has_the_key(cluster):
    future = cluster.scatter(np.arange(10), "one", workers="alice")
    cluster.pin("two", ["alice"], value=future)
    cluster.release("one")
    kill(cluster, "alice")
    eventually(lambda: cluster.placement()["two"].state == "held")
    assert cluster.gather("two").sum() == 45


# ---- letting go


def test_released_data_leaves_the_workers(cluster):
    future = cluster.broadcast(np.arange(10), "v")
    key = future.key
    del future
    cluster.release("v")
    gc.collect()
    eventually(lambda: key not in cluster.client.who_has())
    assert key not in cluster.placer.origins
    assert "v" not in cluster
    assert not cluster.placer.placed
    assert not cluster.placer._futures


def test_futures_of_the_notebook_keep_released_data(cluster):
    future = cluster.broadcast(np.arange(10), "v")
    cluster.release("v")
    assert future.result(60).sum() == 45
    assert cluster.client.submit(np.sum, future).result(60) == 45


def test_futures_of_others_keep_released_data(cluster, other):
    cluster.broadcast(np.arange(10), "v")
    theirs = other["v"].future
    assert theirs.result(60).sum() == 45
    cluster.release("v")
    assert theirs.result(60).sum() == 45
    key = theirs.key
    del theirs
    gc.collect()
    eventually(lambda: key not in cluster.client.who_has())


# ---- two notebooks


def test_two_notebooks_may_use_one_name(cluster, other):
    cluster.broadcast("mine", "v")
    other.broadcast("theirs", "v")
    eventually(lambda: "v@other.ipynb" in cluster)
    assert (cluster.gather("v"), cluster.gather("v@other.ipynb")) == ("mine", "theirs")
    mine = f"v@{cluster.placer.owner}"
    assert (other.gather("v"), other.gather(mine)) == ("theirs", "mine")
    other.release("v")
    eventually(lambda: "v@other.ipynb" not in cluster)
    assert cluster.gather("v") == "mine"


def test_what_one_notebook_does_the_other_sees(cluster, other):
    cluster.scatter(np.arange(10), "v", workers="alice")
    other.place("v", Everywhere())
    eventually(lambda: cluster.placer.states()["v"].holders == ["alice", "bob"])
    assert cluster.placement()["v"].placement == Everywhere()


def test_moved_by_another_notebook_it_still_comes_back_from_the_first(cluster, other):
    value = np.arange(10)
    cluster.scatter(value, "v", workers="alice")
    other.pin("v", ["bob"])
    kill(cluster, "bob")
    eventually(lambda: cluster.placement()["v"].holders == ["bob"])
    cluster.client.restart()
    eventually(lambda: "v" in cluster.placement() and cluster.placement()["v"].holders == ["bob"])
    assert np.array_equal(cluster.gather("v"), value)


def test_released_by_another_notebook_it_is_gone_from_the_first(cluster, other):
    key = cluster.broadcast(np.arange(10), "v").key
    other.release("v")
    eventually(lambda: "v" not in cluster)
    gc.collect()
    eventually(lambda: key not in cluster.client.who_has())
    assert key not in cluster.placer.origins
    assert "v" not in cluster.placer.placed


# ---- bounds


def test_a_gather_that_takes_too_long_ends(cluster):
    event = Event("never", client=cluster.client)
    future = cluster.client.submit(lambda: Event("never").wait("30s"))
    cluster.pin("v", ["alice"], value=future, timeout=0)
    with pytest.raises(WaitTimeoutError, match=r"v did not arrive within 0\.2 s") as caught:
        cluster.gather("v", timeout=0.2)
    assert "timeout=" in caught.value.remedy
    event.set()
