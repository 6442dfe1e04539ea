"""What the magics show: the table of variables by workers, the cluster and its workers, and errors.

Pure functions from values to text and HTML. Names, types, reasons and worker names come from anywhere, also from
other people on the same cluster: in HTML all of them are escaped (jinja2 with autoescape), and in both forms
characters that do not print are spelled out. Nothing here asks the cluster for anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from shutil import get_terminal_size
from time import localtime, strftime, time
from types import MappingProxyType
from typing import TypeAlias

from dask.utils import format_bytes, format_time
from jinja2 import Environment, Template
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moorage.errors import MoorageError
from moorage.kernel.why.answer import Why
from moorage.model import ON_DISK, ClusterInfo, PlacementState, WorkerInfo, describe, natural
from moorage.naming import short_name
from moorage.wire.panel import PanelEvent

Bundle: TypeAlias = dict[str, str]
"""One thing in several forms, by MIME type: ``text/plain`` and ``text/html``."""

WIDEST = 8
"""Up to so many workers, each has a column of its own in the table of placements."""

_SOON = 20 * 3600  # seconds within which the time of day says enough
_EVENTS = 3
"""So many are shown of what happened last."""

MARKS = {"held": "●", "moving": "◐", "waiting": "○", "lost": "✕"}


@dataclass(frozen=True)
class Grid:
    """A table as text: what both forms are made from. ``numeric`` holds the indices of right-aligned columns."""

    header: list[str]
    rows: list[list[str]]
    numeric: frozenset[int] = frozenset()


def placements(
    states: Mapping[str, PlacementState], workers: Sequence[str], memory: Mapping[str, str] = MappingProxyType({})
) -> Bundle:
    """Return the table of variables by workers.

    `states`: by the name under which the notebook knows the variable. `workers`: names of the existing workers.
    `memory`: who shares the memory of a variable.
    """
    if not states:
        nothing = "Nothing is placed. Place a variable with %scatter, %broadcast or %pin."
        return {"text/plain": nothing, "text/html": _page("", nothing)}
    grid = placement_grid(states, sorted(workers, key=natural), memory)
    return {"text/plain": _text(grid), "text/html": _page(grid, "")}


def table(grid: Grid, lines: Sequence[str] = ()) -> Bundle:
    """Return a table with lines of text above it."""
    text = "\n".join([*lines, _text(grid)] if grid.rows else lines)
    return {"text/plain": text, "text/html": _page(grid if grid.rows else "", "\n".join(lines))}


def why(found: Why) -> Bundle:
    """Return a cause and its remedy, a line each."""
    lines = [printable(line) for line in str(found).splitlines()]
    return table(Grid([], []), lines)


def sentence(name: str, state: PlacementState, workers: int) -> str:
    """Return where a variable stands as one line; `workers` is their number."""
    value = ", ".join(part for part in (_value(state), format_bytes(state.nbytes)) if part)
    held = (
        f"{state.state} by {len(state.holders)} of {_count(workers, 'worker')}"
        if state.state == "held"
        else state.state
    )
    reason = _reason(state)
    line = f"{MARKS[state.state]} {name} ({value}): {_placement(state)}, {held}"
    return printable(f"{line}: {reason}" if reason else line)


def part_of(done: int, total: int) -> str:
    """Return how many bytes of all have arrived."""
    return f"{format_bytes(done)} of {format_bytes(total)}"


def _value(state: PlacementState) -> str:
    return " ".join(part for part in (state.typename, state.detail) if part)


def placement_grid(
    states: Mapping[str, PlacementState], workers: Sequence[str], memory: Mapping[str, str] = MappingProxyType({})
) -> Grid:
    """Return the rows of the table of variables by workers."""
    columns = list(workers) if len(workers) <= WIDEST else []
    reasons = {name: _reason(state) for name, state in states.items()}
    header = ["variable", "value", "size", "placement", "state", *map(short_name, columns)]
    if not columns:
        header.append("held by")
    if memory:
        header.append("memory")
    if any(reasons.values()):
        header.append("reason")
    rows = []
    for name, state in states.items():
        where = [_share(state, worker) for worker in columns] or [_holders(state, len(workers))]
        row = [
            name,
            _value(state),
            format_bytes(state.nbytes),
            _placement(state),
            f"{MARKS[state.state]} {state.state}{', stale' if state.stale else ''}",
            *where,
            *([memory.get(name, "")] if memory else []),
            reasons[name],
        ]
        rows.append([printable(cell) for cell in row[: len(header)]])
    return Grid([printable(title) for title in header], rows, frozenset({2}))


def _reason(state: PlacementState) -> str:
    stale = "the notebook's value has changed since it was placed" if state.stale else ""
    return "; ".join(part for part in (state.reason, stale) if part)


def _placement(state: PlacementState) -> str:
    files = f", {ON_DISK[state.durable]}" if state.durable else ""
    if not state.until:
        return describe(state.placement) + files
    form = "%H:%M:%S" if state.until - time() < _SOON else "%a %d %b %H:%M"
    return f"{describe(state.placement)} until {strftime(form, localtime(state.until))}{files}"


def _share(state: PlacementState, worker: str) -> str:
    held = state.held.get(worker, 0)
    pending = state.pending.get(worker, 0) if state.state != "lost" else 0
    if state.nkeys == 1:
        return format_bytes(state.nbytes) if held else "coming" if pending else "-"
    have = _count(held, "key") if held else ""
    come = f"{pending} coming" if pending else ""
    return ", ".join(part for part in (have, come) if part) or "-"


def _holders(state: PlacementState, workers: int) -> str:
    shown = ", ".join(map(short_name, state.holders[:3])) + (", ..." if len(state.holders) > 3 else "")
    return f"{len(state.holders)} of {workers}" + (f": {shown}" if shown else "")


def cluster(info: ClusterInfo, workers: Sequence[WorkerInfo], events: Sequence[PanelEvent] = ()) -> Bundle:
    """Return what `%cluster` shows: how the cluster is, its workers, and what happened there last."""
    workers = sorted(workers, key=lambda worker: natural(worker.name))
    headline = printable(_headline(info, workers))
    # Without the token: what is shown is saved with the notebook, which others may read.
    link = info["dashboard_link"].partition("?")[0]
    link = link if link.startswith(("http://", "https://")) else ""
    grid = worker_grid(workers)
    happened = [printable(f"{_at(event['time'])} {event['message']}") for event in events[-_EVENTS:]]
    parts = [headline, f"dashboard: {printable(link)}" if link else "", _text(grid) if workers else "", *happened]
    text = "\n".join(part for part in parts if part)
    return {"text/plain": text, "text/html": _page(grid if workers else "", headline, link, happened)}


def _at(seconds: float) -> str:
    return strftime("%H:%M:%S", localtime(seconds))


def _headline(info: ClusterInfo, workers: Sequence[WorkerInfo]) -> str:
    missing = info["requested"] > info["arrived"]
    parts = [
        f"{info['kind']} cluster {info['name']}: {info['status']}",
        f"{info['arrived']} of {info['requested']} workers" if missing else _count(info["arrived"], "worker"),
        _count(sum(worker.nthreads for worker in workers), "thread"),
    ]
    if info["adapt"]:
        parts.append("adapts from {} to {}".format(*info["adapt"]))
    parts.append("TLS" if info["secure"] else "open to anyone who can reach it")
    if info["kept"]:
        idle, place = info.get("idle_timeout"), info.get("park")
        then = f"is parked in {place}" if place else "stops"
        parts.append("outlives this kernel" + (f", and {then} after {format_time(idle)} unused" if idle else ""))
    if info["detail"]:
        parts.append(info["detail"])
    return ", ".join(parts)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def worker_grid(workers: Sequence[WorkerInfo]) -> Grid:
    """Return the rows of the table of workers."""
    hosts = len({worker.host for worker in workers}) > 1
    header = ["worker", *(["host"] if hosts else []), "status", "threads", "data", "process", "limit"]
    rows = [
        [
            printable(short_name(worker.name)),
            *([printable(worker.host)] if hosts else []),
            worker.status,
            str(worker.nthreads),
            format_bytes(worker.managed) + (f" + {format_bytes(worker.spilled)} on disk" if worker.spilled else ""),
            format_bytes(worker.process),
            format_bytes(worker.memory_limit) if worker.memory_limit else "none",
        ]
        for worker in workers
    ]
    return Grid(header, rows, frozenset(range(len(header) - 4, len(header))))


def error_lines(error: MoorageError) -> list[str]:
    """Return an error as a reader sees it: what is wrong in a line, then what would work."""
    lines = [f"{type(error).__name__}: {error.message}", error.remedy]
    return [printable(line) for text in lines for line in text.splitlines()]


def printable(text: str) -> str:
    """Return `text` with characters that do not print, such as escapes and line breaks, spelled out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _text(grid: Grid) -> str:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, title in enumerate(grid.header):
        table.add_column(Text(title), justify="right" if index in grid.numeric else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*[Text(cell) for cell in row])
    out = StringIO()
    # A log has no width: leave room for a column per worker rather than fold numbers.
    width = max(get_terminal_size((160, 24)).columns, 100)
    Console(file=out, width=width, color_system=None, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines())


_TEMPLATE = """\
{% if headline %}<p>{{ headline }}{% if link %}, <a href="{{ link }}" target="_blank" rel="noopener">dashboard</a>\
{% endif %}</p>{% endif %}
{% if grid %}<table>
<thead><tr>\
{% for title in grid.header %}<th scope="col" style="text-align: left">{{ title }}</th>{% endfor %}\
</tr></thead>
<tbody>
{% for row in grid.rows %}<tr>{% for cell in row %}\
{% if loop.first %}<th scope="row" style="text-align: left">{{ cell }}</th>\
{% else %}<td style="text-align: {{ 'right' if loop.index0 in grid.numeric else 'left' }}; \
white-space: {{ 'nowrap' if cell|length < 24 else 'normal' }}">{{ cell }}</td>{% endif %}\
{% endfor %}</tr>
{% endfor %}</tbody>
</table>{% endif %}
{% for line in below %}<p>{{ line }}</p>{% endfor %}"""


@cache
def _template() -> Template:
    return Environment(autoescape=True, trim_blocks=True).from_string(_TEMPLATE)


def _page(grid: Grid | str, headline: str, link: str = "", below: Sequence[str] = ()) -> str:
    return _template().render(grid=grid, headline=headline, link=link, below=below)
