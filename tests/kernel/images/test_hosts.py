"""Several hosts, by address: each gets one copy, which all its workers map; what drops out gets it another way."""

import asyncio
import gc
import os
import re
import sys
import threading

import numpy as np
import pytest
import xxhash
from dask.utils import parse_bytes

import moorage
from moorage.images.blocks import PIECE
from moorage.kernel.placement.request import How
from moorage.model import Everywhere
from moorage.worker.images import spreading as worker_side
from moorage.worker.images.spreading import Spreading
from tests.helpers import eventually
from tests.kernel.images import agents, mapping
from tests.kernel.images.mapping import on_each
from tests.two_workers import release_all
from tests.workers import Workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds, and all of 127/8 on loopback, are Linux's")

HOSTS = {"b": "127.0.0.2", "c": "127.0.0.3", "d": "127.0.0.4"}
N = 3_000_000


@pytest.fixture(scope="module")
def workers():
    with Workers() as workers:
        for host, address in HOSTS.items():
            workers.add(f"{host}1", f"{host}2", host=address)
        yield workers


@pytest.fixture(scope="module")
def controller(workers):
    with moorage.attach(workers.client) as controller:
        yield controller


@pytest.fixture
def cluster(controller, workers):
    yield controller
    gc.collect()
    eventually(lambda: not release_all(controller))
    eventually(lambda: set(HOSTS) == {name[0] for name in workers.running()} and len(workers.running()) == 6)


def random(seed, n=N):
    return np.random.default_rng(seed).random(n)


def first_of_each(workers):
    """The first worker of each host."""
    return [workers.addresses()[f"{host}1"] for host in HOSTS]


def mapped(cluster):
    return mapping.mapped(cluster, mapping.all_segments)


def sums(cluster, name):
    """Return what a task gets of a variable on each worker."""
    return on_each(cluster, np.sum, name)


def test_each_host_gets_one_copy_which_its_workers_map(cluster):
    x = random(1)
    told = []
    with agents.progress_of(cluster, "x", lambda done, total: told.append((done, total))):
        cluster.broadcast(x, name="x")
    assert cluster.placement()["x"].state == "held"
    found = mapped(cluster)
    by_host = {host: found[f"{host}1"] | found[f"{host}2"] for host in HOSTS}
    assert all(len(each) == 1 for each in by_host.values())
    assert len(set.union(*by_host.values())) == len(HOSTS)
    assert sums(cluster, "x") == [x.sum()] * 6
    eventually(lambda: cluster.sharing("x") == {"x": "shared by b1, b2, c1, c2, d1, d2"})
    cluster.release("x")
    eventually(lambda: not any(mapped(cluster).values()))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (x.nbytes, x.nbytes)
    assert not cluster.placer.arriving


def test_each_piece_is_sent_once(cluster, monkeypatch):
    sent, cut = [], worker_side.cut

    def noted(plan, buffers, start, stop):
        sent.append(start)
        return cut(plan, buffers, start, stop)

    monkeypatch.setattr(worker_side, "cut", noted)
    x = random(2)
    cluster.broadcast(x, name="x")
    assert sorted(sent) == list(range(0, x.nbytes, PIECE))


def test_what_is_in_a_value_arrives_as_it_was(cluster):
    value = {"a": random(3), "f": np.asfortranarray(random(4).reshape(1000, -1)), "text": "some"}
    cluster.broadcast(value, name="value")
    future = cluster["value"].future

    def look(value):
        return (
            value["a"].sum(),
            value["f"].flags.f_contiguous,
            value["f"].sum(),
            value["text"],
            value["a"].flags.aligned,
        )

    expected = value["a"].sum(), True, value["f"].sum(), "some", True
    futures = [cluster.client.submit(look, future, workers=[info.name], pure=False) for info in cluster.workers()]
    assert cluster.client.gather(futures) == [expected] * 6


def test_one_per_host_and_pins_go_the_same_way(cluster):
    x, y = random(5), random(6)
    cluster.broadcast(x, name="x", per_host=True)
    cluster.pin("y", ["b1", "b2", "c2"], value=y)
    assert len(cluster.placement()["x"].holders) == 3
    assert sorted(cluster.placement()["y"].holders) == ["b1", "b2", "c2"]
    cluster.release("x")
    eventually(lambda: mapped(cluster)["b1"] == mapped(cluster)["b2"] != set())


def test_a_host_that_dies_on_the_way_costs_the_others_nothing(cluster, workers):
    gone = []
    address = workers.addresses()["d1"]

    def kill(done, total):
        if not gone and done > total / 3:
            gone.append(workers.cluster.workers["d1"].pid)
            os.kill(gone[0], 9)

    x = random(7, 10_000_000)
    with agents.progress_of(cluster, "x", kill):
        cluster.broadcast(x, name="x")
    assert gone
    eventually(lambda: workers.addresses().get("d1") not in (None, address))
    eventually(lambda: cluster.placement()["x"].state == "held" and len(cluster.placement()["x"].holders) == 6)
    assert sums(cluster, "x") == [x.sum()] * 6
    found = mapped(cluster)
    assert found["b1"] == found["b2"]
    assert found["c1"] == found["c2"]


@pytest.mark.parametrize("how", ["one host does not take part", "none does"])
def test_who_does_not_take_part_gets_it_another_way(cluster, workers, how):
    out = [f"{host}{n}" for host in (["c"] if how.startswith("one") else HOSTS) for n in (1, 2)]
    addresses = [workers.addresses()[name] for name in out]
    cluster.broadcast(random(8, 10), name="small")  # the code is there
    cluster.client.run(agents.refuse, workers=addresses)
    try:
        cluster.broadcast(x := random(9), name="x")
        assert len(cluster.placement()["x"].holders) == 6
        assert sums(cluster, "x") == [x.sum()] * 6
    finally:
        cluster.client.run(agents.take_part, workers=addresses)


@pytest.mark.parametrize(("behave", "why", "limit"), [
    (agents.know_nothing_of_it, "it does not take part", worker_side._OPEN / 2),
    (agents.be_silent, "it does not answer", 60),
])  # fmt: skip
def test_a_host_that_takes_no_part_costs_little_time_and_is_asked_again_later(cluster, workers, behave, why, limit):
    cluster.broadcast(random(22, 10), name="small")  # the code is there
    addresses = [workers.addresses()[name] for name in ("c1", "c2")]
    cluster.client.run(behave, workers=addresses)
    try:
        asked, buffer = [*addresses, workers.addresses()["b1"]], memoryview(random(23)).cast("B")

        async def run():
            args = cluster.client.connection_args
            with Spreading([buffer], [xxhash.xxh3_128_digest(buffer)], asked, args) as spreading:
                await asyncio.wait_for(spreading.run(), limit)
            return spreading

        spreading = cluster.client.sync(run)
        assert (spreading.failed, spreading.out_of_reach) == (dict.fromkeys(addresses, why), set())
        assert list(spreading.handles) == [workers.addresses()["b1"]]
    finally:
        cluster.client.run(agents.take_part, workers=addresses)


def test_agents_that_do_not_reach_each_other_get_it_from_the_source(cluster, workers):
    cluster.broadcast(random(10, 10), name="small")
    addresses = list(workers.addresses().values())
    cluster.client.run(agents.give_nothing, workers=addresses)
    try:
        cluster.broadcast(x := random(11), name="x")
        assert sums(cluster, "x") == [x.sum()] * 6
        found = mapped(cluster)
        assert all(found[f"{host}1"] & found[f"{host}2"] for host in HOSTS)
    finally:
        cluster.client.run(agents.give, workers=addresses)


def test_a_worker_that_joins_on_another_host_gets_it(cluster, workers):
    x = random(12)
    cluster.broadcast(x, name="x")
    cluster.broadcast(text := "ä" * 3_000_000, name="text")
    before = agents.total_forwarded(cluster)
    workers.add("e1", "e2", host="127.0.0.5")
    try:
        eventually(lambda: all(len(cluster.placement()[name].holders) == 8 for name in ("x", "text")))
        assert agents.total_forwarded(cluster) - before == 2
        found = mapped(cluster)
        assert found["e1"] == found["e2"] != set()
        assert sums(cluster, "x") == [x.sum()] * 8
        assert on_each(cluster, len, "text") == [len(text)] * 8
    finally:
        cluster.release("x")
        workers.remove("e1", "e2")


EVERYWHERE = [f"{host}{n}" for host in HOSTS for n in (1, 2)]


@pytest.mark.parametrize("writable", [False, True], ids=["read-only", "writable"])
def test_what_is_placed_more_widely_goes_to_all_other_hosts_at_once(cluster, writable):
    x = random(16)
    cluster.pin("x", ["b2"], value=x, writable=writable)
    before = agents.total_forwarded(cluster)
    cluster.pin("x", EVERYWHERE)
    assert agents.total_forwarded(cluster) - before == 2
    assert sorted(cluster.placement()["x"].holders) == EVERYWHERE
    assert sums(cluster, "x") == [x.sum()] * 6
    assert on_each(cluster, lambda value: value.flags.writeable, "x") == [writable] * 6
    found = mapped(cluster)
    assert all(len(found[f"{host}1"] | found[f"{host}2"]) == 1 for host in HOSTS)


def test_it_is_told_how_many_bytes_have_arrived_of_what_a_worker_sends_on(cluster):
    x, told = random(24, 10_000_000), []
    cluster.pin("x", ["b1"], value=x)
    stop = cluster.subscribe(lambda kind: told.append(cluster.placer.states()["x"].reason))
    try:
        cluster.pin("x", EVERYWHERE)
    finally:
        stop()
    words = re.compile(r"; the other hosts have ([\d.]+ \w+) of 76.29 MiB$")
    arrived = [parse_bytes(found[1]) for reason in told if (found := words.search(reason))]
    assert arrived
    assert arrived == sorted(arrived)
    assert cluster.placement()["x"].reason == ""


def test_large_texts_go_that_way_too_and_leave_nothing_behind(cluster):
    text = "ä" * 3_000_000
    cluster.pin("text", ["c1"], value={"of": text})
    before = agents.total_forwarded(cluster)
    cluster.pin("text", EVERYWHERE)
    assert agents.total_forwarded(cluster) - before == 2
    assert on_each(cluster, lambda value: value["of"] == "ä" * 3_000_000, "text") == [True] * 6
    eventually(lambda: not any(mapped(cluster).values()))


def test_what_moves_to_another_host_goes_that_way_and_leaves_the_first(cluster):
    cluster.pin("x", ["b1"], value=random(17))
    before = agents.total_forwarded(cluster)
    cluster.pin("x", ["d2"])
    assert agents.total_forwarded(cluster) - before == 1
    eventually(lambda: cluster.placement()["x"].holders == ["d2"])
    eventually(lambda: {name for name, found in mapped(cluster).items() if found} == {"d2"})


def test_where_the_notebook_does_not_send_to_workers_the_first_that_has_it_sends_it_on(cluster):
    x, before = random(18), agents.total_forwarded(cluster)
    cluster.scatter(x, name="x", broadcast=True, whole=True, direct=False)
    assert agents.total_forwarded(cluster) - before == 2
    assert sums(cluster, "x") == [x.sum()] * 6
    found = mapped(cluster)
    assert all(len(found[f"{host}1"] | found[f"{host}2"]) == 1 for host in HOSTS)


def test_a_worker_that_dies_while_it_sends_something_on_is_replaced_by_another_holder(cluster, workers, tmp_path):
    x = random(21, 10_000_000)
    cluster.pin("x", ["b1", "b2"], value=x, keep_origin=False)
    before = workers.addresses()
    cluster.client.run(agents.die_while_sending, tmp_path / "died", workers=[before["b1"], before["b2"]])
    cluster.pin("x", EVERYWHERE)
    eventually(lambda: sorted(cluster.placement()["x"].holders) == EVERYWHERE)
    assert len(set(before.values()) - set(workers.addresses().values())) == 1
    assert sums(cluster, "x") == [x.sum()] * 6
    found = mapped(cluster)
    assert all(len(found[f"{host}1"] | found[f"{host}2"]) == 1 for host in HOSTS)


def test_what_a_task_returned_is_left_to_dask(cluster):
    before, future = agents.total_forwarded(cluster), cluster.client.submit(random, 19, workers=["b1"])
    cluster.pin("x", ["c1", "d1"], value=future)
    eventually(lambda: sorted(cluster.placement()["x"].holders) == ["c1", "d1"])
    assert agents.total_forwarded(cluster) == before


@pytest.mark.parametrize("out", ["c", "cd"], ids=["one host does not take part", "none does"])
def test_hosts_that_do_not_take_part_get_what_is_placed_already_another_way(cluster, workers, out):
    x = random(20)
    cluster.pin("x", ["b1"], value=x)
    before = agents.total_forwarded(cluster)
    addresses = [workers.addresses()[f"{host}{n}"] for host in out for n in (1, 2)]
    cluster.client.run(agents.refuse, workers=addresses)
    try:
        cluster.pin("x", EVERYWHERE)
        assert agents.total_forwarded(cluster) - before == 2 - len(out)
        assert sums(cluster, "x") == [x.sum()] * 6
        found = mapped(cluster)
        assert all(len(found[f"{host}1"] | found[f"{host}2"]) == 1 for host in HOSTS)
    finally:
        cluster.client.run(agents.take_part, workers=addresses)


def test_what_arrives_changed_is_not_taken(cluster, workers):
    cluster.broadcast(random(10, 10), name="small")
    before = mapped(cluster)
    assert agents.spread(cluster, first_of_each(workers), [bytes(16)]) == {"1 of 1 buffers arrived changed"}
    eventually(lambda: all(now <= before[name] for name, now in mapped(cluster).items()), 10)


def test_what_can_be_written_to_is_so_on_each_host_and_for_each_worker(cluster):
    x = random(15)
    future = cluster.broadcast(x, name="x", writable=True)

    def write(value, number):
        value[0] = number
        return value[0]

    for number, worker in enumerate(("b1", "b2", "c1")):
        assert cluster.client.submit(write, future, number, workers=[worker], pure=False).result() == number
    firsts = [
        cluster.client.submit(lambda value: value[0], future, workers=[worker], pure=False)
        for worker in ("b1", "b2", "c1", "c2", "d1")
    ]
    assert cluster.client.gather(firsts) == [0, 1, 2, x[0], x[0]]
    found = mapped(cluster)
    assert all(len(found[f"{host}1"] | found[f"{host}2"]) == 1 for host in HOSTS)


def test_one_that_is_broken_off_leaves_nothing(cluster, workers):
    cluster.broadcast(random(10, 10), name="small")
    before = mapped(cluster)
    agents.spread(cluster, first_of_each(workers), None, until=0.3)
    eventually(lambda: all(now <= before[name] for name, now in mapped(cluster).items()), 10)


def test_an_interrupt_stops_what_is_on_its_way_and_leaves_nothing(cluster, workers):
    cluster.broadcast(random(10, 10), name="small")
    before, known = mapped(cluster), len(cluster.placer.origins)
    seen, told = threading.Event(), []

    def note(done, total):
        told.append((done, total))
        if 0 < done < total / 2:
            seen.set()

    x = random(14, 20_000_000)
    with agents.progress_of(cluster, "x", note):
        placing = cluster.placer.place(x, "x", Everywhere(), How(whole=True))
        waiting = asyncio.run_coroutine_threadsafe(placing, cluster.client.loop.asyncio_loop)
        assert seen.wait(30)
        waiting.cancel()
        eventually(lambda: not cluster.placer._sending)
    assert told[-1][0] < x.nbytes
    eventually(lambda: not cluster.placer.arriving)
    assert "x" not in cluster.placement()
    assert len(cluster.placer.origins) == known
    eventually(lambda: all(now <= before[name] for name, now in mapped(cluster).items()), 10)
    cluster.broadcast(x, name="x")
    assert sums(cluster, "x") == [x.sum()] * 6


def test_what_hosts_get_in_pieces_is_counted_once_for_each(cluster):
    value = random(31)
    before = cluster.moment()
    cluster.broadcast(value, "x")
    moved = cluster.transfers(before, settle=2)
    pieces = [row for row in moved.rows if row.how == "pieces"]
    assert {row.name for row in pieces} == {"x"}
    assert {row.receiver[0] for row in pieces} == set(HOSTS)
    assert sum(row.nbytes for row in pieces) == pytest.approx(len(HOSTS) * value.nbytes, rel=0.01)
    assert sum(row.nbytes for row in pieces if row.sender == "client") == pytest.approx(value.nbytes, rel=0.01)
    assert moved.nbytes == pytest.approx(len(HOSTS) * value.nbytes, rel=0.01)


def test_what_a_worker_passes_on_in_pieces_is_counted_as_pieces_alone(cluster):
    value = random(32)
    cluster.pin("x", workers=["b1"], value=value)
    before = cluster.moment()
    cluster.place(["x"], Everywhere())
    moved = cluster.transfers(before, settle=2)
    assert moved.nbytes == pytest.approx(2 * value.nbytes, rel=0.01)
    assert {row.how for row in moved.rows if row.nbytes > 0.01 * value.nbytes} == {"pieces"}
