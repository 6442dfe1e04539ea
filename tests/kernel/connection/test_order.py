"""What a notebook says in order happens in order, although requests overtake Dask's stream of messages."""

import gc
import weakref

import numpy as np
import pytest
from distributed import Future

from moorage.errors import UnknownVariableError
from tests.helpers import eventually

DELAY = 0.3  # seconds by which all messages of the stream are late


@pytest.fixture
def late(cluster, monkeypatch):
    """The cluster, with a stream from its client to the scheduler that is late; requests are as quick as ever."""
    comm, loop = cluster.client.scheduler_comm, cluster.client.loop
    send = comm.send
    with monkeypatch.context() as patch:
        patch.setattr(comm, "send", lambda *messages: loop.call_later(DELAY, send, *messages))
        yield cluster
        cluster.client.sync(cluster.link.flush)  # late as all that goes before: nothing of it reaches the next test


def load():
    return np.full(200_000, 1.0)


def use(data, i):
    return float(data[0]) + i


def test_release_lets_a_graph_pass_that_was_submitted_before(late):
    late.broadcast(load(), name="x")
    future = late.client.submit(use, late["x"].future, 1, pure=False)
    late.release("x")
    assert future.result(timeout=60) == 2.0


def test_placing_a_name_again_lets_a_graph_pass_that_uses_its_earlier_value(late):
    late.broadcast(load(), name="x")
    future = late.client.submit(use, late["x"].future, 1, pure=False)
    late.broadcast(load() + 1, name="x")
    assert future.result(timeout=60) == 2.0


def test_a_value_that_comes_back_while_its_key_is_let_go_is_there(late):
    future = late.scatter(load())
    key = future.key
    del future
    again = late.scatter(load())
    assert again.key == key
    assert late.submit(use, again, 1).result(timeout=60) == 2.0
    assert again.result(timeout=60)[0] == 1.0


def test_a_released_name_that_is_placed_with_the_same_value_is_there(late):
    for _ in range(2):
        late.broadcast(load(), name="x")
        future = late["x"].future
        assert late.placement()["x"].state == "held"
        late.release("x")
        late.broadcast(load(), name="x")
        assert late.gather("x")[0] == 1.0
        assert future.result(timeout=60)[0] == 1.0
        late.release("x")


def test_captured_values_of_equal_content_come_and_go(late):
    def captured(i):
        data = load()
        return late.submit(lambda: float(data[0]) + i).result(timeout=60)

    def mapped(i):
        data = load()
        return late.map(lambda k: float(data[0]) + k, [i]).gather()[0]

    for i in range(3):
        assert captured(i) == 1.0 + i
        assert mapped(i) == 1.0 + i


def test_a_future_kept_of_an_earlier_life_is_good_again(cluster):
    kept = cluster.scatter(load())
    key = kept.key
    cluster.client.sync(cluster.link.flush)
    cluster.client.loop.add_callback(cluster.client._handle_cancelled_keys, [key])  # as when its last copy is lost
    eventually(lambda: kept.status == "cancelled")
    again = cluster.scatter(load())
    assert again.key == key
    assert again.result(timeout=60)[0] == 1.0
    assert kept.result(timeout=60)[0] == 1.0


def test_what_is_placed_again_keeps_its_origin_when_the_scheduler_tells_of_its_earlier_end(cluster):
    value = load()
    cluster.broadcast(value, name="x")
    key, vid = cluster["x"].keys[0], f"{cluster.placer.owner}:x"
    with cluster.placer._remembering([_Request(vid, key, value)]):
        cluster.client.sync(_forget, cluster.placer, vid, key)  # as an event does that comes late
        assert key in cluster.placer.origins
    cluster.client.sync(_forget, cluster.placer, vid, key)
    assert key not in cluster.placer.origins


async def _forget(placer, vid, key):
    placer._gone(vid, [key])


class _Request:
    """As much of a request as it takes to be remembered."""

    def __init__(self, vid, key, value):
        from moorage.kernel.placement.elements import pack

        self.item = {"vid": vid, "name": "x", "hold": False, "origin": True}
        self.elements = pack(value, "x", True, True)
        self.value = value
        self.keep_origin = True
        assert self.elements.keys == [key]


def test_nothing_is_left_when_equal_values_come_and_go(cluster):
    before = set(cluster.client.run_on_scheduler(_left))  # of other tests, by other keys
    for i in range(20):
        data = load() * 3
        assert cluster.submit(lambda data=data, i=i: float(data[0]) + i).result(timeout=60) == 3.0 + i
        cluster.broadcast(data, name="x")
        cluster.release("x")
    del data
    gc.collect()
    with pytest.raises(UnknownVariableError):
        cluster.release("x")
    eventually(lambda: before.issuperset(cluster.client.run_on_scheduler(_left)))
    assert not [f for f in cluster.client.futures if "flush" in str(f)]
    assert not cluster.placer._under_way


def _left(dask_scheduler):
    pretended = [c for c in dask_scheduler.clients if c.startswith("moorage")]
    return [*dask_scheduler.tasks, *pretended, *dask_scheduler.extensions["moorage"].desired.records]


def test_a_flush_answers_only_after_what_was_sent_before(late):
    key = late.scatter(load(), name="x").key
    weak = weakref.ref(Future("nobody-knows-it", late.client))
    future = late.client.submit(use, Future(key, late.client), 1, pure=False)
    late.client.sync(late.link.flush)
    assert late.client.run_on_scheduler(lambda dask_scheduler: future.key in dask_scheduler.tasks)
    assert weak() is None
