"""Plugins: moorage's own on the scheduler, others beside it, and those that the scheduler hands to workers and nannies.

Relied on, as read in distributed 2026.8.0: ``extensions`` and ``plugins`` of the scheduler are dicts that plugins may
write to; it calls each plugin by the methods of `SchedulerPlugin`; what workers and nannies are given stands in
``worker_plugins`` and ``nanny_plugins``. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moorage._dask import server, taking
from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "scheduler plugin"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "register_worker_plugin": ("comm", "plugin", "name", "idempotent"),
            "register_nanny_plugin": ("comm", "plugin", "name", "idempotent"),
            "unregister_worker_plugin": ("comm", "name"),
            "unregister_nanny_plugin": ("comm", "name"),
        },
        live=("extensions", "nanny_plugins", "plugins", "worker_plugins"),
    ),
    *server.parts(SUBJECT, "distributed.scheduler:Scheduler"),
    *taking.PARTS,
    *parts_of(
        SUBJECT,
        "distributed.diagnostics.plugin:SchedulerPlugin",
        has=("add_worker", "remove_worker", "remove_client", "transition", "restart", "log_event"),
    ),
)


def extend(scheduler: Scheduler, name: str, extension: Any) -> Callable[[], Any]:
    """Let others find an extension of the scheduler by its name; return what undoes it."""
    scheduler.extensions[name] = extension
    return lambda: scheduler.extensions.pop(name, None)


def plugin_of(scheduler: Scheduler, name: str) -> Any:
    """Return the plugin of that name, or None."""
    return scheduler.plugins.get(name)


def take_out(scheduler: Scheduler, name: str) -> None:
    """Take the plugin of that name off the scheduler, without closing it."""
    scheduler.plugins.pop(name, None)


async def register(scheduler: Scheduler, name: str, plugin: bytes, *, nannies: bool) -> dict[str, Any]:
    """Give a plugin to all workers, or nannies, and to those that come, unless it was given before.

    Return what they say. Raises OSError if one of them cannot be reached; the others have it then, or will.
    """
    give = scheduler.register_nanny_plugin if nannies else scheduler.register_worker_plugin
    told: dict[str, Any] = await give(None, plugin=plugin, name=name, idempotent=True)
    return told


def nannies_of(scheduler: Scheduler) -> list[str]:
    """Return the addresses of the nannies of all workers that have one."""
    return [ws.nanny for ws in scheduler.workers.values() if ws.nanny]


def is_given(scheduler: Scheduler, name: str, address: str, *, nanny: bool) -> bool:
    """Whether a plugin is to be on a worker, or nanny, that is there."""
    if nanny:
        return name in scheduler.nanny_plugins and address in nannies_of(scheduler)
    return name in scheduler.worker_plugins and address in scheduler.workers


async def has_take(scheduler: Scheduler, address: str, take: bytes, **what: Any) -> None:
    """Have a worker or nanny call ``take(dask_worker, **what)``. Raises OSError if it cannot be reached."""
    await server.ask(scheduler, address).run(function=take, kwargs=pickle.dumps(what))


async def take_code_off(scheduler: Scheduler, prefixes: tuple[str, ...], seconds: float) -> None:
    """Take plugins whose names begin like that off workers and nannies, each within so many seconds."""
    for plugins, unregister in (
        (scheduler.worker_plugins, scheduler.unregister_worker_plugin),
        (scheduler.nanny_plugins, scheduler.unregister_nanny_plugin),
    ):
        for plugin in [name for name in plugins if name.startswith(prefixes)]:
            with contextlib.suppress(OSError, TimeoutError):  # a worker that is leaving, or stuck
                await asyncio.wait_for(unregister(None, plugin), seconds)
