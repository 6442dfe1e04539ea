"""How `Transfers` is shown: what would have saved them, then a table by name and one by worker. Pure."""

from __future__ import annotations

from dask.utils import format_bytes, format_time

from moorage.jupyter.display import Bundle, Grid, printable, table
from moorage.jupyter.memory_view import KINDS
from moorage.kernel.transfers.moved import Moved, Transfer, Transfers

_ROWS = 10
_ROUTES = 3  # named in a row

HOW = {
    "fetched": "fetched",
    "gathered": "to the client",
    "pieces": "placed on hosts",
    "shuffled": "shuffled",
}


def report(transfers: Transfers, *, everything: bool = False) -> Bundle:
    """Return what has moved, by name and by worker; `everything`: with small entries, too."""
    lines = [printable(line) for line in transfers.summary()]
    tables = [table(_by_name(transfers, everything), lines)]
    if transfers.rows:
        tables.append(table(_by_worker(transfers, everything)))
    return {
        "text/plain": "\n\n".join(each["text/plain"] for each in tables),
        "text/html": "\n".join(each["text/html"] for each in tables),
    }


def _by_name(transfers: Transfers, everything: bool) -> Grid:
    grouped: dict[tuple[str, str, str], list[Transfer]] = {}
    for row in transfers.rows:
        grouped.setdefault((row.name, row.kind, row.how), []).append(row)
    groups = sorted(grouped.items(), key=lambda one: -_sum(one[1]).nbytes)
    shown = groups if everything else groups[:_ROWS]
    rows = [[name, KINDS[kind], HOW[how], *_numbers(_sum(some)), _routes(some)] for (name, kind, how), some in shown]
    if rest := [row for _, some in groups[len(shown) :] for row in some]:
        rows.append([f"{len(groups) - len(shown)} more", "", "", *_numbers(_sum(rest)), ""])
    header = ["name", "is", "how", "moved", "mapped", "took", "transfers", "from and to"]
    return Grid(header, [[printable(cell) for cell in row] for row in rows], frozenset({3, 4, 5, 6}))


def _by_worker(transfers: Transfers, everything: bool) -> Grid:
    places = dict.fromkeys([*transfers.workers, *transfers.sent, *transfers.received])
    moved = {place: (transfers.sent.get(place, Moved()), transfers.received.get(place, Moved())) for place in places}
    order = sorted(moved.items(), key=lambda one: -(one[1][0].nbytes + one[1][1].nbytes))
    shown = order if everything else order[:_ROWS]
    rows = [[place, *_sent_or_received(sent), *_sent_or_received(received)] for place, (sent, received) in shown]
    if len(order) > len(shown):
        rows.append([f"{len(order) - len(shown)} more", "", "", "", ""])
    header = ["worker", "sent", "in", "received", "in"]
    return Grid(header, [[printable(cell) for cell in row] for row in rows], frozenset({1, 2, 3, 4}))


def _sum(rows: list[Transfer]) -> Moved:
    return Moved(
        sum(row.nbytes for row in rows),
        sum(row.mapped for row in rows),
        sum(row.seconds for row in rows),
        sum(row.number for row in rows),
    )


def _numbers(moved: Moved) -> list[str]:
    mapped = format_bytes(moved.mapped) if moved.mapped else "-"
    return [format_bytes(moved.nbytes), mapped, format_time(moved.seconds), str(moved.number)]


def _sent_or_received(moved: Moved) -> list[str]:
    return [format_bytes(moved.nbytes), format_time(moved.seconds)] if moved.number else ["-", "-"]


def _routes(rows: list[Transfer]) -> str:
    routes: dict[tuple[str, str], int] = {}
    for row in rows:
        routes[row.sender, row.receiver] = routes.get((row.sender, row.receiver), 0) + row.nbytes
    largest = sorted(routes.items(), key=lambda one: -one[1])
    words = [
        f"{sender} to {receiver} {format_bytes(nbytes) if nbytes else ''}".strip()
        for (sender, receiver), nbytes in largest[:_ROUTES]
    ]
    more = len(largest) - len(words)
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")
