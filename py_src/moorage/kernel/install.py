"""Sends plugins to schedulers, and by way of them to workers, that need not have moorage installed.

Dask pickles plugins; classes of an importable module travel by reference, which only a process that has the module
can follow. So the modules of a plugin are registered with cloudpickle to travel by value, for as long as the plugin
is being sent. Each module is named exactly: distributed's pickle looks at the exact name of a class's module, not at
its package. They are pickled here, so that their code keeps the names of its files in tracebacks.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import io
import pkgutil
import sys
import types
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle
import xxhash
from distributed.protocol.pickle import dumps

from moorage import config
from moorage._dask.client import PARTS
from moorage._dask.connecting import pool_of
from moorage._dask.refusal import check
from moorage._dask.taking import take
from moorage.errors import UnreachableError, VersionError
from moorage.images.code import reduce_code
from moorage.kernel.versions import check_scheduler, check_taken, not_understood
from moorage.kernel.waiting import address_of, answer, ask_workers, dask_scheduler_of, reaching, scheduler_of
from moorage.scheduler.plugin import NAME, PlacementSchedulerPlugin
from moorage.wire.scheduler import PROTOCOL_VERSION, SchedulerSnapshot

if TYPE_CHECKING:
    from distributed import Client


def all_in(*packages: str) -> tuple[str, ...]:
    """Return the names of the modules in packages of this one, and further in, that hold code."""
    return tuple(
        found.name
        for package in packages
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
        if not found.ispkg
    )


SHIPPED_MODULES = (
    *all_in("moorage.scheduler", "moorage._dask.scheduler"),
    "moorage._dask.scheduler",
    *(f"moorage._dask.{name}" for name in ("connecting", "graphs", "parts", "server", "taking")),
    *(f"moorage.{name}" for name in ("collector", "counts", "dealing", "model", "naming", "plan")),
    *(f"moorage.wire.{name}" for name in ("code", "ledger", "saves", "scheduler", "tally", "transfers", "why")),
)
DASK_ON_WORKERS = tuple(
    f"moorage._dask.{name}" for name in ("connecting", "errors", "parts", "server", "spilling", "worker")
)
"""What whatever is sent to workers needs of the boundary to Dask."""

_OF_A_CLASS = 6  # parts that cloudpickle gives for a class that goes by value

_lock = RLock()


@contextmanager
def by_value(modules: tuple[str, ...] = SHIPPED_MODULES) -> Iterator[None]:
    """Pickle what `modules` define by value, not by reference."""
    with _lock:
        loaded = [importlib.import_module(name) for name in modules]
        already = cloudpickle.list_registry_pickle_by_value()
        ours = [module for module in loaded if module.__name__ not in already]
        for module in ours:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in ours:
                cloudpickle.unregister_pickle_by_value(module)


def pickled_by_value(plugin: Any, modules: tuple[str, ...] = SHIPPED_MODULES) -> bytes:
    """Pickle a plugin together with the modules that it needs of this package."""
    file = io.BytesIO()
    with by_value(modules):  # no longer than it takes to pickle: other threads wait
        _Pickler(file, protocol=5).dump(plugin)
    return file.getvalue()


@functools.cache
def pickled_once(kind: type, arguments: tuple[Hashable, ...], modules: tuple[str, ...] = SHIPPED_MODULES) -> bytes:
    """Pickle what `kind` makes of `arguments`, by value. Once: the first of a process takes a third of a second."""
    return pickled_by_value(kind(*arguments), modules)


def hash_of_sources(modules: tuple[str, ...]) -> str:
    """Return what tells versions of modules apart, and versions of Python that compiled them."""
    digest = xxhash.xxh3_64(sys.version.encode())
    for name in modules:
        digest.update(Path(importlib.import_module(name).__file__ or "").read_bytes())
    return digest.hexdigest()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.CodeType):
            return reduce_code(obj)
        reduced = super().reducer_override(obj)
        if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) == _OF_A_CLASS:
            # Without the id by which cloudpickle finds a class again, and then writes to it: a worker or scheduler in
            # this process would change our own classes, and a plugin that comes twice the classes of the first.
            make, (*what, _id, extra), *rest = reduced
            return make, (*what, None, extra), *rest
        return reduced


def scheduler_side() -> bytes:
    """Return the plugin of schedulers, pickled."""
    return pickled_once(PlacementSchedulerPlugin, (config.get("adopt"),))


async def install_plugin(client: Client) -> SchedulerSnapshot:
    """Put the plugin on the scheduler of `client`, unless it is there, and return what it knows.

    Raises VersionError if the scheduler cannot run it, or a plugin of another version of moorage is there. Raises
    UnreachableError if the scheduler does not answer.
    """
    return await answer(client, _install(client))


async def _install(client: Client) -> SchedulerSnapshot:
    check(PARTS, client, pool_of(client))
    scheduler = dask_scheduler_of(client)
    where, packages = address_of(client), (await scheduler.versions())["packages"]
    check_scheduler(where, packages)
    plugin = scheduler_side()
    try:
        await scheduler.register_scheduler_plugin(plugin=plugin, name=NAME, idempotent=True)
    except (OSError, TimeoutError):
        raise
    except Exception as error:
        raise not_understood(where, packages, error) from error
    snapshot = await scheduler_of(client).moorage_state()
    if snapshot["protocol"] != PROTOCOL_VERSION:
        raise VersionError(
            f"The scheduler at {where} runs version {snapshot['protocol']} of moorage's protocol, "
            f"this notebook version {PROTOCOL_VERSION}.",
            "Use the same version of moorage on both, or let the notebook that put it there leave first.",
        )
    return snapshot


class WorkerSide(NamedTuple):
    """A plugin for workers, or nannies, and what makes it. `modules`: what it needs of this package."""

    name: str
    kind: type
    arguments: tuple[Hashable, ...]
    modules: tuple[str, ...]
    nannies: bool = False

    def pickled(self) -> bytes:
        """Return the plugin, pickled."""
        return pickled_once(self.kind, self.arguments, self.modules)


async def install_on_workers(client: Client, *plugins: WorkerSide) -> None:
    """Put plugins on all workers, and on those that come, unless they are there. Needs the plugin of the scheduler.

    One that is stuck is not waited for longer than the scheduler: it takes them when it goes on. Raises VersionError if
    a worker cannot run them; none is left then. Raises UnreachableError if the scheduler does not answer.
    """
    scheduler = dask_scheduler_of(client)
    taking = pickled_by_value(take, (take.__module__,))
    told: list[tuple[str, Any]] = []

    async def install(each: WorkerSide) -> None:
        install = scheduler_of(client).moorage_install_on_workers
        said = await install(name=each.name, plugin=each.pickled(), take=taking, nannies=each.nannies)
        if said is None:  # it knows of no such request: another scheduler, after the connection was lost
            raise UnreachableError(
                "The scheduler has restarted, and this notebook is reconnecting to it.", "Try again."
            )
        told.extend(said.items())

    with reaching(client):
        with suppress(TimeoutError):
            async with asyncio.timeout(config.seconds("answer-timeout")):
                await asyncio.gather(*map(install, plugins))
        try:
            check_taken(told)
        except VersionError:  # a worker that comes would fail to start
            for each in plugins:
                await (scheduler.unregister_nanny_plugin if each.nannies else scheduler.unregister_worker_plugin)(
                    name=each.name
                )
            raise


async def run_on_workers(
    client: Client,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    addresses: Collection[str],
    modules: tuple[str, ...],
    more: float = 0.0,
) -> dict[str, Any]:
    """Return what a function returns on workers, by address, whatever else they run; without those where it fails.

    `modules`: those of this package that it needs. `more`: seconds that it may take more than an answer takes at most.
    """
    with by_value(modules):
        pickled = dumps(function)
    question = {"op": "run", "function": pickled, "args": dumps(args), "kwargs": dumps({}), "wait": True}
    told = await answer(client, ask_workers(client, question, addresses), more)
    return {address: said["result"] for address, said in told.items() if said and said.get("status") == "OK"}
