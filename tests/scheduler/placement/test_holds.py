"""A placement holds until it is changed, whatever happens to workers and whatever Dask does meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from distributed import Scheduler

from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers
from tests.helpers import all_along, eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

ALL = ["alice", "bob", "carol"]
VALUE = np.arange(300_000)


def test_a_broadcast_survives_the_memory_manager(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    (other,) = notebook.client.scatter([VALUE + 1], broadcast=False)
    notebook.client.replicate(other)
    notebook.call("release", vids=[f"dask:{other.key}"])
    # the copies of what is not placed go, which shows that the manager was at work
    eventually(
        lambda: notebook.client.amm.run_once() or len(notebook.client.who_has()[other.key]) == 1  # type: ignore[func-returns-value]
    )
    assert notebook.holders("x") == ALL
    assert notebook.state("x") == "held"


def test_a_worker_killed_is_filled_again_when_it_is_back(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    workers.kill("bob")
    workers.wait_running("bob")
    notebook.until("x", on=ALL)
    assert notebook.holders("x") == ALL
    assert not notebook.restored


def test_a_pin_follows_its_worker_through_a_restart_to_another_port(workers: Workers, notebook: Notebook) -> None:
    before = workers.addresses()["bob"]
    notebook.pin("x", VALUE, "bob")
    workers.restart("bob")
    assert workers.addresses()["bob"] != before
    notebook.until("x", on=["bob"])
    assert notebook.holders("x") == ["bob"]
    assert np.array_equal(notebook.value("x"), VALUE)


def test_a_pin_asked_for_by_address_is_by_name(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, workers.addresses()["carol"])
    assert notebook.variable("x")["placement"]["workers"] == ("carol",)
    workers.restart("carol")
    notebook.until("x", on=["carol"])


def test_workers_that_join_get_a_broadcast(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    workers.add("dave", "erin")
    notebook.until("x", on=[*ALL, "dave", "erin"])
    assert notebook.holders("x") == [*ALL, "dave", "erin"]


def test_data_of_a_retired_worker_takes_refuge_and_goes_back(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    workers.retire("bob")
    notebook.until("x", "waiting")
    assert notebook.variable("x")["reason"] == "no worker bob yet"
    assert notebook.holders("x") in (["alice"], ["carol"])
    assert not notebook.restored
    workers.add("bob")
    notebook.until("x", on=["bob"])
    assert notebook.holders("x") == ["bob"]


def test_data_that_may_be_anywhere_leaves_a_worker_that_retires(workers: Workers, notebook: Notebook) -> None:
    notebook.place("x", Anywhere(2), VALUE)
    notebook.until("x")
    for name in notebook.holders("x"):
        workers.retire(name)
    eventually(lambda: len(notebook.holders("x")) == 1)
    assert np.array_equal(notebook.value("x"), VALUE)
    assert notebook.variable("x")["reason"] == "2 copies asked for, 1 workers there"


def test_a_cluster_made_smaller_keeps_what_is_placed(workers: Workers, notebook: Notebook) -> None:
    parts = {f"part-{i}": VALUE + i for i in range(9)}
    notebook.place("x", OnWorkers(tuple(ALL), each=False), values=parts)
    notebook.until("x")
    workers.cluster.scale(1)
    eventually(lambda: len(workers.addresses()) == 1)
    for key, part in parts.items():
        assert np.array_equal(notebook.future(key).result(30), part)


def test_an_adaptive_cluster_keeps_what_is_placed(workers: Workers, notebook: Notebook) -> None:
    parts = {f"part-{i}": VALUE + i for i in range(9)}
    notebook.place("x", Anywhere(), values=parts)
    adaptive = workers.cluster.adapt(minimum=1, maximum=3, interval="50ms", wait_count=1)
    try:
        eventually(lambda: len(workers.addresses()) == 1)
        for key, part in parts.items():
            assert np.array_equal(notebook.future(key).result(30), part)
        notebook.until("x")
        assert sum(notebook.variable("x")["held"].values()) == len(parts)
    finally:
        adaptive.stop()


def test_a_paused_worker_keeps_its_copies_and_is_filled_when_it_runs(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    workers.pause("alice")
    notebook.place("y", Everywhere(), VALUE + 1)
    notebook.until("y", "waiting")
    assert notebook.variable("y")["reason"] == "worker alice is paused"
    assert notebook.holders("y") == ["bob", "carol"]
    assert notebook.holders("x") == ALL
    workers.resume("alice")
    notebook.until("y", on=ALL)
    assert notebook.holders("y") == ALL


def test_a_pin_to_a_paused_worker_waits_and_loses_nothing(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    workers.pause("alice")
    notebook.move("x", OnWorkers(("alice",)))
    notebook.until("x", "waiting", on=["bob"])
    assert notebook.holders("x") == ["bob"]
    workers.resume("alice")
    notebook.until("x", on=["alice"])
    eventually(lambda: notebook.holders("x") == ["alice"])


def test_spilled_data_moves_and_stays_as_any_other(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    assert workers.run(spill, "bob") >= 0
    notebook.move("x", OnWorkers(("alice", "carol")))
    notebook.until("x", on=["alice", "carol"])
    assert np.array_equal(notebook.value("x"), VALUE)


def test_rebalance_moves_nothing_that_is_placed(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    others = notebook.client.scatter([VALUE + i for i in range(8)], workers=["bob"], hash=False)
    workers.look(eager_to_rebalance)
    notebook.client.rebalance()
    where = notebook.client.who_has(others)
    assert {address for holders in where.values() for address in holders} == set(workers.addresses().values())
    assert notebook.holders("x") == ["bob"]
    notebook.client.rebalance([notebook.future(notebook.key("x")), *others])
    assert notebook.holders("x") == ["bob"]


def test_replicate_adds_to_a_placement_and_takes_nothing_from_it(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    notebook.client.replicate([notebook.future(notebook.key("x"))], n=1)
    notebook.until("x", on=ALL)
    eventually(lambda: notebook.holders("x") == ALL)


def test_a_move_never_leaves_less_than_one_copy(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "alice")
    key = notebook.key("x")
    for target in ("bob", "carol", "alice"):
        notebook.move("x", OnWorkers((target,)))
        all_along(
            lambda: workers.look(lambda s: s.tasks[key].who_has),
            lambda target=target: notebook.variable("x")["held"] == {target: 1},
        )
        assert notebook.holders("x") == [target]


def test_a_pin_moved_again_while_it_moves_ends_where_it_was_asked_for_last(
    workers: Workers, notebook: Notebook
) -> None:
    large = np.ones(8_000_000)
    notebook.pin("x", large, "alice")
    for target in ("bob", "carol", "alice", "bob", "carol"):
        notebook.move("x", OnWorkers((target,)))
    notebook.until("x", on=["carol"])
    assert notebook.holders("x") == ["carol"]
    assert notebook.value("x").sum() == 8_000_000


def test_copies_that_tasks_need_stay_as_long_as_they_are_needed(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "alice")
    x = notebook.future(notebook.key("x"))
    tasks = notebook.client.map(total, [x] * 40, range(40), pure=False)
    notebook.move("x", OnWorkers(("carol",)))
    assert notebook.client.gather(tasks) == [VALUE.sum() + i for i in range(40)]
    notebook.until("x", on=["carol"])
    eventually(lambda: notebook.holders("x") == ["carol"])


def test_several_variables_of_one_key_are_met_together(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "alice")
    notebook.place("y", OnWorkers(("bob",)), values={notebook.key("x"): VALUE}, scatter=False)
    notebook.until("x", on=["alice", "bob"])
    notebook.release("x")
    notebook.until("y", on=["bob"])
    eventually(lambda: notebook.holders("y") == ["bob"])
    assert np.array_equal(notebook.value("y"), VALUE)


def test_a_variable_of_many_keys_is_spread_over_the_workers_named(workers: Workers, notebook: Notebook) -> None:
    parts = {("part", i): VALUE + i for i in range(12)}
    notebook.place("x", OnWorkers(("alice", "carol"), each=False), values=parts)
    notebook.until("x")
    held = notebook.variable("x")["held"]
    assert set(held) == {"alice", "carol"}
    assert sum(held.values()) == 12


def test_keys_that_move_together_are_spread_by_what_their_targets_hold(workers: Workers, notebook: Notebook) -> None:
    parts = {("part", i): VALUE + i for i in range(12)}
    notebook.place("x", OnWorkers(("alice",)), values=parts)
    notebook.until("x", on=["alice"])
    notebook.move("x", OnWorkers(("bob", "carol"), each=False))
    notebook.until("x", on=["bob", "carol"])
    assert notebook.variable("x")["held"] == {"bob": 6, "carol": 6}


def test_one_per_host_keeps_one_copy_on_a_single_host(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    notebook.move("x", OnePerHost())
    notebook.until("x")
    assert len(notebook.holders("x")) == 1


def test_a_computed_key_is_placed_when_it_is_there_and_computed_again_when_lost(
    workers: Workers, notebook: Notebook
) -> None:
    future = notebook.client.submit(np.arange, 300_000, pure=False)
    notebook.place("x", OnWorkers(("bob",)), futures=[future])
    notebook.until("x", on=["bob"])
    workers.kill("bob")
    notebook.until("x", on=["bob"])
    assert np.array_equal(future.result(30), VALUE)
    notebook.place("x", Everywhere(), futures=[future])
    notebook.until("x", on=ALL)


def test_a_persisted_collection_can_be_placed_before_it_is_computed(workers: Workers, notebook: Notebook) -> None:
    futures = notebook.client.map(slow_square, range(6), pure=False)
    notebook.place("x", Everywhere(), futures=futures)
    notebook.until("x", on=ALL)
    assert notebook.variable("x")["held"] == dict.fromkeys(ALL, 6)
    assert notebook.client.gather(futures) == [i * i for i in range(6)]


def test_actors_are_left_alone(workers: Workers, notebook: Notebook) -> None:
    future = notebook.client.submit(Counter, actor=True, workers=["bob"])
    with notebook.client.as_current():
        actor = future.result(30)
        notebook.place("x", OnWorkers(("alice",)), futures=[future], origin=False)
        notebook.pin("y", VALUE, "alice")  # everything before it has been looked at
        assert actor.increment().result(30) == 1
    assert set(workers.look(lambda s: [ws.name for ws in s.tasks[future.key].who_has])) == {"bob"}


@pytest.mark.parametrize("broadcast", [True, False])
def test_values_are_what_was_placed(workers: Workers, notebook: Notebook, broadcast: bool) -> None:
    value = {"a": [1, 2, {"b": None}], "c": "text"}
    notebook.place("x", Everywhere() if broadcast else Anywhere(), value)
    notebook.until("x")
    assert notebook.value("x") == value


class Counter:
    n = 0

    def increment(self) -> int:
        self.n += 1
        return self.n


def total(x: np.ndarray, i: int) -> int:
    return int(x.sum()) + i


def slow_square(i: int) -> int:
    import time

    time.sleep(0.05)
    return i * i


def spill(dask_worker: object) -> int:
    return dask_worker.data.evict()  # type: ignore[attr-defined,no-any-return]


def eager_to_rebalance(scheduler: Scheduler) -> None:
    scheduler.MEMORY_REBALANCE_MEASURE = "managed"
    scheduler.MEMORY_REBALANCE_SENDER_MIN = 0.0
    scheduler.MEMORY_REBALANCE_HALF_GAP = 0.0
