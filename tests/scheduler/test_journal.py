"""Events, applied one after the other, tell what a snapshot tells."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from distributed import Scheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.counts import with_workers
from moorage.kernel.connection.mirror import Mirror
from moorage.model import WorkerInfo
from moorage.scheduler.journal import Journal, worker_dict
from moorage.scheduler.status import LOOKED_AT
from moorage.wire.scheduler import PROTOCOL_VERSION, VariableRecord
from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

VIDS = ["nb:x", "nb:y", "other:x"]
NAMES = ["alice", "bob", "carol"]

counts = st.builds(
    lambda rest, others: {"rest": rest, "others": {w: n for w, n in others.items() if n != rest}},
    st.integers(0, 2), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3)),
)  # fmt: skip
records = st.builds(
    lambda state, reason, nbytes, held, pending: {
        "state": state, "reason": reason, "nbytes": nbytes, "shared": nbytes // 2, "durable": "", "held": held,
        "pending": pending,
    },
    st.sampled_from(["held", "moving", "waiting", "lost"]), st.sampled_from(["", "why"]),
    st.integers(0, 3), counts, counts,
)  # fmt: skip
infos = st.builds(
    lambda name, port, status: WorkerInfo(name, f"tls://h1:{port}", "h1", 1, 100, status),
    st.sampled_from(NAMES), st.integers(1, 3), st.sampled_from(["init", "running", "paused", "closing"]),
)  # fmt: skip
steps = st.one_of(
    st.tuples(st.just("place"), st.sampled_from(VIDS), records),
    st.tuples(st.just("change"), st.sampled_from(VIDS), records),
    st.tuples(st.just("release"), st.sampled_from(VIDS), st.none()),
    st.tuples(st.just("workers"), st.lists(infos, unique_by=lambda info: info.name), st.none()),
    st.tuples(st.just("flush"), st.none(), st.none()),
    st.tuples(st.just("subscribe"), st.none(), st.none()),
)


class Recorder:
    """What the journal needs of a scheduler: it sends."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Any]] = {}

    def client_send(self, client: str, message: Any) -> None:
        self.sent.setdefault(client, []).append(message["event"])


@settings(max_examples=200)
@given(st.lists(steps, max_size=30))
def test_all_events_since_a_snapshot_reproduce_the_state(sequence: list[tuple[str, Any, Any]]) -> None:
    async def play() -> None:
        scheduler, variables, workers = Recorder(), dict[str, VariableRecord](), list[WorkerInfo]()
        journal = Journal(scheduler, variables.get, lambda: workers)  # type: ignore[arg-type]
        mirrors: dict[str, Mirror] = {}

        def subscribe() -> None:
            mirror = mirrors[f"client-{len(mirrors)}"] = Mirror()
            journal.subscribe(f"client-{len(mirrors) - 1}")
            journal.flush()
            mirror.reset(
                {
                    "protocol": PROTOCOL_VERSION,
                    "seq": journal.seq,
                    "revision": journal.revision,
                    "variables": dict(variables),
                    "workers": {worker.name: worker_dict(worker) for worker in workers},
                    "seen": [],
                    "hosted": False,
                }
            )

        subscribe()
        for step, what, record in sequence:
            if step == "place":
                variables[what] = {"vid": what, **record}
                journal.mark([what], placed=True)
            elif step == "change" and what in variables:
                variables[what] = {"vid": what, **record}
                journal.mark([what])
            elif step == "release":
                variables.pop(what, None)
                journal.mark([what])
            elif step == "workers":
                before, now = {info.name for info in workers}, {info.name for info in what}
                workers[:] = what
                journal.mark_workers()
                for vid, known in variables.items():
                    variables[vid] = with_workers(known, now - before, before - now)
                    journal.mark([vid])
            elif step == "flush":
                journal.flush()
            elif step == "subscribe":
                subscribe()
        journal.flush()
        for client, mirror in mirrors.items():
            for event in scheduler.sent.get(client, []):
                mirror.apply(event)
            assert mirror.seq == journal.seq
            assert mirror.variables == variables
            assert mirror.workers == {worker.name: worker_dict(worker) for worker in workers}
        journal.close()

    asyncio.run(play())


async def _look_at(scheduler: Scheduler, *, subscribing: bool) -> str:
    """Mark everything, as when a worker comes, and tell how things stand before anybody has looked."""
    plugin = scheduler.plugins["moorage"]
    plugin.reconciler.mark(plugin.desired.by_key)
    if subscribing:
        (record,) = (await plugin.state())["variables"].values()
    else:
        plugin.journal.mark(plugin.desired.records)
        plugin.journal.flush()
        (record,) = plugin.journal._told.values()
    return str(record["reason"])


@pytest.mark.parametrize("subscribing", [True, False])
def test_what_is_told_before_all_is_known_is_put_right(workers: Workers, notebook: Notebook, subscribing: bool) -> None:
    notebook.everywhere("x", np.arange(1000))
    assert workers.cluster.sync(_look_at, workers.cluster.scheduler, subscribing=subscribing) == LOOKED_AT
    eventually(lambda: [event for event in notebook.events if LOOKED_AT in str(event)])
    eventually(lambda: notebook.mirror.variables["nb:x"]["state"] == "held")
