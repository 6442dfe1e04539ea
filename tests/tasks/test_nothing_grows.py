"""Calls over values of equal content, again and again, leave nothing behind: in the notebook, on scheduler and workers.

Objects are counted rather than bytes. What Dask keeps in logs of bounded length counts for nothing, and so does what
the scheduler plugin forgets after a time.
"""

import asyncio
import collections
import contextlib
import gc
import sys
import threading
import weakref

import cloudpickle
import numpy as np
import pytest

from moorage.tasks import placed_data
from tests.helpers import eventually

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have the tests

CALLS = 120
IN_LOGS = ("Computation", "TaskGroup", "Transition", "Note", "Entry")
LEFT = 12
"""Objects of a kind that may be more after so many calls: what is on its way, or has not been swept yet."""


def call(cluster, i):
    small, large = np.full(1000, float(i % 3)), np.full(200_000, float(i % 3))
    match i % 4:
        case 0:
            assert cluster.submit(lambda: float(small[0]) + 1).result(timeout=60) == i % 3 + 1
        case 1:
            assert cluster.submit(lambda: float(large[0]) + 1).result(timeout=60) == i % 3 + 1
        case 2:
            assert cluster.map(lambda k: float(small[0]) + k, [1, 2], limits={"two": 2}).gather() == [
                i % 3 + 1,
                i % 3 + 2,
            ]
        case 3:
            results = cluster.map(lambda k: float(large[0]) + k, [1, 2], rerun=False)
            assert results.gather() == [i % 3 + 1, i % 3 + 2]


def of_ours():
    """Return how many objects there are of each class of moorage and of those of Dask that count."""
    gc.collect()
    counted = ("moorage", "distributed.scheduler", "distributed.spans", "distributed.semaphore", "distributed.event")
    kinds = collections.Counter(map(type, gc.get_objects()))
    kinds = {k: n for k, n in kinds.items() if str(k.__module__).startswith(counted) and k.__name__ not in IN_LOGS}
    return {f"{kind.__module__}.{kind.__qualname__}": n for kind, n in kinds.items()} | {
        "threads": threading.active_count(),
        "tasks of the loop": sum(isinstance(thing, asyncio.Task) for thing in gc.get_objects()),
    }


def on_scheduler(dask_scheduler):
    plugin, events = dask_scheduler.extensions["moorage"], dask_scheduler._broker._topics
    groups = dask_scheduler.task_groups

    def over(span):
        return sum(groups.get(group.name) is not group for group in span.groups)

    tables = {
        f"{name}.{table}": len(held)
        for name, part in vars(plugin).items()
        if str(type(part).__module__).startswith("moorage.") and name != "lives"
        for table, held in vars(part).items()
        if isinstance(held, dict | set | list)
    }
    return (
        of_ours()
        | tables
        | {
            "tasks": len(dask_scheduler.tasks),
            "clients": len(dask_scheduler.clients),
            "prefixes": len(dask_scheduler.task_prefixes),
            "groups": sum(max(0, over(span) - 100) for span in dask_scheduler.extensions["spans"].spans.values()),
            "topics": len(events),
            "output": sum(len(topic.events) for name, topic in events.items() if name.startswith("moorage")),
            "metadata": len(dask_scheduler.task_metadata),
            "leases": len(dask_scheduler.extensions["semaphores"].max_leases),
        }
    )


def on_workers(dask_worker):
    return of_ours() | {
        "tasks": len(dask_worker.state.tasks),
        "data": len(dask_worker.data),
    }


def metrics(dask_worker):
    return {repr(name) for name in dask_worker.digests_total}


def counted(cluster):
    """Return all that is counted, by place."""
    client = cluster.client
    workers = {f"worker {n}": counts for n, counts in enumerate(client.run(on_workers).values())}
    # of all workers together: which of them runs something for the first time is a matter of chance
    workers["workers"] = {"metrics": len(set().union(*client.run(metrics).values()))}
    here = of_ours() | {"futures": len(client.futures), "handlers": len(client._event_handlers)}
    return {"notebook": here, "scheduler": client.run_on_scheduler(on_scheduler), **workers}


def grown(before, now):
    return {
        f"{place}: {what}": (before[place].get(what, 0), n)
        for place, counts in now.items()
        for what, n in counts.items()
        if n > before[place].get(what, 0) + LEFT
    }


@pytest.mark.timeout(600)
def test_nothing_is_left_of_calls_over_values_of_equal_content(cluster):
    for i in range(CALLS):
        call(cluster, i)
    before = counted(cluster)
    for i in range(CALLS):
        call(cluster, i)
    with contextlib.suppress(AssertionError):
        eventually(lambda: not grown(before, counted(cluster)), 10)
    assert not grown(before, counted(cluster))


def test_a_call_may_capture_more_values_than_are_kept_and_sends_each_once(cluster, monkeypatch):
    placed = []
    place = placed_data.PlacedData._place_unnamed

    def noted(*args):
        placed.append(place(*args))
        return placed[-1]

    monkeypatch.setattr(placed_data, "_UNNAMED", 4)
    monkeypatch.setattr(placed_data.PlacedData, "_place_unnamed", noted)
    a, b, c, d, e, f = values = [np.full(200_000, float(i)) for i in range(6)]
    for _ in range(2):
        placed.clear()
        assert cluster.submit(firsts, *values, pure=False).result(60) == [*range(6)]
        assert len(set(placed)) == len(placed) <= 6
        placed.clear()
        assert cluster.map(lambda k: firsts(a, b, c, d, e, f)[k], range(6)).gather() == [*range(6)]
        assert len(set(placed)) == len(placed) <= 6


def firsts(a, b, c, d, e, f):
    return [float(array[0]) for array in (a, b, c, d, e, f)]


def test_results_are_let_go_of_without_the_garbage_collector(cluster):
    results = cluster.map(lambda i: i, range(4))
    results.wait()
    known = weakref.ref(results), weakref.ref(results._ledger)
    gc.disable()
    try:
        del results
        eventually(lambda: [one() for one in known] == [None, None])
    finally:
        gc.enable()
