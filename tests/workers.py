"""A cluster of named workers for tests: real processes under real nannies.

They can be killed, restarted, paused and removed by name. The scheduler is in this process, so that a test can look at
it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import cloudpickle
import dask.config
from distributed import Client, Nanny, Scheduler, SpecCluster
from distributed.core import Status

from tests.helpers import eventually, restart_worker

T = TypeVar("T")

# workers on schedulers of other processes do not have the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])

_CONFIG = {
    "distributed.worker.memory.pause": False,  # a paused worker is paused by a test and stays so
    "distributed.worker.memory.terminate": False,
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.worker.preload": [],
    "distributed.scheduler.allowed-failures": 100,
    "distributed.scheduler.validate": True,
    # a nanny starts its worker again; SpecCluster closes nannies whose worker is away so long after it was killed
    "distributed.deploy.lost-worker-timeout": "1 hour",
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.retry.count": 0,
}


class Workers:
    """A scheduler in this process and named workers in processes of their own.

    Parameters
    ----------
    names : str
    nthreads : int
    memory_limit : str
    config : dict of str to object
        Of Dask, in the place of what tests have otherwise.
    **options
        Of each worker, such as ``resources``.
    """

    def __init__(
        self,
        *names: str,
        nthreads: int = 1,
        memory_limit: str = "1GB",
        config: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        self.names = names
        self._spec = {
            "cls": Nanny,
            "options": {"nthreads": nthreads, "memory_limit": memory_limit, "dashboard": False, **options},
        }
        self._config = dask.config.set(_CONFIG | dict(config))
        self.cluster = SpecCluster(
            workers=dict.fromkeys(names, self._spec),
            worker=self._spec,
            scheduler={
                "cls": Scheduler,
                "options": {"dashboard": False, "dashboard_address": ":0", "host": "127.0.0.1", "port": 0},
            },
            silence_logs=False,
        )
        self.client = Client(self.cluster, set_as_default=False)
        self.wait_running(*names)

    @property
    def address(self) -> str:
        return str(self.cluster.scheduler_address)

    def close(self) -> None:
        self.client.close()
        self.cluster.close()
        self._config.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What there is

    def look(self, inspect: Callable[[Scheduler], T]) -> T:
        """Return what `inspect` finds on the scheduler, on its event loop."""

        async def run() -> T:
            return inspect(self.cluster.scheduler)

        return self.cluster.sync(run)  # type: ignore[no-any-return]

    def task_state(self, key: Any) -> str | None:
        """Return the scheduler's state of a task; None if there is no such task."""
        return self.look(lambda s: str(s.tasks[key].state) if key in s.tasks else None)

    def addresses(self) -> dict[str, str]:
        """Return the addresses of the workers by name, of those that run or are paused."""
        there = (Status.running, Status.paused)
        return self.look(lambda s: {str(ws.name): ws.address for ws in s.workers.values() if ws.status in there})

    def running(self) -> set[str]:
        return self.look(lambda s: {str(ws.name) for ws in s.running})

    def run(self, function: Callable[..., T], name: str, *args: Any) -> T:
        """Return what `function` gives in the process of a worker."""
        address = self.addresses()[name]
        return self.client.run(function, *args, workers=[address])[address]  # type: ignore[no-any-return]

    def pid(self, name: str) -> int:
        return self.run(os.getpid, name)

    def wait_running(self, *names: str) -> None:
        eventually(lambda: set(names) <= self.running())

    # What happens to workers

    def kill(self, name: str) -> None:
        """Kill with -9, and wait until the scheduler has noticed. The nanny starts another."""
        before = self.addresses()[name]
        os.kill(self.pid(name), signal.SIGKILL)
        eventually(lambda: self.addresses().get(name) != before)

    def restart(self, name: str) -> None:
        """Let the nanny restart its worker, which comes back under the same name at another port."""
        restart_worker(self.client, name)

    def pause(self, name: str) -> None:
        self.run(_set_status, name, Status.paused)
        eventually(lambda: name not in self.running())

    def resume(self, name: str) -> None:
        self.run(_set_status, name, Status.running)
        self.wait_running(name)

    def retire(self, name: str, timeout: float = 60) -> None:
        """Let a worker go after its data has moved elsewhere, as ``Client.retire_workers`` does."""
        address = self.addresses()[name]
        self.cluster.worker_spec.pop(name, None)  # the cluster would start it again
        retire = self.client.scheduler.retire_workers
        self.client.sync(retire, workers=[address], close_workers=True, callback_timeout=timeout)
        self._enact()

    def remove(self, *names: str) -> None:
        """Take workers out of the cluster; their data is not evacuated."""
        for name in names:
            self.cluster.worker_spec.pop(name, None)
        self._enact()

    def add(self, *names: str, wait: bool = True, **options: Any) -> None:
        for name in names:
            spec = {**self._spec, "options": {**self._spec["options"], **options}}
            self.cluster.worker_spec[name] = spec
        try:
            self.cluster.sync(self.cluster._correct_state)
        except RuntimeError:  # a worker of that name had not been given up by the scheduler yet
            self.heal()
        if wait:
            self.wait_running(*names)

    def heal(self) -> None:
        """Replace nannies that have ended: a worker cannot come back while its name is taken by its predecessor."""
        over = (Status.closing, Status.closed, Status.failed)
        ended = [name for name, nanny in self.cluster.workers.items() if nanny.status in over]
        if ended:
            specs = {name: self.cluster.worker_spec.pop(name) for name in ended if name in self.cluster.worker_spec}
            self._enact()
            self.cluster.worker_spec.update(specs)
            self.cluster.sync(self.cluster._correct_state)

    def restore(self) -> None:
        """Come back to the workers of the beginning, all running."""
        self.heal()
        if gone := [name for name in self.cluster.worker_spec if name not in self.names]:
            self.remove(*gone)
        self.add(*(name for name in self.names if name not in self.cluster.worker_spec), wait=False)
        for name in set(self.addresses()) - self.running():
            with contextlib.suppress(KeyError, OSError):
                self.resume(name)
        self.wait_running(*self.names)

    def _enact(self) -> None:
        self.cluster.sync(self.cluster._correct_state)
        eventually(lambda: set(self.addresses()) <= set(self.cluster.worker_spec))


def _set_status(status: Status, dask_worker: Any) -> None:
    dask_worker.status = status
