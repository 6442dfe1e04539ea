"""Plugins: moorage's own on the scheduler, others beside it, and those that the scheduler hands to workers and nannies.

Relied on, as read in distributed 2026.8.0: ``extensions`` and ``plugins`` of the scheduler are dicts that plugins may
write to; it calls each plugin by the methods of `SchedulerPlugin`; what workers and nannies are given stands in
``worker_plugins`` and ``nanny_plugins``. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moorage._dask import server
from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "scheduler plugin"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={"unregister_worker_plugin": ("comm", "name"), "unregister_nanny_plugin": ("comm", "name")},
        live=("extensions", "nanny_plugins", "plugins", "worker_plugins"),
    ),
    *server.parts(SUBJECT, "distributed.scheduler:Scheduler"),
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


async def take_code_off(scheduler: Scheduler, prefixes: tuple[str, ...], seconds: float) -> None:
    """Take plugins whose names begin like that off workers and nannies, each within so many seconds."""
    for plugins, unregister in (
        (scheduler.worker_plugins, scheduler.unregister_worker_plugin),
        (scheduler.nanny_plugins, scheduler.unregister_nanny_plugin),
    ):
        for plugin in [name for name in plugins if name.startswith(prefixes)]:
            with contextlib.suppress(OSError, TimeoutError):  # a worker that is leaving, or stuck
                await asyncio.wait_for(unregister(None, plugin), seconds)
