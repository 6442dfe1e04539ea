"""A cluster in the hands of a notebook: its size, its traits, interrupts, several threads."""

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import dask.config
import numpy as np
import psutil
import pytest

import moorage
from moorage.controller import registry
from moorage.errors import (
    DoesNotFitError,
    InputError,
    UnknownWorkerError,
    WaitTimeoutError,
)
from moorage.model import Anywhere, Everywhere, OnWorkers
from moorage.wire.host import TOPIC
from tests.helpers import eventually, interrupt_after


@pytest.fixture(scope="module", autouse=True)
def private():
    """Copies take memory of the workers here, as where they cannot share it."""
    with dask.config.set({"moorage.images.share": False}):
        yield


OPTIONS = {"threads_per_worker": 1, "memory_limit": "500MB"}


def held_by(controller, name):
    return controller.placement()[name].holders


# ---- size


@pytest.fixture(scope="module")
def elastic():
    with moorage.start(n_workers=2, **OPTIONS) as controller:
        yield controller


@pytest.fixture
def two(elastic):
    yield elastic
    elastic.release(*elastic)
    elastic.scale(2)
    eventually(lambda: elastic.n_workers == 2)


def test_four_to_two_loses_nothing(two):
    two.scale(4)
    values = {f"key-{i}": np.full(1000, i) for i in range(12)}
    plain = two.client.scatter(values)  # placed by nobody
    computed = two.client.map(lambda i: np.full(10, i), range(8), pure=False)
    two.scatter(list(range(16)), "spread")
    two.broadcast(np.ones(1000), "everywhere")
    pins = {f"pin_{worker}": worker for worker in two.worker_names()}
    for name, worker in pins.items():
        two.pin(name, [worker], value={"on": worker})
    [future.result(60) for future in computed]
    assert all(two.client.has_what().values())
    two.scale(2)
    assert two.n_workers == 2
    gathered = two.client.gather(plain)
    assert all(np.array_equal(gathered[key], value) for key, value in values.items())
    assert [part[0] for part in two.client.gather(computed)] == list(range(8))
    assert two.gather("spread") == list(range(16))
    assert two.gather("everywhere").sum() == 1000
    assert held_by(two, "everywhere") == two.worker_names()
    for name, worker in pins.items():
        assert two.gather(name) == {"on": worker}
        assert two.placement()[name].state == ("held" if worker in two.worker_names() else "waiting")


def test_a_pin_to_a_worker_that_was_let_go_is_met_when_it_is_back(two):
    two.scale(3)
    last = two.worker_names()[-1]
    two.pin("v", [last], value=[1, 2])
    two.scale(workers=[last])
    state = two.placement()["v"]
    assert (state.state, last in state.reason) == ("waiting", True)
    assert two.gather("v") == [1, 2]
    two.scale(3)
    if last in two.worker_names():
        eventually(lambda: held_by(two, "v") == [last])


def test_newcomers_hold_what_is_everywhere(two):
    two.broadcast(np.ones(1_000_000), "v")
    progress = []
    two.scale(4, on_progress=lambda arrived, requested: progress.append((arrived, requested)))
    assert held_by(two, "v") == two.worker_names()
    assert two.n_workers == len(two.requested) == 4
    assert progress[-1] == (4, 4)


@pytest.mark.parametrize("size", [{"n": -1}, {"n": 2.5}, {"n": "many"}, {"n": True}, {}, {"n": 2, "workers": ["0"]}])
def test_a_size_that_makes_no_sense_changes_nothing(two, size):
    with pytest.raises(InputError) as caught:
        two.scale(**size)
    assert caught.value.remedy
    assert two.n_workers == len(two.requested) == 2


def test_a_size_that_the_machine_cannot_have_is_refused(two):
    with pytest.raises(InputError, match="100000 workers do not fit"):
        two.scale(100_000)
    assert len(two.requested) == 2


def test_an_unknown_worker_cannot_be_let_go(two):
    with pytest.raises(UnknownWorkerError, match="'nobody'"):
        two.scale(workers=["nobody"])
    assert two.n_workers == 2


def test_shrinking_below_the_data_is_refused_with_numbers(two):
    for number in range(12):  # 30 MB each; a worker may have 500
        worker = two.worker_names()[number % 2]
        two.pin(f"part_{number}", [worker], value=np.full(3_750_000, number))
    with pytest.raises(DoesNotFitError, match=r"\d+.*MiB") as caught:
        two.scale(1)
    assert "force" in caught.value.remedy
    assert two.n_workers == len(two.requested) == 2
    assert [two.gather(f"part_{number}")[0] for number in range(12)] == list(range(12))


def test_adapting_needs_a_range_and_ends(two):
    for wrong in ({"minimum": 3, "maximum": 2}, {"minimum": 1}, {"minimum": -1, "maximum": 2}, {"maximum": "x"}):
        with pytest.raises(InputError):
            two.adapt(**wrong)
    two.scatter(list(range(6)), "v")
    two.adapt(1, 2)
    assert two.status_info()["adapt"] == [1, 2]
    two.adapt()
    assert two.status_info()["adapt"] == []
    two.scale(2)
    assert two.gather("v") == list(range(6))


def test_news_of_the_size_that_an_answer_has_overtaken_undo_nothing(two):
    two.adapt(minimum=2, maximum=3)
    late = two.client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins[TOPIC].info())
    two.adapt()
    two.client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.log_event(TOPIC, late))
    assert two.client.submit(abs, -1, pure=False).result() == 1  # which comes by the same stream, after them
    assert two.status_info()["adapt"] == []


def test_observers_see_workers_come_and_go(two):
    seen = []
    two.observe(lambda change: seen.append((change["name"], change["new"])), ["n_workers", "requested"])
    try:
        two.scale(3)
        eventually(lambda: ("n_workers", 3) in seen)
        assert [len(new) for name, new in seen if name == "requested"] == [3]
        two.scale(2)
        eventually(lambda: ("n_workers", 2) in seen)
    finally:
        two.unobserve_all()


def test_waiting_for_workers_that_do_not_come_ends(two):
    with pytest.raises(WaitTimeoutError, match="2 of 5 workers"):
        two.wait_for_workers(5, timeout="100ms")
    two.wait_for_workers(2, timeout=5)


def test_subscribers_hear_of_changes_and_one_that_fails_does_no_harm(two):
    heard = []

    def failing(kind):
        raise RuntimeError("a subscriber that fails")

    ends = [two.subscribe(failing), two.subscribe(heard.append)]
    two.broadcast(1, "v")
    assert "variables" in heard
    for end in ends:
        end()
    heard.clear()
    two.broadcast(2, "v")
    assert not heard


# ---- interrupts


def test_an_interrupt_while_waiting_for_workers_leaves_a_usable_controller(two):
    with pytest.raises(KeyboardInterrupt), interrupt_after(0.3):
        two.wait_for_workers(5, timeout=30)
    assert two.scatter(1, "v").result(60) == 1


def test_an_interrupt_while_waiting_for_copies_leaves_the_placement(two):
    first, second = two.workers()
    pid = two.client.run(os.getpid, workers=[second.address])[second.address]
    two.scatter(np.ones(1000), "v", workers=first.name)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(KeyboardInterrupt), interrupt_after(0.5):
            two.place("v", Everywhere(), timeout=30)
        assert two.placement()["v"].placement == Everywhere()
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: held_by(two, "v") == two.worker_names())
    assert two.gather("v").sum() == 1000


def test_an_interrupt_while_scaling_leaves_a_usable_controller(two):
    with contextlib.suppress(KeyboardInterrupt), interrupt_after(0.01):
        two.scale(4)
        time.sleep(0.1)
    two.scale(2)
    assert two.n_workers == 2
    assert two.scatter(1, "v").result(60) == 1


def test_an_interrupt_while_starting_leaves_nothing_behind():
    children, controllers = set(psutil.Process().children()), registry.all_controllers()
    with pytest.raises(KeyboardInterrupt), interrupt_after(0.2):
        moorage.start(n_workers=2, **OPTIONS)
    assert set(psutil.Process().children()) <= children
    assert registry.all_controllers() == controllers


# ---- several at once


def test_threads_may_place_at_once(two):
    numbers = range(12)

    def work(number):
        name = f"v{number}"
        two.scatter([number, -number], name, broadcast=bool(number % 2))
        two.place(name, [Everywhere(), OnWorkers((two.worker_names()[0],)), Anywhere()][number % 3])
        value = two.gather(name)
        if number % 4 == 3:
            two.release(name)
        return value

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, numbers)) == [[number, -number] for number in numbers]
    states = two.placement()
    assert sorted(states) == sorted(f"v{number}" for number in numbers if number % 4 != 3)
    assert {state.state for state in states.values()} == {"held"}
    assert all(two.gather(name) == [int(name[1:]), -int(name[1:])] for name in states)


def test_two_threads_that_place_one_name_leave_one_value(two):
    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda value: two.broadcast(value, "v"), ["one", "two"]))
        value = two.gather("v")
        assert value in ("one", "two")
        assert two["v"].future.result(60) == value
        assert two.placement()["v"].holders == two.worker_names()
