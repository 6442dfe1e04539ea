"""`cluster.why()` on real workers: each state that a user runs into has its cause and its remedy."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal

import dask.array as da
import pytest
from distributed import Event, wait
from distributed.client import FutureCancelledError
from distributed.core import Status

from moorage.errors import InputError, UnknownVariableError, WaitTimeoutError
from moorage.kernel import waiting
from moorage.kernel.why import asking
from tests.controller.why.tools import MB, address, fail, held_up, make, says
from tests.helpers import eventually


@pytest.fixture
def gate(cluster):
    """An event that tasks wait for by its name; set when the test ends."""
    event = Event(client=cluster.client)
    yield event
    event.set()


# Placed variables


def test_what_is_as_asked_says_so_in_one_line(cluster):
    cluster.pin("x", workers=["bob"], value=[1, 2])
    assert str(cluster.why("x")) == "x is held: on bob, as asked."
    assert cluster.why("x").well
    assert cluster.why(cluster["x"]) == cluster.why("x")


def test_a_value_that_has_changed_since_is_stale(cluster):
    value = [1, 2]
    cluster.broadcast(value, name="value")
    value.append(3)
    assert cluster.why("value").state == "stale"
    assert "%gather value" in cluster.why("value").remedy


def test_more_copies_than_workers_ask_for_workers(cluster):
    with contextlib.suppress(WaitTimeoutError):
        cluster.scatter(b"x", name="many", broadcast=3, timeout=0.1)
    says(cluster, "many", "waiting", "3 copies asked for, 2 workers", "%cluster scale 3")


def test_a_variable_that_is_still_computed_is_held_up_by_its_task(cluster, gate):
    future = cluster.client.submit(held_up, gate.name, workers=["alice"], pure=False)
    cluster.pin("later", workers=["bob"], value=future)
    says(cluster, "later", "running", "held_up runs on alice")


def test_a_variable_whose_computation_failed_names_the_error(cluster):
    future = cluster.client.submit(fail, 7, pure=False)
    cluster.pin("failed", workers=["bob"], value=future)
    says(cluster, "failed", "failed", "fail raised ValueError('no 7')", "retry")


def test_a_copy_that_a_task_uses_elsewhere_was_not_asked_for(cluster, gate):
    cluster.pin("data", workers=["bob"], value=make(MB))

    def use(data, name):
        Event(name).wait(60)

    task = cluster.client.submit(use, cluster["data"].future, gate.name, workers=["alice"], pure=False)
    says(cluster, "data", "surplus", "alice has a copy that was not asked for")
    gate.set()
    wait(task)
    says(cluster, "data", "held")


# Futures, collections


def test_futures_that_run_that_wait_and_that_are_there(cluster, names, gate):
    client = cluster.client
    names["runs"] = client.submit(held_up, gate.name, workers=["alice"], pure=False)
    names["other"] = client.submit(held_up, gate.name, workers=["alice"], pure=False)
    says(cluster, "runs", "running", "held_up runs on alice")
    names["behind"] = client.submit(make, 8, workers=["alice"], pure=False)
    says(cluster, "behind", "queued", "alice has 2 other tasks to do", "%cluster scale")
    names["depends"] = client.submit(len, names["runs"])
    says(cluster, "depends", "running", "it waits for held_up")
    gate.set()
    says(cluster, "behind", "in memory", "on alice")
    assert cluster.why("behind").well
    assert cluster.why(names["behind"]) == cluster.why("behind")


def test_a_question_that_overtakes_its_task_is_asked_again(cluster):
    for n in range(20):
        assert cluster.why(cluster.client.submit(abs, n, pure=False)).state != "forgotten"


def test_an_answer_from_before_the_task_came_is_not_taken_after_it_has_ended(cluster, monkeypatch):
    answers = []

    async def late(client, question):
        reply = await waiting.answer(client, question)
        if not answers:
            reply["task"]["fate"] = "absent"
        answers.append(reply)
        return reply

    future = cluster.client.submit(abs, 1, pure=False)
    future.result(timeout=60)
    monkeypatch.setattr(asking, "answer", late)
    assert cluster.why(future).state == "in memory"
    assert len(answers) == 2


def test_tasks_that_no_worker_has_room_for_are_queued(cluster, names, gate):
    names["many"] = cluster.client.map(lambda n: Event(gate.name).wait(60), range(20), pure=False)
    names["last"] = names["many"][-1]
    says(cluster, "last", "queued", "all 4 threads of 2 workers are busy", "in the queue")
    says(cluster, "many", "queued", "20 of 20 parts are not there")
    assert cluster.why("many[-1]").state == "queued"


def test_a_future_that_failed_names_the_task_that_raised(cluster, names):
    client = cluster.client
    names["bad"] = client.submit(fail, 1, pure=False)
    names["after"] = client.submit(len, names["bad"])
    says(cluster, "bad", "failed", "fail raised ValueError('no 1')", "cluster.client.retry(bad)")
    says(cluster, "after", "failed", "ValueError('no 1')")


def test_a_future_that_was_cancelled_is_forgotten(cluster, names):
    names["gone"] = cluster.client.submit(make, 8, pure=False)
    cluster.client.cancel(names["gone"])
    says(cluster, "gone", "forgotten", "cancelled", "Run the cell that makes it")
    with pytest.raises(FutureCancelledError):
        names["gone"].result()


def test_a_future_that_nobody_held_for_a_while_is_let_go_of(cluster, names):
    future = cluster.client.submit(make, 8, pure=False)
    names["kept"] = cluster.client.submit(len, future)  # so that the scheduler still knows how `future` is made
    wait(names["kept"])
    key, pickled = future.key, pickle.dumps(future)
    del future
    eventually(lambda: cluster.client.run_on_scheduler(lambda dask_scheduler: not dask_scheduler.tasks[key].who_has))
    names["again"] = pickle.loads(pickled)
    says(cluster, "again", "waiting", "nobody held a future of it", "Run the cell that makes it")


def test_resources_that_nobody_offers_are_named(cluster, names):
    names["gpu"] = cluster.client.submit(make, 8, resources={"GPU": 1}, pure=False)
    says(cluster, "gpu", "waiting", "no worker offers the resources GPU=1")


def test_a_collection_is_held_up_by_its_worst_part(cluster, names):
    x = da.ones(8, chunks=2)
    names["lazy"] = x
    names["there"] = cluster.client.persist(x)
    names["broken"] = cluster.client.persist(x.map_blocks(lambda block: 1 / 0, dtype=float, meta=x._meta))
    says(cluster, "there", "in memory")
    says(cluster, "broken", "failed", "4 of 4 parts are not there", "ZeroDivisionError")
    assert "%persist lazy" in cluster.why("lazy").cause


def test_parts_of_a_collection_tell_each_for_itself(cluster, names, gate):
    def work(block, block_id):
        if block_id == (0,):
            raise ZeroDivisionError("nought")
        if block_id == (2,):
            Event(gate.name).wait(60)
        return block

    names["x"] = cluster.client.persist(da.ones(8, chunks=2).map_blocks(work, dtype=float, name="parts"))
    says(cluster, "x[0]", "failed", "ZeroDivisionError", "cluster.client.retry(x)")
    says(cluster, "x[2]", "running", " runs on ")
    says(cluster, "x[1]", "in memory")
    says(cluster, "x[:3]", "failed", "x[0] is failed", "x[2] is running", "x[1] is in memory: on ")
    with pytest.raises(InputError, match="4 parts"):
        cluster.why("x[4]")
    names["lazy"] = da.ones(8, chunks=2)
    assert cluster.why("lazy[0]").state == "lazy"
    gate.set()
    cluster.pin("x[3]", ["bob"])
    says(cluster, "x[3]", "held", "on bob, as asked")


def test_what_is_only_in_the_notebook_says_how_to_place_it(cluster, names):
    names["local"] = {"a": 1}
    assert cluster.why("local").state == "not placed"
    assert "%scatter" in cluster.why("local").remedy
    with pytest.raises(UnknownVariableError, match="alice"):
        cluster.why("nothing")
    names["pairs"] = {"a": cluster.client.submit(abs, -1), 2: 5}
    says(cluster, "pairs['a']", "in memory")
    assert cluster.why("pairs[2]").state == "not placed"
    with pytest.raises(InputError, match="no pairs"):
        cluster.why("pairs[b]")
    names["short"] = [1]
    with pytest.raises(InputError, match="no short"):
        cluster.why("short[5]")


# Items


def test_items_tell_each_for_itself(cluster, names, gate):
    def work(n):
        if n == 0:
            raise ZeroDivisionError("nought")
        if n == 2:
            Event(gate.name).wait(60)
        return n

    names["results"] = cluster.map(work, range(3), batch_size=1)
    says(cluster, "results[0]", "failed", "ZeroDivisionError: nought", "results.retry()")
    says(cluster, "results[2]", "running", " runs on ")
    says(cluster, "results", "failed", "item 0 on")
    eventually(lambda: cluster.why("results[1]").state == "in memory")
    says(cluster, "results[:]", "failed", "results[0] is failed", "results[2] is running", "results[1] is in memory")
    for none in ("results[3]", "results[5:]", "results[what]"):
        with pytest.raises(InputError, match="results has 3 items"):
            cluster.why(none)
    gate.set()


def test_an_item_whose_worker_was_killed_was_sent_again(cluster, names, gate):
    def work(n):
        Event(gate.name).wait(60)

    names["results"] = cluster.map(work, [1], batch_size=1, workers=["alice"])
    says(cluster, "results[0]", "running")
    os.kill(cluster.client.run(os.getpid)[address(cluster, "alice")], signal.SIGKILL)
    says(cluster, "alice", "restarted", "was killed", "by signal 9 (SIGKILL)")
    says(cluster, "results[0]", "retried", "a worker died with it", "give it less data")
    gate.set()


def test_items_that_were_cancelled_are_not_called_failed(cluster, names, gate):
    def work(n):
        Event(gate.name).wait(60)

    names["results"] = cluster.map(work, range(9), batch_size=1, workers=["alice"])
    says(cluster, "results[0]", "running")
    names["results"].cancel()
    assert cluster.why("results[8]").state == "cancelled"
    found = cluster.why("results[:]")
    assert {found.state, *(other.state for other in found.others)} == {"cancelled"}
    assert "results.retry() runs it" in found.remedy
    assert cluster.why("results").state == "cancelled"


# Workers


def test_a_worker_that_works_says_what_it_does(cluster, gate):
    task = cluster.client.submit(held_up, gate.name, workers=["bob"], pure=False)
    says(cluster, "bob", "running", "it runs held_up; 1 tasks in all")
    gate.set()
    wait(task)
    says(cluster, "bob", "running", "nothing to run")


def test_a_paused_worker_says_so_and_so_does_what_waits_for_it(cluster, names):
    client = cluster.client

    def set_status(status, dask_worker):
        dask_worker.memory_manager.memory_pause_fraction = False  # else it is lifted at once
        dask_worker.status = Status.lookup[status]

    bob = address(cluster, "bob")
    client.run(set_status, "paused", workers=[bob])
    try:
        says(cluster, "bob", "paused", "restart_workers")
        names["there"] = client.submit(make, 8, workers=["bob"], pure=False)
        says(cluster, "there", "waiting", "it may run only on bob", "%why bob says why")
        with contextlib.suppress(WaitTimeoutError):
            cluster.pin("x", workers=["bob"], value=[1], timeout=0.1)
        says(cluster, "x", "waiting", "worker bob is paused", "%why bob")
    finally:
        client.run(set_status, "running", workers=[bob])
    says(cluster, "there", "in memory")


def test_the_answer_is_awaited_on_the_event_loop(cluster):
    cluster.pin("x", workers=["bob"], value=[1])

    async def ask():
        return await cluster.why("x", asynchronous=True)

    assert cluster.client.sync(ask).well
