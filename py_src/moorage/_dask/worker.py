"""A worker: what it knows of keys, sends to others, writes to its disk, measures and tells.

Relied on, as read in distributed 2026.8.0: ``get_data`` is the handler by which workers fetch from each other, and a
method that looks at ``data`` of what it is called on; ``state.tasks`` has what a worker knows of keys;
``monitor.get_process_memory`` is what all of its memory management measures by; ``metrics`` are told with each
heartbeat; ``connection_args`` are for connections to other workers; ``plugins`` has these by name; ``scheduler`` asks
the scheduler. A worker without these parts does not take the plugin, and what asked for it fails by a `VersionError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from distributed import rpc
from distributed.utils import sync

from moorage._dask import connecting, errors, server, spilling
from moorage._dask.moved import logs, shuffles
from moorage._dask.parts import parts_of

P = ParamSpec("P")
T = TypeVar("T")

SUBJECT = "code on workers"

PARTS = (
    *server.parts(SUBJECT, "distributed.worker:Worker"),
    *parts_of(
        SUBJECT,
        "distributed.worker:Worker",
        has=("data", "heartbeat"),
        calls={"get_data": ("comm", "keys"), "log_event": ("topic", "msg")},
        live=(
            "connection_args",
            "contact_address",
            "memory_manager",
            "metrics",
            "monitor",
            "plugins",
            "scheduler",
            "state",
        ),
        entries={"handlers": ("get_data",)},
    ),
    *connecting.PARTS,
    *errors.PARTS,
    *parts_of(SUBJECT, "distributed.worker_state_machine:WorkerState", live=("tasks",)),
    *parts_of(SUBJECT, "distributed.worker_state_machine:TaskState", has=("nbytes", "run_spec", "state")),
    *parts_of(SUBJECT, "distributed.system_monitor:SystemMonitor", calls={"get_process_memory": ()}),
    *logs.PARTS,
    *shuffles.PARTS,
    *parts_of(
        SUBJECT, "distributed.worker_memory:WorkerMemoryManager", live=("memory_limit", "memory_target_fraction")
    ),
    *spilling.PARTS,
)


def objects_of(worker: Any) -> tuple[Any, ...]:
    """Return the objects of which a worker consists, so far as parts of them are relied on."""
    names = ("state", "monitor", "memory_manager", "data", "rpc")
    return (worker, *(part for name in names if (part := getattr(worker, name, None)) is not None))


def connection_args(worker: Any) -> Mapping[str, Any]:
    """Return what a connection to another worker needs, for ``distributed.comm.connect``."""
    arguments: Mapping[str, Any] = worker.connection_args
    return arguments


def is_result(worker: Any, key: Any) -> bool:
    """Whether a task has returned the value of a key, rather than that somebody has sent it."""
    task = worker.state.tasks.get(key)
    return task is not None and task.run_spec is not None


def nbytes_of(worker: Any, key: Any) -> int:
    """Return the bytes of a key as the worker counts them; 0 if it does not know the key."""
    task = worker.state.tasks.get(key)
    return (task.nbytes or 0) if task is not None else 0


def is_wanted(worker: Any, key: Any) -> bool:
    """Whether the scheduler still wants a task that runs."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state not in ("cancelled", "released", "forgotten")


def has_room(worker: Any, nbytes: int) -> bool:
    """Whether a worker can take so many bytes more without having to spill."""
    manager = worker.memory_manager
    if not manager.memory_limit:
        return True
    target = manager.memory_target_fraction or 1.0
    return bool(worker.monitor.get_process_memory() + nbytes < target * manager.memory_limit)


def beat_soon(worker: Any) -> None:
    """Have a worker send a heartbeat at once: it has something new to tell."""
    worker.loop.add_callback(worker.heartbeat)


def add_metric(worker: Any, name: str, measure: Callable[[Any], Any]) -> Callable[[], Any]:
    """Have a worker tell ``measure(worker)`` with each heartbeat; return what ends that."""
    worker.metrics[name] = measure
    return lambda: worker.metrics.pop(name) if worker.metrics.get(name) == measure else None


def shadow_memory(worker: Any, instead: Callable[[], int]) -> tuple[Callable[[], int], Callable[[], Any]]:
    """Measure a worker's memory by ``instead()``; return the original, and what undoes it."""
    original: Callable[[], int] = worker.monitor.get_process_memory
    worker.monitor.get_process_memory = instead
    return original, lambda: vars(worker.monitor).pop("get_process_memory", None)


def shadow_log_event(worker: Any, carried: Callable[[Any], Any]) -> Callable[[], None]:
    """Have a worker tell ``carried(message)`` instead of each message that tasks tell; return what undoes it."""
    original = worker.log_event

    def log_event(topic: Any, msg: Any) -> Any:
        return original(topic, carried(msg))

    worker.log_event = log_event

    def undo() -> None:
        if worker.log_event is log_event:
            del worker.log_event

    return undo


def shadow_spilling(worker: Any, instead: Callable[[Callable[[Any], Any], Any], Any]) -> Callable[[], None]:
    """Call ``instead(original, value)`` to pickle what a worker writes to its disk; return what undoes it."""
    slow = getattr(worker.data, "_slow_uncached", None)
    if slow is None:
        return lambda: None
    original = slow.dump

    def dump(value: Any) -> Any:
        return instead(original, value)

    slow.dump = dump

    def undo() -> None:
        if slow.dump is dump:
            slow.dump = original

    return undo


def spilled_keys(most: int, dask_worker: Any) -> list[tuple[Any, int, int]]:
    """Return which keys a worker has on disk: their bytes as they were in memory, and on disk; the largest `most`."""
    weights = getattr(getattr(dask_worker.data, "_slow_uncached", None), "weight_by_key", {})
    spilled = [(key, size.memory, size.disk) for key, size in list(weights.items())]
    spilled.sort(key=lambda one: -one[2])
    return spilled[:most]


async def send(worker: Any, comm: Any, instead: Mapping[Any, Any], **asked: Any) -> Any:
    """Answer a request for data as the worker does, but send some values instead of those that it has."""
    sending: Any = _Sending(worker, instead)
    return await type(worker).get_data(sending, comm, **asked)


def scheduler_of(worker: Any) -> Any:
    """Return what asks the scheduler: its methods are the scheduler's handlers."""
    return worker.scheduler


def on_loop(worker: Any, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``await function(...)`` gives on the event loop of a worker; in the thread of a task."""
    answer: T = sync(worker.loop, partial(function, *args, **kwargs))
    return answer


def ask_apart(worker: Any, patience: float, handler: str, **message: Any) -> Any:
    """Return what the scheduler answers, asked from a thread and over a connection of their own.

    In any thread: also that of the worker's event loop, which waits meanwhile. Raises OSError or TimeoutError.
    """

    async def ask() -> Any:
        async with (
            asyncio.timeout(patience),
            rpc(worker.scheduler.address, connection_args=dict(worker.connection_args)) as scheduler,
        ):
            return await getattr(scheduler, handler)(**message)

    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, ask()).result()


class _Sending:
    """A worker as its ``get_data`` sees it: some values as what is sent in their place."""

    def __init__(self, worker: Any, outgoing: Mapping[Any, Any]) -> None:
        object.__setattr__(self, "_worker", worker)
        object.__setattr__(self, "data", _Outgoing(worker, outgoing))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worker, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._worker, name, value)


class _Outgoing:
    def __init__(self, worker: Any, outgoing: Mapping[Any, Any]) -> None:
        self._worker = worker
        self._outgoing = outgoing

    def __contains__(self, key: object) -> bool:
        return key in self._worker.data

    def __getitem__(self, key: Any) -> Any:
        return self._outgoing[key] if key in self._outgoing else self._worker.data[key]
