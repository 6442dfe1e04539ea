"""`cluster.why()` on real workers: each state that a user runs into has its cause and its remedy."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import pickle
import signal
import threading
import traceback

import dask.array as da
import numpy as np
import pytest
from distributed import Client, Event, KilledWorker, wait
from distributed.client import FutureCancelledError
from distributed.core import Status

import moorage
from moorage.errors import InputError, UnknownVariableError, WaitTimeoutError
from moorage.kernel import waiting
from moorage.kernel.why import asking
from moorage.worker.last_words import FILE
from tests.helpers import eventually

MB = 1_000_000


@pytest.fixture
def gate(cluster):
    """An event that tasks wait for by its name; set when the test ends."""
    event = Event(client=cluster.client)
    yield event
    event.set()


@pytest.fixture(scope="module")
def leaving():
    """A cluster whose workers may be lost, for the last tests here: in the end dan is gone."""
    with moorage.start(names=["carol", "dan"], threads_per_worker=1, memory_limit="400MB") as controller:
        yield controller


def held_up(name):
    Event(name).wait(60)


def fail(x):
    raise ValueError(f"no {x}")


def make(nbytes, seed=1):
    return np.full(nbytes // 8, seed, dtype="f8")


def address(cluster, name):
    return next(info.address for info in cluster.workers() if info.name == name)


def says(cluster, what, state, *words):
    """Wait until `what` is in that state and has these words; return the answer."""

    def look():
        found = cluster.why(what)
        return found if found.state == state and all(word in str(found) for word in words) else None

    try:
        return eventually(look)
    except AssertionError:
        raise AssertionError(f"{state}, {words} expected of: {cluster.why(what)}") from None


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
    assert cluster.why(names["runs"]) == cluster.why("runs")
    gate.set()
    says(cluster, "behind", "in memory", "on alice")
    assert cluster.why("behind").well


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
    future.result(timeout=20)
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


def test_workers_keep_what_they_log_before_anything_is_placed(leaving):
    def look(dask_worker):
        return os.path.exists(os.path.join(dask_worker.local_directory, FILE))

    assert not leaving.placement()
    eventually(lambda: all(leaving.client.run(look).values()))


def test_what_is_spilled_says_what_fills_the_worker(leaving, names):
    names["big"] = leaving.client.map(make, [20 * MB] * 12, range(12), pure=False, workers=["dan"])
    wait(names["big"])
    found = says(leaving, "big", "spilled", "is on disk, mostly on dan")
    assert not found.well
    assert leaving.why("dan").state in ("spilled", "paused", "short of memory")


def test_a_copy_from_a_worker_that_is_stopped_takes_long_and_names_it(leaving):
    leaving.pin("block", workers=["carol"], value=np.arange(100_000))
    pid = leaving.client.run(os.getpid, workers=[address(leaving, "carol")])[address(leaving, "carol")]
    os.kill(pid, signal.SIGSTOP)
    try:
        with contextlib.suppress(WaitTimeoutError):
            leaving.pin("block", workers=["dan"], timeout=0.1)
        found = says(
            leaving, "block", "moving", "carol has been sending 781.25 kiB to dan", "restart_workers(['carol'])"
        )
        assert "carol has said nothing for" in found.cause
    finally:
        os.kill(pid, signal.SIGCONT)
    says(leaving, "block", "held")
    leaving.release("block")


def test_a_restart_that_somebody_asked_for_is_not_a_death(leaving):
    leaving.client.restart_workers(["carol"])
    assert says(leaving, "carol", "running", "it was told to restart").well


def test_a_value_whose_only_copy_went_with_its_worker_is_lost_and_so_is_what_needs_it(leaving, names):
    leaving.pin("once", workers=["dan"], value=b"x" * 1000, keep_origin=False)
    names["uses"] = leaving.client.submit(len, leaving["once"].future, workers=["carol"], pure=False)
    assert names["uses"].result() == 1000
    pid = leaving.client.run(os.getpid, workers=[address(leaving, "dan")])[address(leaving, "dan")]
    eventually(lambda: leaving.placement()["once"].holders == ["dan"])  # carol had one to use it
    os.kill(pid, signal.SIGKILL)
    says(leaving, "once", "lost", "its last copy was on worker dan", "Place it again with its value", "%pin once")
    names["uses"] = leaving.client.submit(len, leaving["once"].future, pure=False)
    says(leaving, "uses", "lost", "it needs ", "is lost", "Place it again with its value")
    leaving.release("once")
    eventually(lambda: leaving.why("dan").state in ("running", "restarted"), 20)


def test_a_value_that_another_notebook_is_to_send_again_waits_for_that_notebook(leaving, names):
    client, busy = leaving.client, threading.Event()
    with (
        Client(client.scheduler.address, security=client.security, set_as_default=False) as theirs,
        moorage.attach(theirs) as other,
    ):
        texts = [str(n) * 15_000 for n in range(1000, 1200)]  # not shared, and too large to be kept
        other.pin("texts", workers=["dan"], value=texts)
        eventually(lambda: "texts" in leaving.placement())
        theirs.loop.add_callback(busy.wait)
        try:
            dan = address(leaving, "dan")
            os.kill(client.run(os.getpid, workers=[dan])[dan], signal.SIGKILL)
            says(leaving, "texts", "moving", "on its way from the notebook", "It comes when that notebook answers")
            names["uses"] = client.submit(len, leaving["texts"].future, pure=False)
            says(leaving, "uses", "waiting", "it waits for texts", "from the notebook that placed it")
        finally:
            busy.set()
        assert names["uses"].result(timeout=60) == 200
        says(leaving, "texts", "held")
        leaving.release("texts")


@pytest.fixture
def one_try(leaving):
    """Have a task fail with the first worker that ends under it."""

    def allow(failures, dask_scheduler):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, failures
        return before

    before = leaving.client.run_on_scheduler(allow, 0)
    eventually(lambda: leaving.why("carol").state in ("running", "restarted"), 20)
    yield
    leaving.client.run_on_scheduler(allow, before)


def test_a_task_that_ends_its_workers_is_killed(leaving, names, one_try):
    names["deadly"] = leaving.client.submit(os._exit, 3, workers=["carol"], pure=False)
    says(leaving, "deadly", "killed", "the workers that ran exit died", "carol: its process ended", "exit code 3")


def test_a_task_that_takes_too_much_memory_says_how_much(leaving, names, one_try):
    def take():
        block = np.ones(400 * MB // 8)
        Event("never").wait(60)
        return block

    names["greedy"] = leaving.client.submit(take, workers=["carol"], pure=False)
    found = says(leaving, "greedy", "killed", "MiB, more memory than its limit", "workers more memory")
    assert "the last was carol: its process was ended" in found.cause
    says(leaving, "carol", "restarted", "MiB, more memory than its limit")


def test_a_worker_that_crashes_leaves_what_it_logged_and_where_it_was(leaving, names, one_try):
    def crash():
        logging.getLogger("distributed.worker").warning("about to read at %d", 0)
        ctypes.string_at(0)

    names["results"] = leaving.map(lambda _: crash(), [0], workers=["carol"])
    names["results"].wait()
    found = says(leaving, "results[0]", "killed", "the last was carol: its process crashed", "signal 11 (SIGSEGV)")
    assert any("WARNING about to read at 0" in line for line in found.log), found.log
    assert any("string_at" in line for line in found.log), found.log
    assert "signal 11 (SIGSEGV)" in repr(names["results"].errors[0])
    with pytest.raises(KilledWorker) as raised:
        names["results"][0]
    assert "about to read at 0" in "".join(traceback.format_exception(raised.value))
    says(leaving, "carol", "restarted", "signal 11", "about to read at 0")


def test_the_file_of_last_words_is_the_owners_alone(leaving):
    def look(dask_worker):
        path = os.path.join(dask_worker.local_directory, FILE)
        return os.stat(path).st_mode & 0o777

    assert set(leaving.client.run(look).values()) == {0o600}


def test_a_worker_that_has_left_holds_up_what_is_for_it_only(leaving, names):
    leaving.pin("here", workers=["dan"], value=[1])
    eventually(lambda: leaving.why("carol").state in ("running", "restarted"), 20)  # it takes what dan has
    left = address(leaving, "dan")
    leaving.scale(workers=["dan"])
    says(leaving, "dan", "gone", "it was told to leave", "%cluster scale")
    names["only"] = leaving.client.submit(make, 8, workers=[left], pure=False)
    says(leaving, "only", "waiting", "it may run only on dan, and no such worker is here", "allow_other_workers=True")
    says(leaving, "here", "waiting", "no worker dan yet", "%pin here --workers W... (carol)")


def test_without_workers_everything_waits_for_some(leaving, names):
    leaving.scale(0, force=True)
    names["any"] = leaving.client.submit(make, 8, pure=False)
    says(leaving, "any", "waiting", "the cluster has no running workers", "%cluster scale 2")
    says(leaving, "here", "waiting", "the cluster has no running workers", "%cluster scale 2")
