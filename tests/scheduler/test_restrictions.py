"""Tasks for a worker follow it through a restart."""

from __future__ import annotations

import time

from distributed import Event, get_worker

from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers


def name_once_open(gate: str) -> str:
    assert Event(gate).wait(60)
    return str(get_worker().name)


def test_tasks_for_a_worker_run_on_it_after_it_has_restarted(workers: Workers, notebook: Notebook) -> None:
    client = notebook.client
    gate = Event("restrictions-gate", client=client)
    futures = [
        client.submit(name_once_open, "restrictions-gate", workers=["bob"], key=f"restricted-{i}") for i in range(5)
    ]
    eventually(lambda: any(client.processing().values()))
    after = client.submit(lambda names: names, futures, workers=["bob"])
    workers.restart("bob")
    later = time.monotonic() + 60
    gate.set()
    assert client.gather(futures) == ["bob"] * 5
    assert after.result(later - time.monotonic()) == ["bob"] * 5
