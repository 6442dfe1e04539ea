"""What a notebook was sending when it was killed is found and used, or found and let go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from distributed.protocol import to_serialize

from moorage.model import Everywhere, OnWorkers
from tests.gates import Gate, held_by
from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

VALUE = np.arange(300_000)
NOTEBOOK = """
import sys
import moorage, numpy as np

cluster = moorage.attach(sys.argv[1])
cluster.scatter(np.arange(300_000), name="x", direct=sys.argv[2] == "direct")
"""


@contextmanager
def killed_while_sending(workers: Workers, way: str) -> Iterator[None]:
    """A notebook that is killed with -9 when this is left."""
    with subprocess.Popen([sys.executable, "-c", NOTEBOOK, workers.address, way]) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("way", ["direct", "through the scheduler"])
@pytest.mark.parametrize("taken", [False, True])
def test_nothing_stays_of_what_a_killed_notebook_was_sending(workers: Workers, way: str, taken: bool) -> None:
    gate = Gate(workers.client, taken)
    before = workers.look(lambda s: len(s.clients))
    with killed_while_sending(workers, way):
        gate.wait_for_arrival()
    eventually(lambda: workers.look(lambda s: len(s.clients)) == before)
    gate.open()
    eventually(lambda: not held_by(workers.client))
    eventually(lambda: not workers.look(lambda s: [*s.tasks]))
    assert workers.look(lambda s: len(s.clients)) == before
    assert workers.look(lambda s: not s.extensions["moorage"].strays._under_way)


def _put(key: str, dask_worker: object) -> None:
    """Have a key as after a client has sent it and died before it could say so."""
    dask_worker.update_data(data={key: np.arange(300_000)})  # type: ignore[attr-defined]


def test_a_copy_that_is_there_unknown_does_not_hold_up_a_broadcast(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "alice")
    notebook.client.run(_put, notebook.key("x"), workers=[workers.addresses()["bob"]])
    notebook.move("x", Everywhere())
    notebook.until("x", on=["alice", "bob", "carol"], timeout=9)  # sooner than a copy is given up
    notebook.release("x")
    eventually(lambda: not held_by(workers.client))


def test_a_value_that_a_worker_has_unknown_is_used_when_it_is_waited_for(workers: Workers, notebook: Notebook) -> None:
    notebook.client.subscribe_topic("moorage", lambda event: None)  # when it is asked for the value it does not answer
    notebook.place("x", OnWorkers(("bob",)), VALUE, scatter=False)
    key, bob = notebook.key("x"), workers.addresses()["bob"]
    eventually(lambda: notebook.state("x") == "moving")
    notebook.client.run(_put, key, workers=[bob])
    notebook.call("sending", client=notebook.client.id, keys={bob: [key]}, broken_off=[bob])
    eventually(lambda: notebook.state("x") == "held")
    notebook.client.subscribe_topic("moorage", notebook._on_event)
    notebook.client.sync(notebook._subscribe)


def test_a_value_that_is_being_sent_again_is_not_taken_for_a_stray(workers: Workers, notebook: Notebook) -> None:
    bob = workers.addresses()["bob"]
    notebook.call("sending", client=notebook.client.id, keys={bob: ["x-1"]}, broken_off=[bob])
    gate = Gate(workers.client, taken=True)
    load = {"data": {"x-1": to_serialize(VALUE)}, "workers": [bob], "client": notebook.client.id}
    sending = notebook.client.loop.asyncio_loop.create_task  # type: ignore[union-attr]

    async def send() -> object:
        return sending(notebook.client.scheduler.scatter(**load))  # type: ignore[union-attr]

    task = notebook.client.sync(send)
    gate.wait_for_arrival()
    workers.look(lambda s: s.extensions["moorage"].strays.look())
    eventually(lambda: workers.look(lambda s: s.extensions["moorage"].strays._looking.done()))
    assert held_by(workers.client) == {"bob": ["x-1"]}
    gate.open()
    eventually(task.done)
    assert workers.look(lambda s: [str(ws.name) for ws in s.tasks["x-1"].who_has]) == ["bob"]
    x = notebook.future("x-1")
    assert np.array_equal(x.result(30), VALUE)
    del x
    eventually(lambda: not workers.look(lambda s: list(s.tasks)))


def test_nothing_is_looked_for_at_a_worker_that_has_left(workers: Workers, notebook: Notebook) -> None:
    bob = workers.addresses()["bob"]
    workers.kill("bob")
    notebook.call("sending", client=notebook.client.id, keys={bob: ["x-1"]}, broken_off=[bob])
    assert workers.look(lambda s: bob not in s.extensions["moorage"].strays._suspected)
