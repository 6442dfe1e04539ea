"""`scatter` is `Client.scatter`, with what its documentation says of shapes, workers, broadcast; and it holds."""

import asyncio
import queue
from collections import OrderedDict, UserList, namedtuple

import numpy as np
import pytest
from distributed import Future

from moorage.errors import InputError, NotPlaceableError, UnknownWorkerError
from moorage.model import Anywhere, Everywhere, OnWorkers
from tests.helpers import eventually

Point = namedtuple("Point", "x y")


class Bunch(dict):
    """A subclass, as scikit-learn has one."""


def values(futures):
    """Return what futures stand for, in their shape."""
    if isinstance(futures, dict):
        return {label: future.result(60) for label, future in futures.items()}
    results = [future.result(60) for future in futures]
    return type(futures)(*results) if hasattr(futures, "_fields") else type(futures)(results)


def on(cluster, futures):
    """Return what each worker has of a list of futures, by their place in the list."""
    cluster.client.sync(cluster.link.refresh)
    names = {info.address: info.name for info in cluster.workers()}
    who_has = cluster.client.who_has(futures)
    found = {name: [] for name in names.values()}
    for index, future in enumerate(futures):
        for address in who_has[future.key]:
            found[names[address]].append(index)
    return found


# ---- shapes


def test_one_object_gives_one_future(cluster):
    future = cluster.scatter(1)
    assert isinstance(future, Future)
    assert future.result(60) == 1


@pytest.mark.parametrize(
    "data",
    [[1, 2, 3], (1, 2, 3), {1, 2, 3}, frozenset([1, 2, 3]), {"x": 1, "y": 2, "z": 3}, Point(1, 2)],
    ids=lambda data: type(data).__name__,
)
@pytest.mark.parametrize("name", [None, "v"])
def test_a_collection_gives_futures_in_the_same_shape(cluster, data, name):
    futures = cluster.scatter(data, name)
    assert type(futures) is type(data)
    assert values(futures) == data
    if name is not None:
        assert cluster.gather(name) == data
        assert type(cluster.gather(name)) is type(data)
        assert type(cluster[name].futures) is type(data)


def test_a_namedtuple_of_another_process_has_its_fields(cluster):
    cluster.scatter(Point(1, 2), "p")
    cluster.placer.placed.clear()  # as after a restart of the kernel
    assert cluster.gather("p").y == 2


def test_a_range_gives_a_list(cluster):
    futures = cluster.scatter(range(3))
    assert values(futures) == [0, 1, 2]


def test_keys_of_an_unnamed_dict_are_its_own(cluster):
    futures = cluster.scatter({"x": 1, "y": 2, "z": 3})
    assert {label: future.key for label, future in futures.items()} == {"x": "x", "y": "y", "z": "z"}


def test_an_unnamed_dict_does_not_change_the_value_of_a_key(cluster):
    first = cluster.scatter({"x": 1})
    with pytest.raises(InputError, match="'x' is already on the cluster with another value") as caught:
        cluster.scatter({"x": 2})
    assert "name=" in caught.value.remedy
    assert first["x"].result(60) == 1


def test_two_dicts_with_the_same_keys_may_have_names(cluster):
    one = cluster.scatter({"x": 1}, "one")
    two = cluster.scatter({"x": 2}, "two")
    assert (one["x"].result(60), two["x"].result(60)) == (1, 2)


@pytest.mark.parametrize("label", ["a", 1, 2.5, ("a", 1)])
def test_a_dict_may_have_any_key_that_dask_has(cluster, label):
    futures = cluster.scatter({label: "value"}, "d")
    assert futures[label].result(60) == "value"
    assert cluster.gather("d") == {label: "value"}


@pytest.mark.parametrize("data", [Bunch(x=1), OrderedDict(x=1), UserList([1, 2]), "text", b"bytes", np.arange(3)])
def test_anything_else_is_one_value(cluster, data):
    future = cluster.scatter(data)
    assert isinstance(future, Future)
    result = future.result(60)
    assert type(result) is type(data)
    assert np.array_equal(result, data) if isinstance(data, np.ndarray) else result == data


@pytest.mark.parametrize(
    "data",
    [iter([1, 2]), (i for i in range(3)), map(str, [1]), zip([1], [2], strict=True), [iter([1])], {"a": iter([1])}],
    ids=["iterator", "generator", "map", "zip", "iterator in a list", "iterator in a dict"],
)
def test_iterators_are_refused(cluster, data):
    with pytest.raises(NotPlaceableError, match="can be read only once") as caught:
        cluster.scatter(data, "it")
    assert "list(...)" in caught.value.remedy
    assert "it" not in cluster


def test_a_queue_is_refused(cluster):
    with pytest.raises(InputError, match=r"q\.mutex .of type lock. cannot leave the notebook") as caught:
        cluster.scatter(queue.Queue(), "q")
    assert caught.value.remedy
    assert "q" not in cluster


@pytest.mark.parametrize("empty", [[], (), set(), {}, range(0)], ids=repr)
def test_an_empty_collection_is_refused_and_can_be_placed_whole(cluster, empty):
    with pytest.raises(InputError, match="e is empty") as caught:
        cluster.scatter(empty, "e")
    assert "whole" in caught.value.remedy
    cluster.scatter(empty, "e", whole=True)
    assert cluster.gather("e") == empty


def test_a_collection_may_be_one_value(cluster):
    assert cluster.scatter([1, 2], whole=True).result(60) == [1, 2]


def test_equal_elements_are_each_there(cluster):
    cluster.scatter([7, 7, 7], "sevens")
    assert cluster.gather("sevens") == [7, 7, 7]
    assert len(set(cluster["sevens"].keys)) == 3


# ---- which worker gets what


def test_elements_go_round_robin_grouped_by_cores(cluster):
    assert on(cluster, cluster.scatter(range(10))) == {"alice": [0, 1, 4, 5, 8, 9], "bob": [2, 3, 6, 7]}


def test_elements_go_round_robin_by_workers_if_asked(cluster):
    assert on(cluster, cluster.scatter(range(10), by="workers")) == {"alice": [0, 2, 4, 6, 8], "bob": [1, 3, 5, 7, 9]}


def test_what_is_there_already_is_dealt_out_anew(cluster):
    data = list(range(10))
    cluster.scatter(data, "r")
    keys = cluster["r"].keys
    for by, there in [
        ("workers", {"alice": [0, 2, 4, 6, 8], "bob": [1, 3, 5, 7, 9]}),
        ("cores", {"alice": [0, 1, 4, 5, 8, 9], "bob": [2, 3, 6, 7]}),
    ]:
        futures = cluster.scatter(data, "r", by=by)
        assert cluster["r"].keys == keys
        assert cluster.placement()["r"].state == "held"
        assert on(cluster, futures) == there
    cluster.pin("r", "bob")
    assert on(cluster, futures) == {"alice": [], "bob": data}
    cluster.scatter(data, "r", by="workers", timeout=0)
    cluster.pin("r", "bob")  # what was being dealt out is not any more, but some copies may be on their way
    eventually(lambda: on(cluster, futures) == {"alice": [], "bob": data})


def test_elements_that_others_have_too_stay_where_they_are(cluster):
    one = cluster.scatter(range(100, 110))
    two = cluster.scatter(range(105, 110), by="workers")
    assert on(cluster, one) == {"alice": [0, 1, 4, 5, 8, 9], "bob": [2, 3, 6, 7]}
    assert [two[i].key for i in range(5)] == [one[i + 5].key for i in range(5)]


def test_elements_go_where_memory_is_free_if_asked(cluster):
    alice = next(info.address for info in cluster.workers() if info.name == "alice")
    ballast = cluster.client.submit(np.ones, 10_000_000, workers=[alice])  # what is placed takes memory of the host

    def used(name):
        return next(info.process for info in cluster.workers() if info.name == name)

    eventually(lambda: used("alice") > used("bob") + 5e7)
    assert on(cluster, cluster.scatter(range(10), by="memory")) == {"alice": [], "bob": list(range(10))}
    del ballast


def test_elements_stay_where_they_were_put(cluster):
    futures = cluster.scatter(range(100, 110), "r")
    cluster.client.rebalance()
    assert on(cluster, futures) == {"alice": [0, 1, 4, 5, 8, 9], "bob": [2, 3, 6, 7]}


@pytest.mark.parametrize(
    "spell",
    [
        lambda info: "bob",
        lambda info: ["bob"],
        lambda info: {"bob"},
        lambda info: ("bob",),
        lambda info: info.address,
        lambda info: info.address.split("://")[1],
        lambda info: [info.address.split("://")[1]],
        lambda info: ("127.0.0.1", int(info.address.rsplit(":", 1)[1])),
        lambda info: [("127.0.0.1", int(info.address.rsplit(":", 1)[1]))],
        lambda info: "localhost:" + info.address.rsplit(":", 1)[1],
        lambda info: ("localhost", int(info.address.rsplit(":", 1)[1])),
    ],
    ids=["name", "list", "set", "tuple", "address", "host:port", "[host:port]", "(host, port)", "[(host, port)]",
         "hostname:port", "(hostname, port)"],
)  # fmt: skip
def test_a_worker_may_be_named_in_any_of_dasks_ways(cluster, spell):
    bob = next(info for info in cluster.workers() if info.name == "bob")
    futures = cluster.scatter([1, 2, 3], "v", workers=spell(bob))
    assert on(cluster, futures) == {"alice": [], "bob": [0, 1, 2]}
    assert cluster.placement()["v"].placement == OnWorkers(("bob",), each=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_stands_for_its_workers(cluster, host):
    futures = cluster.scatter([1, 2, 3, 4], "v", workers=host)
    assert on(cluster, futures) == {"alice": [0, 1], "bob": [2, 3]}
    assert cluster.placement()["v"].state == "held"


def test_several_workers_share_the_elements(cluster):
    assert on(cluster, cluster.scatter(range(6), workers=["alice", "bob"])) == {"alice": [0, 1, 4, 5], "bob": [2, 3]}


def test_a_worker_may_have_a_number_for_a_name(cluster):
    cluster.scale(3)
    try:
        (number,) = set(cluster.worker_names()) - {"alice", "bob"}
        cluster.scatter(1, "v", workers=int(number))
        assert cluster.placement()["v"].holders == [number]
    finally:
        cluster.scale(workers=[number])


@pytest.mark.parametrize("workers", [[], "", 2.5, object(), [None], {"alice": 1}])
def test_workers_that_are_none_are_refused(cluster, workers):
    with pytest.raises(InputError) as caught:
        cluster.scatter([1], "v", workers=workers)
    assert caught.value.remedy
    assert "v" not in cluster


def test_an_unknown_host_is_refused(cluster):
    with pytest.raises(UnknownWorkerError, match="no-such-host"):
        cluster.scatter([1], "v", workers="no-such-host.invalid:8786")


# ---- broadcast, direct, hash, timeout, asynchronous


def test_broadcast_puts_every_element_on_every_worker(cluster):
    futures = cluster.scatter([1, 2, 3], "v", broadcast=True)
    assert on(cluster, futures) == {"alice": [0, 1, 2], "bob": [0, 1, 2]}
    assert cluster.placement()["v"].placement == Everywhere()


def test_the_documented_broadcast_of_one_element(cluster):
    [future] = cluster.scatter([np.arange(5)], broadcast=True)
    assert on(cluster, [future]) == {"alice": [0], "bob": [0]}


def test_broadcast_to_some_workers_is_a_copy_on_each(cluster):
    futures = cluster.scatter([1, 2], "v", workers=["bob"], broadcast=True)
    assert on(cluster, futures) == {"alice": [], "bob": [0, 1]}
    assert cluster.placement()["v"].placement == OnWorkers(("bob",))


@pytest.mark.parametrize("n", [1, 2])
def test_broadcast_of_a_number_keeps_so_many_copies(cluster, n):
    cluster.scatter([1, 2, 3], "v", broadcast=n)
    state = cluster.placement()["v"]
    assert (state.placement, state.state) == (Anywhere(copies=n), "held")
    assert sum(state.held.values()) == 3 * n


def test_broadcast_of_a_number_to_some_workers_keeps_so_many_copies_there(cluster):
    cluster.scatter([1, 2, 3], "v", workers=["alice", "bob"], broadcast=2)
    assert cluster.placement()["v"].held == {"alice": 3, "bob": 3}
    cluster.scatter([1, 2, 3], "v", workers=["alice", "bob"], broadcast=1)
    assert sum(cluster.placement()["v"].held.values()) == 3


def test_more_copies_than_workers_wait_for_more(cluster):
    cluster.scatter(1, "v", broadcast=3)
    state = cluster.placement()["v"]
    assert (state.state, state.holders) == ("waiting", ["alice", "bob"])
    assert "3 copies" in state.reason


@pytest.mark.parametrize("broadcast", ["yes", -1, 0.5])
def test_broadcast_of_something_else_is_refused(cluster, broadcast):
    with pytest.raises(InputError, match="broadcast=") as caught:
        cluster.scatter([1], "v", broadcast=broadcast)
    assert caught.value.remedy
    assert "v" not in cluster


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("size", [10, 400_000])
def test_data_may_go_straight_to_the_workers_or_by_the_scheduler(cluster, direct, size):
    data = [np.arange(size), np.ones(size)]
    futures = cluster.scatter(data, direct=direct)
    assert all(map(np.array_equal, values(futures), data))


def test_hash_gives_equal_values_one_key_and_no_hash_gives_each_its_own(cluster):
    hashed = [cluster.scatter("text").key for _ in range(2)]
    random = [cluster.scatter("text", hash=False).key for _ in range(2)]
    assert len(set(hashed)) == 1
    assert len(set(random)) == 2
    assert all(key.startswith("str-") for key in hashed + random)


def test_a_timeout_leaves_the_placement_recorded(cluster):
    cluster.scatter(1, "v", broadcast=3, timeout="10ms")
    assert "v" in cluster
    with pytest.raises(InputError, match="timeout"):
        cluster.scatter(1, "w", timeout="soon")


def test_it_can_be_awaited_from_another_loop(cluster):
    async def main():
        return await cluster.scatter([1, 2], "v", asynchronous=True)

    futures = asyncio.run(main())
    assert values(futures) == [1, 2]
    assert cluster.placement()["v"].state == "held"


def test_it_can_be_awaited_on_the_clients_own_loop(cluster):
    async def main():
        return await cluster.scatter([1, 2], "v", asynchronous=True)

    assert values(cluster.client.sync(main)) == [1, 2]


def test_errors_reach_whoever_awaits(cluster):
    async def main():
        with pytest.raises(NotPlaceableError):
            await cluster.scatter(iter([1]), "v", asynchronous=True)
        with pytest.raises(UnknownWorkerError):
            await cluster.scatter([1], "v", workers="nobody", asynchronous=True)

    asyncio.run(main())


# ---- for how long


def test_a_named_value_stays_without_futures(cluster):
    cluster.scatter(np.arange(10), "v")
    assert cluster.placement()["v"].state == "held"
    assert cluster.gather("v").sum() == 45


def test_an_unnamed_value_stays_as_long_as_its_futures(cluster):
    futures = cluster.scatter([1001, 1002, 1003])
    (name,) = cluster.placement()
    assert cluster.placement()[name].nkeys == 3
    keep = futures[1]
    del futures
    eventually(lambda: cluster.placement()[name].nkeys == 1)
    assert cluster.placement()[name].state == "held"
    assert keep.result(60) == 1002
    del keep
    eventually(lambda: not cluster.placement())


def test_two_unnamed_lists_that_share_an_element_do_not_disturb_each_other(cluster):
    one = cluster.scatter(["a", "b"], broadcast=True)
    two = cluster.scatter(["a", "c"], broadcast=True)
    assert [state.nkeys for state in cluster.placement().values()] == [2, 2]
    assert on(cluster, one) == on(cluster, two) == {"alice": [0, 1], "bob": [0, 1]}
    del two
    eventually(lambda: sorted(state.nkeys for state in cluster.placement().values()) == [1, 2])  # "a" is still there
    assert on(cluster, one) == {"alice": [0, 1], "bob": [0, 1]}
    del one
    eventually(lambda: not cluster.placement())
