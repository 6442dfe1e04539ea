"""Metrics ``moorage_*`` beside Dask's own, at ``/metrics`` of the dashboard, where prometheus_client is installed.

A scheduler that moorage starts has a process to itself, so that what is registered there is about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from distributed import Scheduler

from moorage._dask.server import answers, handler_of
from moorage.wire.tally import Tally

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

HANDLER = "moorage_tally"


def offer(scheduler: Scheduler) -> None:
    """Add what `scheduler` has to tell to what this process tells Prometheus."""
    with suppress(ImportError):
        from prometheus_client import REGISTRY

        REGISTRY.register(Collector(scheduler))


class Collector:
    """Asks the scheduler when Prometheus asks. Before anything has been placed there is nothing to tell."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def describe(self) -> Iterator[Metric]:
        """Return the names of what there is; the registry would collect it to learn them."""
        yield from _metrics(_NOTHING)

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        if answers(self._scheduler, HANDLER):
            tally: Callable[[], Tally] = handler_of(self._scheduler, HANDLER)
            yield from _metrics(tally())


_NOTHING: Tally = {
    "variables": {}, "nbytes": 0, "held": 0, "pending": 0, "shared": 0,
    "copies": 0, "copied": 0, "restored": 0, "lost": 0, "seconds": 0.0,
}  # fmt: skip


def _metrics(tally: Tally) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    variables = GaugeMetricFamily("moorage_variables", "Placed variables, by state", labels=["state"])
    for state, count in tally["variables"].items():
        variables.add_metric([state], count)
    copies = GaugeMetricFamily("moorage_copies", "Copies that are wanted: held, or missing", labels=["state"])
    copies.add_metric(["held"], tally["held"])
    copies.add_metric(["missing"], tally["pending"])
    yield variables
    yield copies
    for name, about, value in (
        ("moorage_placed_bytes", "Bytes of placed variables, each once", tally["nbytes"]),
        ("moorage_shared_bytes", "Bytes in memory that the workers of a host share", tally["shared"]),
    ):
        yield GaugeMetricFamily(name, about, value=value)
    for name, about, total in (
        ("moorage_copies_made", "Copies of placed keys that workers have got", tally["copies"]),
        ("moorage_copied_bytes", "Bytes of these copies, mapped or sent", tally["copied"]),
        ("moorage_restored_variables", "Variables restored after a worker left with them", tally["restored"]),
        ("moorage_lost_variables", "Variables lost with a worker", tally["lost"]),
        ("moorage_restoring_seconds", "Seconds until they were restored", tally["seconds"]),
    ):
        yield CounterMetricFamily(name, about, value=total)
