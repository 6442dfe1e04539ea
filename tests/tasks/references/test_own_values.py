"""What a task does to a placed value that it is given stays its own: each task finds the value as it was placed."""

import collections
import enum
import types

import numpy as np
import pandas as pd
import pytest
from distributed import wait

from tests.helpers import eventually


def grow_list(value):
    value.append(1)
    return len(value)


def grow_dict(value):
    value["new"] = value.get("new", 0) + 1
    return value["new"], len(value)


def grow_inside(value):
    value["in"][0].append(1)
    return len(value["in"][0])


def add_column(frame):
    frame["n"] = frame["n"] + 1 if "n" in frame else 1
    return int(frame["n"].iloc[0]), frame.shape


def set_attribute(thing):
    thing.n += 1
    return thing.n


def replace(values):
    values[0] = values[0] + "!"
    return values[0]


class Colour(enum.Enum):
    RED = 1


def grow_colours(value):
    value[Colour.RED] = value.get(Colour.RED, 0) + 1
    return len(value), value[Colour.RED]


OWN = """
class Own:
    def __init__(self):
        self.seen = []

def step(value):
    value.seen.append(1)
    return len(value.seen)
"""
VALUES = {
    "a list": ([0, 1], grow_list),
    "a deque": (collections.deque([0]), grow_list),
    "a dict of an enum": ({"a": Colour.RED, "b": np.zeros(3).view()}, grow_colours),
    "a dict": ({"a": 1}, grow_dict),
    "a list within": ({"in": ([],)}, grow_inside),
    "a dict of large arrays": ({"a": np.zeros(50_000)}, grow_dict),
    "a frame": (pd.DataFrame({"a": np.arange(20_000.0), "b": 1}), add_column),
    "an object": (types.SimpleNamespace(n=0), set_attribute),
    "an array of objects": (np.array(["a", "b"], dtype=object), replace),
}


@pytest.mark.parametrize("kind", VALUES)
def test_what_a_task_writes_into_a_placed_value_is_seen_by_no_other(cluster, kind):
    value, change = VALUES[kind]
    before = repr(value)
    first = change(cluster.broadcast(value, name="value") and cluster.gather("value"))
    for _ in range(2):
        assert cluster.submit(change, value, workers="alice", pure=False).result(30) == first
    for batch_size in 1, 4:
        assert (
            cluster.map(lambda i: change(value), range(4), workers="alice", batch_size=batch_size).gather()
            == [first] * 4
        )
    assert repr(cluster.gather("value")) == before
    assert repr(value) == before


def test_a_class_of_the_notebook_may_be_in_what_is_placed(cluster):
    space = {"__name__": "__main__"}
    exec("import enum\nclass Own(enum.Enum):\n    ONE = 1\ndef read(i): return one.name", space)
    one = space["one"] = space["Own"].ONE
    cluster.broadcast(one, name="one")
    assert cluster.map(space["read"], range(3), batch_size=3).gather() == ["ONE"] * 3


def test_an_object_of_a_class_of_the_notebook_that_only_the_cluster_has_is_each_tasks_own(cluster):
    space = {"__name__": "__main__"}
    exec(OWN, space)
    cluster.broadcast(space["Own"](), name="value", keep_origin=False)
    value = cluster["value"].future
    for _ in range(2):
        steps = [cluster.submit(space["step"], value, workers="alice", pure=False) for _ in range(3)]
        assert [one.result(30) for one in steps] == [1, 1, 1]


def test_elements_are_each_tasks_own(cluster):
    lists = [[i] for i in range(4)]
    cluster.scatter(lists, name="lists")
    for _ in range(2):
        assert cluster.map(grow_list, lists).gather() == [2] * 4
    assert cluster.gather("lists") == lists


def test_a_value_met_twice_is_one_object_for_its_task(cluster):
    value = {"a": 1}
    cluster.broadcast(value, name="value")
    assert cluster.submit(lambda one, other: one is other[0], value, [value]).result(30)


def test_a_placed_frame_that_a_task_returns_takes_no_memory_of_its_own(cluster):
    frame = pd.DataFrame({"a": np.arange(200_000.0)})
    cluster.broadcast(frame, name="frame")
    returned = cluster.submit(lambda frame: frame, frame, pure=False)
    assert cluster.submit(
        np.shares_memory, cluster.submit(lambda f: f["a"].to_numpy(), returned), frame["a"].to_numpy()
    ).result(30)


def test_a_result_that_is_the_placed_value_itself_takes_nothing_along_when_it_goes(cluster):
    value = {"list": [], "array": np.zeros(50_000)}
    cluster.broadcast(value, name="value")
    returned = cluster.client.submit(lambda value: value, cluster["value"].future, workers="alice", pure=False)
    wait(returned)
    key = returned.key
    del returned
    eventually(lambda: not any(cluster.client.run(lambda dask_worker: key in dask_worker.data).values()))
    for _ in range(2):
        grown = cluster.submit(lambda: value["list"].append(1) or len(value["list"]), workers="alice", pure=False)
        assert grown.result(30) == 1


def test_a_placed_value_that_is_spilled_while_it_is_in_use_is_still_each_tasks_own(cluster):
    frame = pd.DataFrame({"a": np.arange(10.0)})
    cluster.broadcast(frame, name="frame")
    (key,) = cluster["frame"].keys

    def spill(dask_worker):
        dask_worker.in_use = dask_worker.data[key]  # as a task has it that runs meanwhile
        while key not in dask_worker.data.disk:
            dask_worker.data.evict()

    cluster.client.run(spill)
    for _ in range(2):
        assert cluster.submit(add_column, frame, pure=False).result(30) == (1, (10, 2))
    cluster.client.run(lambda dask_worker: delattr(dask_worker, "in_use"))


def test_a_placed_value_that_is_spilled_with_results_that_are_the_same_object_is_still_each_tasks_own(cluster):
    value = [0, 1]
    cluster.broadcast(value, name="value")
    returned = cluster.client.map(lambda i, value: value, range(2), value=cluster["value"].future, pure=False)
    wait(returned)

    (key,) = cluster["value"].keys

    def spill(dask_worker):
        assert dask_worker.data[key] == value  # used last, so written last
        while dask_worker.data.fast:
            dask_worker.data.evict()

    cluster.client.run(spill)
    for _ in range(2):
        assert cluster.map(lambda i: grow_list(value), range(4)).gather() == [3] * 4
    assert cluster.gather("value") == value
