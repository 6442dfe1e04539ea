"""A page of Dask's dashboard with what the panel shows: which placed variable is on which worker, and is held there.

For clusters that moorage has started and that are watched without Jupyter, and one of the plots that dask-labextension
offers. Bokeh draws it, where Dask's other pages are drawn.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING, Any

from dask.utils import format_bytes

from moorage import counts
from moorage._dask.pages import offer_page
from moorage._dask.server import answers, handler_of
from moorage.model import describe, natural
from moorage.wire.scheduler import SchedulerSnapshot, placement_from_dict

if TYPE_CHECKING:
    from distributed import Scheduler

NAME = "individual-placed-variables"
"""What begins so is among the plots that Dask lists."""
HANDLER = "moorage_state"
COLUMNS = ("row", "worker", "what", "color", "text", "placement", "size", "state")
MOST = 60
"""So many variables, and workers, are shown at most: more can be neither read nor drawn in time."""
_MILLISECONDS = 1000
_COLORS = {"held": "#3d9970", "on its way": "#e0a63a"}


def offer() -> None:
    """Have the dashboards that are made in this process from now on serve the page."""
    offer_page(NAME, PlacedVariables, _MILLISECONDS)


def cells_of(snapshot: SchedulerSnapshot) -> tuple[list[str], list[str], dict[str, list[Any]]]:
    """Return the rows, the columns, and what stands in their cells as a table. Pure."""
    workers = sorted((worker["name"] for worker in snapshot["workers"].values()), key=natural)
    shown = workers[:MOST]
    rows: list[str] = []
    table: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    records = sorted(snapshot["variables"].values(), key=lambda record: (record["name"], record["owner"]))
    names = [record["name"] for record in records]
    for record in records[:MOST]:
        row = record["name"] if names.count(record["name"]) == 1 else f"{record['name']}@{record['owner']}"
        rows.append(row)
        held, pending = (counts.expand(record[which], workers) for which in ("held", "pending"))
        for worker in shown:
            has, lacks = held.get(worker, 0), pending.get(worker, 0)
            if not has + lacks:
                continue
            what = "on its way" if lacks else "held"
            cell = (
                row,
                worker,
                what,
                _COLORS[what],
                "" if len(record["keys"]) == 1 else f"{has} of {has + lacks}" if lacks else str(has),
                describe(placement_from_dict(record["placement"])),
                format_bytes(record["nbytes"]),
                record["state"] + (f": {record['reason']}" if record["reason"] else ""),
            )
            for column, value in zip(table.values(), cell, strict=True):
                column.append(value)
    return rows, shown, table


def title_of(snapshot: SchedulerSnapshot) -> str:
    """Return the line above the picture."""
    variables, workers = snapshot["variables"].values(), len(snapshot["workers"])
    states = [record["state"] for record in variables]
    told = [f"{states.count(state)} {state}" for state in ("moving", "waiting", "lost") if state in states]
    left_out = " (the first ones are shown)" if max(len(states), workers) > MOST else ""
    return f"{len(states)} placed variables on {workers} workers{left_out}: {', '.join(told) or 'all are held'}"


class PlacedVariables:
    """The picture, as Dask's dashboard wants it: ``root``, and ``update`` every now and then."""

    def __init__(self, scheduler: Scheduler, **kwargs: Any) -> None:
        from bokeh.models import ColumnDataSource, FactorRange, HoverTool
        from bokeh.models.annotations import Title
        from bokeh.plotting import figure

        self._scheduler = scheduler
        self._table: dict[str, list[Any]] = {}
        self._asked: concurrent.futures.Future[SchedulerSnapshot] | None = None
        self.source = ColumnDataSource({name: [] for name in COLUMNS})
        self._title = Title(text="Nothing has been placed yet")
        self._workers, self._variables = FactorRange(), FactorRange()
        self.root = figure(title=self._title, x_range=self._workers, y_range=self._variables, tools="", **kwargs)
        self.root.rect(
            "worker", "row", 0.92, 0.86, source=self.source, fill_color="color", line_color=None, fill_alpha=0.85
        )
        self.root.text(
            "worker", "row", "text", source=self.source, text_align="center", text_baseline="middle", text_color="white"
        )
        self.root.grid.visible = False
        self.root.xaxis.major_label_orientation = 0.8
        words = ("row", "worker", "what", "placement", "size", "state")
        self.root.add_tools(HoverTool(tooltips=[(word.replace("row", "variable"), f"@{word}") for word in words]))

    def update(self) -> None:
        """Show what was a moment ago, and ask again."""
        if not answers(self._scheduler, HANDLER):
            return
        asked = self._asked
        if asked is not None and not asked.done():
            return
        # Bokeh from 3.10 on makes a document in a thread of its own
        loop = self._scheduler.loop.asyncio_loop  # type: ignore[attr-defined]
        self._asked = asyncio.run_coroutine_threadsafe(handler_of(self._scheduler, HANDLER)(), loop)
        if asked is None:
            return
        snapshot = asked.result()
        rows, workers, table = cells_of(snapshot)
        self._title.text = title_of(snapshot)  # of what is the same as before, Bokeh tells no page
        self._workers.factors = workers
        self._variables.factors = rows[::-1]
        if table != self._table:
            self.source.data = self._table = table
