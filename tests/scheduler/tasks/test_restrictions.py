"""Tasks for a worker follow it through a restart."""

from __future__ import annotations

import time

from distributed import Event, get_worker

from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers


def name() -> str:
    return str(get_worker().name)


def name_once_open(gate: str) -> str:
    assert Event(gate).wait(60)
    return str(get_worker().name)


def name_after(_: str, number: int) -> str:
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


def test_a_task_for_a_worker_that_restarts_before_it_comes_runs_on_it(workers: Workers, notebook: Notebook) -> None:
    client = notebook.client
    before = workers.addresses()["carol"]
    workers.restart("carol")
    workers.wait_running("carol")
    future = client.submit(name, key="to-the-old-address")
    future.release()
    # as a client that has looked up the address just before
    late = client.get({"late": (name,)}, "late", sync=False, workers=[before])
    assert late.result(30) == "carol"


def test_who_waits_for_a_worker_that_stays_away_is_told(workers: Workers, notebook: Notebook) -> None:
    client = notebook.client
    workers.add("dave")
    gate = Event("restrictions-away", client=client)
    first = client.submit(name_once_open, "restrictions-away", workers=["dave"], key="away-1")
    last = client.submit(str, first, key="away-2")
    loose = client.submit(name_once_open, "restrictions-away", workers=["dave"], allow_other_workers=True)
    del first
    workers.remove("dave")
    gate.set()
    assert loose.result(30) in ("alice", "bob", "carol")
    eventually(lambda: notebook.notices)
    (notice,) = notebook.notices
    assert notice["message"] == "A task waits for dave, and no such worker is there: away-1."
    assert "allow_other_workers=True" in notice["remedy"]
    workers.add("dave")
    assert last.result(30) == "dave"


def test_a_task_for_a_worker_that_is_not_there_waits_for_it_and_not_for_its_host(
    workers: Workers, notebook: Notebook
) -> None:
    """Dask takes such a name for that of a host, and all workers are on one."""
    client = notebook.client
    gate = Event("restrictions-later", client=client)
    first = client.submit(name_once_open, "restrictions-later", workers=["alice"], key="later-0")
    for known in (False, True):
        futures = client.map(name_after, [first] * 3, range(3), workers=["erin"], pure=False)  # they come to wait later
        ready = client.map(name_after, [""] * 9, range(9), workers=["erin"], pure=False)
        workers.add("erin")
        gate.set()
        assert set(client.gather([*futures, *ready])) == {"erin"}, known
        workers.remove("erin")


def test_a_task_for_a_worker_that_is_away_does_not_run_on_another_that_has_got_its_address(
    workers: Workers, notebook: Notebook
) -> None:
    client = notebook.client
    workers.add("erin")
    port = int(workers.addresses()["erin"].rpartition(":")[2])
    workers.remove("erin")
    early = client.submit(name, workers=["erin"], key="reused-early")
    eventually(lambda: workers.task_state("reused-early") == "no-worker")
    workers.add("frank", worker_port=port)
    late = client.submit(name, workers=["erin"], key="reused-late")
    eventually(lambda: workers.task_state("reused-late") == "no-worker")
    workers.add("erin")
    assert client.gather([early, late]) == ["erin", "erin"]
    workers.remove("erin", "frank")
