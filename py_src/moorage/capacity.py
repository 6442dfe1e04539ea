"""What fits where: on each worker what it has for itself, on each host what its workers share. Pure.

The one source for what is placed, previewed (``labextension/src/store/preview.ts`` says the same) and moved away.
Memory has two bounds. A worker's limit bounds what the worker has for itself, and what it shares with others is not
that. A host holds what its workers share once, however many map it, and what each has for itself besides: what the
machine has left, or the control groups of the workers leave them, bounds both together (`WorkerInfo.host_free`).

The limits are not quite without a say in what is shared. A value that is too large for any one worker is held to be
wanted only as long as the workers of a host have that much left together before they would begin to spill: a slip in a
size must not fill the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import dask.config
from dask.utils import format_bytes

from moorage.errors import DoesNotFitError
from moorage.model import WorkerInfo
from moorage.naming import short_name


@dataclass(slots=True)
class Needs:
    """Bytes that something would take."""

    private: dict[str, int] = field(default_factory=dict)  # worker name -> bytes that the worker would have for itself
    shared: dict[str, int] = field(default_factory=dict)  # host -> bytes that its workers would share

    def add(self, other: Needs) -> None:
        """Add what something else would take."""
        for mine, theirs in ((self.private, other.private), (self.shared, other.shared)):
            for where, nbytes in theirs.items():
                mine[where] = mine.get(where, 0) + nbytes


def usable() -> float:
    """Return what a placement may fill of a worker's memory limit: up to where it pauses, or else is ended.

    These are the settings ``distributed.worker.memory.pause`` and ``terminate``, as this process has them.
    """
    settings = (dask.config.get(f"distributed.worker.memory.{name}", None) for name in ("pause", "terminate"))
    return next((float(share) for share in settings if share), 1.0)


def unspilled() -> float:
    """Return what of a worker's memory limit it fills before it begins to write data to disk.

    This is the setting ``distributed.worker.memory.spill``, as this process has it, or else `usable`.
    """
    share = dask.config.get("distributed.worker.memory.spill", None)
    return float(share) if share else usable()


def most(worker: WorkerInfo, share: float | None = None) -> float:
    """Return the bytes that a worker can have for itself; infinite without a limit.

    `share`: of its limit; `usable` by default.
    """
    return (usable() if share is None else share) * worker.memory_limit if worker.memory_limit else math.inf


def free(worker: WorkerInfo, share: float | None = None) -> float:
    """Return the bytes that a worker can take for itself, less than 0 if it has too much; `share` as in `most`."""
    return most(worker, share) - max(worker.process, worker.managed)


def together(workers: Iterable[WorkerInfo]) -> dict[str, float]:
    """Return the bytes that the workers of each host have left together before they spill, less what they share."""
    share = unspilled()
    rooms: dict[str, float] = {}
    for worker in workers:
        rooms[worker.host] = rooms.get(worker.host, -worker.host_shared) + max(0.0, free(worker, share))
    return rooms


def host_free(workers: Iterable[WorkerInfo]) -> dict[str, float]:
    """Return the bytes that each host has left; infinite where no worker has said."""
    rooms: dict[str, float] = {}
    for worker in workers:
        said = worker.host_free if worker.host_free >= 0 else math.inf
        rooms[worker.host] = min(rooms.get(worker.host, math.inf), said)
    return rooms


def fits_as_shared(nbytes: int, worker: WorkerInfo, rooms: Mapping[str, float]) -> bool:
    """Whether memory of its host may be taken for a value that `worker` maps; see the module's text.

    `nbytes`: of the value. `rooms`: from `together`.
    """
    return nbytes <= max(most(worker), rooms.get(worker.host, 0.0))


def check(label: str, needs: Needs, workers: Sequence[WorkerInfo]) -> None:
    """Check that each worker and each host can take what it would get.

    `label`: what it is, for the error. Raises DoesNotFitError, which names each worker that cannot take its part, with
    what it has, and who could; or the host.
    """
    share = usable()
    takers = [worker for worker in workers if worker.name in needs.private]
    short = [worker.name for worker in takers if needs.private[worker.name] > max(0.0, free(worker, share))]
    if short:
        rooms = {worker.name: max(0.0, free(worker, share)) for worker in workers}
        _refuse(label, max(needs.private[name] for name in short), short, rooms)
    hosts = host_free(workers)
    in_all = dict(needs.shared)
    for worker in workers:
        in_all[worker.host] = in_all.get(worker.host, 0) + needs.private.get(worker.name, 0)
    for host, need in in_all.items():
        if need and need > hosts.get(host, math.inf):
            raise DoesNotFitError(
                f"{label} needs {format_bytes(need)} of the memory of host {host}, "
                f"which has {format_bytes(int(hosts[host]))} free.",
                "Release something, use more hosts, or force it: --force, force=True.",
            )


def _refuse(label: str, need: int, short: Sequence[str], rooms: Mapping[str, float]) -> None:
    numbers = ", ".join(
        f"{short_name(worker)} has {format_bytes(int(rooms[worker]))} free" for worker in sorted(short)[:5]
    )
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    able = sorted(worker for worker, room in rooms.items() if room >= need)
    if able:
        where = f"It would fit on {', '.join(map(short_name, able[:10]))}. "
    else:
        roomiest = max(rooms, key=lambda worker: rooms[worker])
        where = f"The most that a worker has free is {format_bytes(int(rooms[roomiest]))} ({short_name(roomiest)}). "
    raise DoesNotFitError(
        f"{label} needs {format_bytes(need)} on each worker that takes it, but {numbers}{more}.",
        f"{where}Use more or larger workers, release something, or force it: --force, force=True "
        "(the workers then spill other data to disk, or pause).",
    )
