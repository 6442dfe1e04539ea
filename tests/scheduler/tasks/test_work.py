"""What Dask computes for a notebook is known to it as long as it runs, and can be cancelled."""

from __future__ import annotations

import contextlib
from typing import Any

from distributed import Event, Scheduler

from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers


def wait_for(gate: str, n: int) -> int:
    assert Event(gate).wait(60)
    if n == 1:
        raise ValueError(n)
    return n


def knows_nothing(scheduler: Scheduler) -> bool:
    work: Any = scheduler.plugins["moorage-work"]
    return not (work._of or work._running)


def test_calls_of_one_function_are_one_work_until_all_have_ended(workers: Workers, notebook: Notebook) -> None:
    first, rest = Event("work-first", client=notebook.client), Event("work-rest", client=notebook.client)
    futures = [notebook.client.submit(wait_for, "work-first", n, pure=False) for n in range(3)]
    futures += [notebook.client.submit(wait_for, "work-rest", n, pure=False) for n in range(3, 6)]
    eventually(lambda: [(row["label"], row["total"]) for row in notebook.work] == [("wait_for", 6)])
    first.set()
    eventually(lambda: [(row["done"], row["failed"]) for row in notebook.work] == [(3, 1)])
    rest.set()
    eventually(lambda: not notebook.work)
    assert workers.look(knows_nothing)
    del futures


def test_what_is_cancelled_is_over(workers: Workers, notebook: Notebook) -> None:
    gate = Event("work-gate", client=notebook.client)
    futures = notebook.client.map(wait_for, ["work-gate"] * 4, range(2, 6), pure=False)
    last = notebook.client.submit(sum, futures)
    eventually(lambda: {row["label"]: row["total"] for row in notebook.work} == {"wait_for": 4, "sum": 1})
    notebook.client.cancel([*futures, last], force=True)
    gate.set()
    eventually(lambda: not notebook.work)


def test_nothing_is_kept_of_a_notebook_that_has_left(workers: Workers) -> None:
    with contextlib.closing(Notebook(workers.address, "leaving")) as leaving:
        gate = Event("work-left", client=leaving.client)
        future = leaving.client.submit(wait_for, "work-left", 2, pure=False)
        eventually(lambda: [row["label"] for row in leaving.work] == ["wait_for"])
        leaving.call("leave", client=leaving.client.id)
        assert workers.look(knows_nothing)
        gate.set()
        assert future.result() == 2
