"""What workers have answered put together: each transfer once, with names for keys and addresses. Pure.

A transfer between two workers stands in both logs: the sender's counts, and the receiver's where the sender is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from dask.utils import format_bytes

from moorage.kernel.ledger.memory import label
from moorage.kernel.transfers.advice import Fetched, savings
from moorage.kernel.transfers.moved import CLIENT, How, Moment, Transfer, Transfers
from moorage.model import natural
from moorage.wire.ledger import NameKind
from moorage.wire.transfers import Named, WorkerLogs, union

Place: TypeAlias = tuple[str, NameKind, str, bool, How, str, str]
"""What one row of the answer is of: name, kind, owner, whether it is mine, how it went, from where and to where."""


class Row(NamedTuple):
    """What has moved of a key; sender and receiver are addresses, or empty for a client."""

    key: Any
    how: How
    sender: str
    receiver: str
    nbytes: int
    mapped: int
    seconds: float
    number: int


def rows_of(logs: Mapping[str, WorkerLogs]) -> list[Row]:
    """Return what has moved, each transfer once. `logs`: by the worker's address."""
    mapped: dict[tuple[str, str, Any], int] = {}
    for address, way, other, key, nbytes, *_ in _told(logs):
        if way == "mapped":
            mapped[address, other, key] = nbytes
    rows = []
    for address, way, other, key, nbytes, seconds, count in _told(logs):
        match way:
            case "sent":
                there = min(nbytes, mapped.get((address, other, key), 0))
                how: How = "fetched" if other else "gathered"
                rows.append(Row(key, how, address, other, nbytes - there, there, seconds, count))
            case "received" if other not in logs:
                rows.append(Row(key, "fetched", other, address, nbytes, 0, seconds, count))
            case "pieces":
                rows.append(Row(key, "pieces", other, address, nbytes, 0, seconds, count))
            case "shuffled":
                rows.append(Row(key, "shuffled", address, other, nbytes, 0, seconds, count))
    return rows


def transfers_of(
    rows: Iterable[Row],
    logs: Mapping[str, WorkerLogs],
    named: Named,
    keys: Mapping[Any, int],
    owner: str,
    moment: Moment,
    since: Moment | None,
    silent: Collection[str] = (),
    settled: Mapping[str, Collection[str]] | None = None,
) -> Transfers:
    """Return the answer.

    Parameters
    ----------
    named : Named
        What the scheduler says of keys.
    keys : mapping of key to int
        Position of each in `named`.
    owner : str
        The notebook that asks.
    moment, since : Moment
        Now, and then.
    silent : collection of str
        Addresses of workers that are there and have not answered.
    settled : mapping of str to collection of str, optional
        Of placed variables: workers that have been given a copy on purpose.
    """
    labels = [label(name["kind"], name["labels"], name["mine"], owner) for name in named["names"]]
    known = {address: name for address, (name, _) in (since.workers if since is not None else {}).items()}
    known |= {address: name for address, (name, _) in moment.workers.items()} | {"": CLIENT}
    sums: dict[Place, list[float]] = {}
    for row in rows:
        at = named["of"][keys[row.key]]
        shown, whose = labels[at]
        name = named["names"][at]
        sender, receiver = known.get(row.sender, row.sender), known.get(row.receiver, row.receiver)
        place: Place = (shown, name["kind"], whose, name["mine"], row.how, sender, receiver)
        before = sums.setdefault(place, [0, 0, 0.0, 0])
        for column, more in enumerate((row.nbytes, row.mapped, row.seconds, row.number)):
            before[column] += more
    found = [
        Transfer(*place, int(nbytes), int(mapped), seconds, int(number))
        for place, (nbytes, mapped, seconds, number) in sums.items()
    ]
    found.sort(key=lambda one: -one.nbytes)
    fetched = [
        Fetched(keys[row.key], row.sender, row.receiver, row.nbytes)
        for row in rows
        if row.how == "fetched" and row.nbytes
    ]
    return Transfers(
        rows=tuple(found),
        workers=tuple(sorted((log["name"] for log in logs.values()), key=natural)),
        savings=tuple(savings(fetched, named, [shown for shown, _ in labels], known, settled or {})),
        warnings=tuple(_warnings(logs, known, since, silent)),
        lacking=sum(log["lacking"] for log in logs.values()),
        wall_seconds=sum(stop - start for start, stop in union(span for log in logs.values() for span in log["busy"])),
        elapsed=moment.time - since.time if since is not None else 0.0,
        moment=moment,
    )


def _told(logs: Mapping[str, WorkerLogs]) -> Iterator[tuple[Any, ...]]:
    for address, log in logs.items():
        rows = log["rows"]
        columns = (rows["way"], rows["other"], rows["key"], rows["nbytes"], rows["seconds"], rows["count"])
        for way, other, key, *numbers in zip(*columns, strict=True):
            yield address, way, other, _hashable(key), *numbers


def _hashable(key: Any) -> Any:
    """Return a key as it was before Dask's messages made lists of tuples."""
    return tuple(map(_hashable, key)) if isinstance(key, list) else key


def _warnings(
    logs: Mapping[str, WorkerLogs], known: Mapping[str, str], since: Moment | None, silent: Collection[str]
) -> Iterator[str]:
    """Yield what the numbers do not tell."""
    for address, log in logs.items():
        name = known.get(address, log["name"])
        if log["lacking"]:
            yield f"The log of {name} no longer tells of {format_bytes(log['lacking'])} that it sent: no row has them."
        elif log["overflown"]:
            yield f"The log of {name} does not reach back far enough: some of what it received is missing."
        if since is not None and address not in since.workers:
            yield f"{name} joined meanwhile, or did not answer at first: what it moved is counted by the clock."
        elif since is not None and not log["known"]:
            same = since.workers[address][1] == log["process"]
            what = "no longer knows the moment" if same else "was restarted"
            yield f"{name} {what}: what it moved is counted by the clock."
    for address in silent:
        yield f"{known.get(address, address)} does not answer: some of what it sent is not counted."
    for address in (since.workers if since is not None else {}).keys() - logs.keys() - set(silent):
        yield f"{known[address]} is gone, and so is its log: only what others fetched from it or sent it counts."
