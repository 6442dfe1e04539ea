"""The plugin itself: its handlers, its timers, and the events that Dask would otherwise keep.

Relied on, as read in distributed 2026.8.0: ``handlers``, ``extensions``, ``plugins`` and ``periodic_callbacks`` of the
scheduler are dicts that plugins may write to, and its event broker keeps the last messages of each topic until it is
told to truncate them. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "scheduler plugin"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "get_events": ("topic",),
            "unregister_worker_plugin": ("comm", "name"),
            "unregister_nanny_plugin": ("comm", "name"),
        },
        live=(
            "_broker", "extensions", "handlers", "loop", "nanny_plugins", "periodic_callbacks", "plugins",
            "worker_plugins",
        ),
    ),
    *parts_of(
        SUBJECT,
        "distributed.diagnostics.plugin:SchedulerPlugin",
        has=("add_worker", "remove_worker", "remove_client", "transition", "restart", "log_event"),
    ),
    *parts_of(SUBJECT, "distributed.broker:Broker", calls={"truncate": ("topic",)}),
)  # fmt: skip


def forget_events(scheduler: Scheduler, topic: str) -> None:
    """Let go of the messages of a topic, which have been sent: Dask would keep the last thousand."""
    scheduler._broker.truncate(topic)


def forget_totals(span: Any) -> None:
    """Have a span add up its groups anew, some of which were taken away."""
    span._metadata = None
