"""Nothing is lost that can be kept: values come back from their origin under their key; if not, an error says so."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from distributed import Scheduler, Worker
from distributed.worker_state_machine import FreeKeysEvent

from moorage.errors import LostError, MoorageError
from moorage.model import Anywhere, Everywhere, OnWorkers
from tests.helpers import eventually
from tests.scheduler.notebook import Notebook, notebook_on
from tests.workers import Workers

VALUE = np.arange(300_000)


def test_a_value_whose_only_holder_dies_comes_back_under_the_same_key(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    key = notebook.key("x")
    x = notebook.future(key)
    workers.kill("bob")
    notebook.until("x", on=["bob"])
    assert notebook.restored == [key]
    assert np.array_equal(x.result(30), VALUE)
    assert x.status == "finished"


def test_tasks_that_need_a_value_wait_for_its_return(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    x = notebook.future(notebook.key("x"))
    gate = Gate(notebook)
    before = notebook.client.submit(slowly_sum, x, workers=["bob"], allow_other_workers=True, pure=False)
    eventually(lambda: workers.task_state(before.key) == "processing")
    gate.shut()
    workers.kill("bob")
    eventually(lambda: gate.asked)
    meanwhile = notebook.client.submit(np.sum, x, pure=False)
    eventually(lambda: workers.task_state(meanwhile.key))
    assert workers.task_state(meanwhile.key) == "waiting"
    assert notebook.variable("x")["state"] == "moving"
    assert notebook.variable("x")["reason"] == "its value is on its way from the notebook"
    gate.open()
    assert before.result(30) == VALUE.sum()
    assert meanwhile.result(30) == VALUE.sum()


def test_all_holders_may_die_at_once(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    notebook.place("y", Anywhere(), VALUE + 1)
    for name in ("alice", "bob", "carol"):
        workers.kill(name)
    notebook.until("x", on=["alice", "bob", "carol"])
    notebook.until("y")
    assert np.array_equal(notebook.value("x"), VALUE)
    assert np.array_equal(notebook.value("y"), VALUE + 1)


def test_what_has_been_asked_for_is_not_asked_for_again_when_it_comes(workers: Workers, notebook: Notebook) -> None:
    def look_again_soon(scheduler: Scheduler) -> None:
        plugin = scheduler.plugins["moorage"]
        choose = plugin.reconciler.first_holders

        def choose_and_look(avoid: Any) -> Any:
            asyncio.get_running_loop().call_soon(plugin.origins.seek)  # as it does now and then
            return choose(avoid)

        plugin.reconciler.first_holders = choose_and_look

    def as_before(scheduler: Scheduler) -> None:
        del scheduler.plugins["moorage"].reconciler.first_holders

    notebook.pin("x", VALUE, "bob")
    workers.look(look_again_soon)
    try:
        workers.kill("bob")
        notebook.until("x", on=["bob"])
    finally:
        workers.look(as_before)
    assert notebook.restored == [notebook.key("x")]


def _fail_when_asked(key: Any, rest: float, dask_worker: Worker) -> None:
    """Let go of a key when somebody comes to fetch it, and answer with an error."""
    asked = dask_worker.handlers["get_data"]

    async def get_data(comm: Any, **arguments: Any) -> Any:
        dask_worker.handlers["get_data"] = asked
        dask_worker.handle_stimulus(FreeKeysEvent(keys=[key], stimulus_id="late"))
        await asyncio.sleep(rest)
        raise RuntimeError("broken")

    dask_worker.handlers["get_data"] = get_data


@pytest.mark.parametrize("rest", [0, 1.5], ids=["at once", "after it was asked for again"])
def test_copies_are_asked_for_again_when_their_source_has_let_go(
    workers: Workers, notebook: Notebook, rest: float
) -> None:
    notebook.pin("x", VALUE, "bob")
    notebook.client.run(_fail_when_asked, notebook.key("x"), rest, workers=[workers.addresses()["bob"]])
    notebook.move("x", Everywhere())
    notebook.until("x", on=["alice", "bob", "carol"], timeout=8)  # sooner than a copy is given up
    assert np.array_equal(notebook.value("x"), VALUE)


def test_many_values_that_come_back_are_spread_over_the_workers(workers: Workers, notebook: Notebook) -> None:
    parts = {("part", i): VALUE + i for i in range(12)}
    notebook.place("x", Anywhere(), values=parts, scatter=False)
    notebook.until("x")
    assert sorted(notebook.variable("x")["held"].values()) == [4, 4, 4]


def test_a_restart_of_the_whole_cluster_brings_back_what_has_an_origin(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    notebook.pin("y", VALUE + 1, "carol")
    notebook.place("z", Anywhere(), VALUE + 2, origin=False)
    notebook.client.restart()
    notebook.until("x", on=["alice", "bob", "carol"])
    notebook.until("y", on=["carol"])
    assert np.array_equal(notebook.value("x"), VALUE)
    assert np.array_equal(notebook.value("y"), VALUE + 1)
    assert "nb:z" not in notebook.call("state")["variables"]
    del notebook.placed["z"]


def test_without_an_origin_a_value_is_lost_and_the_error_says_how(workers: Workers, notebook: Notebook) -> None:
    notebook.place("x", OnWorkers(("bob",)), VALUE, origin=False)
    notebook.until("x", on=["bob"])
    x = notebook.future(notebook.key("x"))
    y = notebook.client.submit(slowly_sum, x, workers=["bob"], pure=False)
    eventually(lambda: workers.task_state(y.key) == "processing")
    workers.kill("bob")
    notebook.until("x", "lost")
    reason = notebook.variable("x")["reason"]
    assert reason == "its last copy was on worker bob; no notebook has its value any more"
    for future in (x, y, notebook.client.submit(np.sum, x, pure=False)):
        with pytest.raises(LostError, match=r"x-.* is lost: no notebook has its value any more") as caught:
            future.result(30)
        assert isinstance(caught.value, MoorageError)
        assert "%scatter" in caught.value.remedy


def test_a_value_that_has_changed_in_the_notebook_is_lost_and_says_so(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    x = notebook.future(notebook.key("x"))
    del notebook.values[notebook.key("x")]
    workers.kill("bob")
    notebook.until("x", "lost")
    assert "the notebook's value has changed" in notebook.variable("x")["reason"]
    with pytest.raises(LostError, match="the notebook's value has changed"):
        x.result(30)


def test_a_lost_value_that_is_placed_again_is_as_good_as_new(workers: Workers, notebook: Notebook) -> None:
    notebook.place("x", OnWorkers(("bob",)), VALUE, origin=False)
    notebook.until("x", on=["bob"])
    key = notebook.key("x")
    x = notebook.future(key)
    y = notebook.client.submit(np.sum, x, pure=False)
    assert y.result(30) == VALUE.sum()
    workers.kill("bob")
    notebook.until("x", "lost")
    notebook.place("x", OnWorkers(("alice",)), values={key: VALUE})
    notebook.until("x", on=["alice"])
    assert np.array_equal(notebook.value("x"), VALUE)
    assert notebook.client.submit(np.sum, notebook.future(key), pure=False).result(30) == VALUE.sum()
    eventually(lambda: x.status == "finished")


def test_a_value_that_somebody_scatters_meanwhile_ends_the_waiting(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    gate = Gate(notebook)
    gate.shut()
    workers.kill("bob")
    eventually(lambda: gate.asked)
    task = notebook.client.submit(np.sum, notebook.future(notebook.key("x")), pure=False)
    eventually(lambda: workers.task_state(task.key) == "waiting")
    notebook.client.scatter({notebook.key("x"): VALUE}, direct=False)
    assert task.result(30) == VALUE.sum()
    notebook.until("x", on=["bob"])
    gate.open()
    notebook.until("x", on=["bob"])


def test_another_notebook_that_placed_the_same_key_brings_it_back(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    with notebook_on(workers, "other") as other:
        other.place("x", OnWorkers(("bob",)), values={notebook.key("x"): VALUE})
        notebook.client.close()
        workers.kill("bob")
        other.until("x", on=["bob"])
        assert other.restored
        assert np.array_equal(other.value("x"), VALUE)
        other.call("release", vids=["nb:x"])


def test_what_is_released_while_it_is_away_is_forgotten(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    key = notebook.key("x")
    x = notebook.future(key)
    gate = Gate(notebook)
    gate.shut()
    workers.kill("bob")
    eventually(lambda: gate.asked)
    notebook.release("x")
    # as stock distributed treats scattered data that is lost
    eventually(lambda: x.status == "cancelled")
    gate.open()
    eventually(lambda: workers.look(lambda s: key not in s.tasks))


def test_placements_are_recorded_when_the_notebook_is_gone(workers: Workers) -> None:
    notebook = Notebook(workers.address)
    notebook.everywhere("x", VALUE)
    notebook.client.close()
    workers.kill("bob")
    with notebook_on(workers) as again:
        eventually(lambda: again.call("state")["variables"]["nb:x"]["held"] == {"rest": 1, "others": {}})
        again.placed = notebook.placed
        assert np.array_equal(again.value("x"), VALUE)


def test_a_name_placed_again_lets_its_earlier_value_go(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    before = notebook.key("x")
    notebook.everywhere("x", VALUE + 1)
    assert notebook.key("x") != before
    eventually(lambda: workers.look(lambda s: before not in s.tasks))
    assert np.array_equal(notebook.value("x"), VALUE + 1)


def test_a_broadcast_without_any_worker_is_met_when_there_are_some(workers: Workers, notebook: Notebook) -> None:
    workers.remove("alice", "bob", "carol")
    assert notebook.place("x", Everywhere(), VALUE, scatter=False)["status"] == "OK"
    notebook.until("x", "waiting")
    assert notebook.variable("x")["reason"] == "the cluster has no running workers"
    workers.add("alice", "bob")
    notebook.until("x", on=["alice", "bob"])
    assert np.array_equal(notebook.value("x"), VALUE)


class Gate:
    """Holds back a notebook's answers to the scheduler's questions."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._answer = notebook._on_event
        self.asked: list[object] = []

    def shut(self) -> None:
        self._notebook.client.unsubscribe_topic("moorage")
        self._notebook.client.subscribe_topic("moorage", self._keep)

    def open(self) -> None:
        self._notebook.client.unsubscribe_topic("moorage")
        self._notebook.client.subscribe_topic("moorage", self._answer)
        for event in self.asked:
            self._notebook.client.loop.add_callback(self._answer, event)

    def _keep(self, event: object) -> None:
        assert isinstance(event, dict)
        if event["type"] == "restore":
            self.asked.append(event)
        else:
            self._answer(event)


def slowly_sum(x: np.ndarray) -> int:
    import time

    time.sleep(0.5)
    return int(x.sum())


def _absent() -> int:
    return 7


def test_a_task_is_computed_again_whatever_its_function_is_called(workers: Workers, notebook: Notebook) -> None:
    seven = notebook.client.submit(_absent, workers=["bob"], allow_other_workers=True, pure=False)
    assert seven.result(30) == 7
    notebook.place("x", OnWorkers(("bob",)), futures=[seven])
    notebook.until("x", on=["bob"])
    workers.kill("bob")
    notebook.until("x", on=["bob"])
    assert seven.result(30) == 7
    assert notebook.restored == []


def test_a_large_value_is_not_asked_for_again_while_it_may_be_on_its_way(workers: Workers, notebook: Notebook) -> None:
    gate = Gate(notebook)
    gate.shut()

    def patience(name: str) -> float:
        """Return the seconds until a variable would be asked for again."""
        key = notebook.key(name)
        eventually(lambda: any(key in event["keys"] for event in gate.asked))  # type: ignore[index]
        return workers.look(lambda s: s.extensions["moorage"].origins.asked[key]) - time.monotonic()

    notebook.place("x", Anywhere(), VALUE, scatter=False, nbytes=1000)
    assert 20 < patience("x") < 60
    notebook.place("y", Anywhere(), VALUE, scatter=False, nbytes=1_000_000_000)
    assert patience("y") > 100
    gate.open()
    notebook.until("x")
    notebook.until("y")


@pytest.mark.parametrize("origin", [True, False])
def test_what_is_cancelled_by_force_stays_placed(workers: Workers, notebook: Notebook, origin: bool) -> None:
    notebook.everywhere("x", VALUE, origin=origin)
    future = notebook.future(notebook.key("x"))
    notebook.client.cancel([future, later := notebook.client.submit(np.sum, future)], force=True)
    assert later.cancelled()
    assert np.array_equal(notebook.value("x"), VALUE)
    notebook.until("x", on=["alice", "bob", "carol"])
    assert notebook.restored == []


def test_what_dask_has_forgotten_can_be_placed_again(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    key = notebook.key("x")
    for origin in (True, False):
        workers.look(lambda s: s.client_releases_keys([key], "moorage-nb:x"))
        eventually(lambda: workers.task_state(key) is None)
        item = {**notebook.placed["x"], "origin": origin}
        assert notebook.call("place", items=[item], client=notebook.client.id)["status"] == "OK"
        notebook.until("x", on=["alice", "bob", "carol"])
        assert np.array_equal(notebook.value("x"), VALUE)
