"""The pages that a Dask server serves: where they are, and what stands before them.

Relied on, as read in distributed 2026.8.0: ``start_http_server``, which schedulers and workers call once they know
their own address, makes ``http_server``, a server of tornado's with ``address``, ``port`` and ``request_callback``; the
scheduler's dashboard is in ``services``. Without these parts moorage starts no cluster. The pages of a dashboard are
those of ``distributed.dashboard.scheduler.applications`` when it is connected to the scheduler's ``http_application``,
which need not be at the start: most clusters run and end without that anybody looks, and Bokeh is most of a start.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from distributed.http.utils import get_handlers
from distributed.utils import offload

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "gate before the dashboard"

PARTS = (
    *parts_of(SUBJECT, "distributed.node:ServerNode", has=("start_http_server",)),
    *parts_of(SUBJECT, "distributed.scheduler:Scheduler", live=("http_server", "services")),
)


class DashboardLater:
    """A scheduler that makes its dashboard when it is asked to; to be put before the class of the scheduler."""

    def __init__(
        self,
        *args: Any,
        dashboard: bool | None = None,
        dashboard_address: Any = None,
        http_prefix: str = "/",
        **kwargs: Any,
    ) -> None:
        self.moorage_dashboard = dashboard or (dashboard is None and bool(dashboard_address))
        self._moorage_prefix = http_prefix
        kwargs.update(dashboard=False, dashboard_address=dashboard_address, http_prefix=http_prefix)
        super().__init__(*args, **kwargs)

    async def moorage_make_dashboard(self, before: Callable[[], object]) -> None:
        """Make the dashboard. `before`: called in a thread, before it takes over what pages there are."""
        scheduler: Any = self
        prefix = self._moorage_prefix
        try:
            dashboard: Any = await offload(importlib.import_module, "distributed.dashboard.scheduler")
        except ImportError:  # no Bokeh, or one that Dask does not work with: a page that says so
            routes = get_handlers(scheduler, ["distributed.http.scheduler.missing_bokeh"], prefix)
            scheduler.http_application.add_handlers(r".*", routes)
            return
        await offload(before)
        dashboard.connect(scheduler.http_application, scheduler.http_server, scheduler, prefix=prefix)


class Gated:
    """A Dask server whose pages have something before them; to be put before the class of the server."""

    moorage_gate: Callable[[Any, str], Any]
    """Takes what answers requests, and the address where that is served; returns what answers in its place."""

    def start_http_server(self, *args: Any, **kwargs: Any) -> None:
        """Start to listen; called by Dask, on the event loop, which accepts nobody before this has ended."""
        super().start_http_server(*args, **kwargs)  # type: ignore[misc]
        server: Any = self.http_server  # type: ignore[attr-defined]
        server.request_callback = self.moorage_gate(server.request_callback, server.address)


def pages_of(scheduler: Scheduler) -> tuple[str, int] | None:
    """Return the address and port at which a scheduler serves its dashboard; None if it has none."""
    server: Any = scheduler
    return (server.http_server.address, server.http_server.port) if "dashboard" in server.services else None


def offer_page(name: str, component: Any, milliseconds: int) -> None:
    """Add a page to the dashboards that this process makes from now on.

    `component`: class of what is shown, as Dask's own: made with the scheduler, it has ``root`` and ``update``, which
    is called every so many milliseconds.
    """
    from distributed.dashboard.components.scheduler import individual_doc
    from distributed.dashboard.scheduler import applications

    applications[f"/{name}"] = individual_doc(component, milliseconds)
