"""A gate at a worker for values that are sent to it, so that a test can break off at any moment of the sending."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import cloudpickle
from distributed import Client

from tests.helpers import eventually

# workers on schedulers of other processes do not have the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Gate:
    """Holds values back at all workers of a client: before they take them, or after, before they say so.

    Parameters
    ----------
    client : Client
    taken : bool
        Whether the worker has it already while its answer is held back.
    """

    def __init__(self, client: Client, taken: bool) -> None:
        self._client = client
        client.run(_shut, taken)

    def wait_for_arrival(self) -> None:
        """Wait until a value is at the gate of some worker; if none comes, open it for the tests that come after."""
        try:
            eventually(lambda: any(self._client.run(_arrived).values()))  # who sends may have to be started
        except BaseException:
            self.open()
            raise

    def open(self) -> None:
        """Let all through, from now on as if there were no gate."""
        self._client.run(_open)


def held_by(client: Client) -> dict[str, list[Any]]:
    """Return the keys of what each worker has, as it says itself; not those of what the gate has to do."""
    return {str(worker): keys for worker, keys in client.run(_keys).values() if keys}


def _keys(dask_worker: Any) -> tuple[Any, list[Any]]:
    return dask_worker.name, list(dask_worker.data)


def _shut(taken: bool, dask_worker: Any) -> None:
    update_data = dask_worker.handlers["update_data"]
    gate = dask_worker.gate = asyncio.Event()
    dask_worker.at_gate = 0

    async def held_back(**arguments: Any) -> Any:
        dask_worker.at_gate += 1
        if taken:
            answer = update_data(**arguments)
            await gate.wait()
            return answer
        await gate.wait()
        return update_data(**arguments)

    dask_worker.handlers["update_data"] = held_back
    dask_worker.given = update_data


def _arrived(dask_worker: Any) -> int:
    return int(dask_worker.at_gate)


def _open(dask_worker: Any) -> None:
    dask_worker.handlers["update_data"] = dask_worker.given
    dask_worker.loop.add_callback(dask_worker.gate.set)
