"""Where something should go: from Dask's many forms of ``workers=`` and ``broadcast=`` to workers that there are."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from moorage.errors import InputError, UnknownWorkerError
from moorage.kernel.placement.assign import By, assign
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement, WorkerInfo
from moorage.plan import ClusterView

_LOOKUP_SECONDS = 3.0


def worker_list(workers: Any) -> list[str] | None:
    """Return Dask's forms of `workers` as a list of strings: a name, host, address, ``(host, port)``, or several.

    Raises InputError if it is none of these.
    """
    if workers is None:
        return None
    specs = _specs(workers)
    if not specs or not all(specs):
        raise InputError(f"workers={workers!r} names no workers.", "Give names, hosts or addresses of workers.")
    return list(dict.fromkeys(specs))


def _specs(workers: Any) -> list[str]:
    if isinstance(workers, str | int):
        return [str(workers)]
    if isinstance(workers, tuple) and [*map(type, workers)] == [str, int]:
        return [f"{workers[0]}:{workers[1]}"]
    if isinstance(workers, list | tuple | set | frozenset):
        return [spec for worker in workers for spec in _specs(worker) or [""]]
    return []


def scatter_placement(workers: Sequence[str] | None, broadcast: Any, others: bool = False) -> Placement:
    """Return the placement that ``Client.scatter``'s `workers` and `broadcast` ask for.

    Raises InputError if `broadcast` is neither a truth value nor a number.
    """
    if broadcast is not None and (not isinstance(broadcast, int) or broadcast < 0):
        raise InputError(
            f"broadcast={broadcast!r} is not valid.", "Use True for every worker, or the number of copies."
        )
    if workers is not None:
        each = broadcast is True or (broadcast or 0) > 1
        chosen = workers if broadcast is True or not each else workers[:broadcast]
        return OnWorkers(tuple(chosen), each=each, allow_other_workers=others)
    return Everywhere() if broadcast is True else Anywhere(copies=max(1, broadcast or 0))


def check_placement(placement: object) -> None:
    """Check that a placement made by hand makes sense. Raises InputError."""
    match placement:
        case Everywhere() | OnePerHost():
            return
        case Anywhere(copies=int(copies)) if copies > 0:
            return
        case OnWorkers(workers=tuple(workers)) if workers and all(isinstance(worker, str) for worker in workers):
            return
    raise InputError(
        f"{placement!r} is not a placement.",
        'Use Anywhere(copies=1), Everywhere(), OnePerHost() or OnWorkers(("alice", "bob")).',
    )


class ResolvedPlacement:
    """A placement, and the workers that it means as they are now.

    `infos`: the workers there are. `view`: of these workers. `running`: those that may be given a key now.
    """

    def __init__(self, placement: Placement, infos: Sequence[WorkerInfo]) -> None:
        self.placement = placement
        self.infos = infos
        self.view = ClusterView(infos)
        self.running = [info for info in infos if info.status == "running"]
        if isinstance(placement, OnWorkers):  # as they are named, the first first
            chosen = [self.view.resolve(spec) for spec in placement.workers]
            named = [info for addresses in chosen for info in self.running if info.address in addresses]
            self.running = list(dict.fromkeys(named))

    def seen_by(self, infos: Sequence[WorkerInfo]) -> ResolvedPlacement:
        """Return it with what is known of the workers by now."""
        return self if infos is self.infos else ResolvedPlacement(self.placement, infos)

    def firsts(self, nbytes: Sequence[int], by: By, *, whole: bool) -> list[str | None]:
        """Return the worker, by name, to which each element of so many bytes is sent first; None while there is none.

        `whole`: they are one value, which goes where there is room rather than where there are cores.
        """
        if not self.running:
            return [None] * len(nbytes)
        return list(assign(nbytes, self.running, "memory" if whole and by == "cores" else by))

    def each(self, holders: Collection[str] = ()) -> set[str] | None:
        """Return the addresses of the running workers that each get every key; None if it is one for each key.

        Of each host it is, as in `moorage.plan`, the one of `holders` there, or else the emptiest.
        """
        match self.placement:
            case Everywhere():
                return set(self.view.running)
            case OnWorkers(each=True):
                return {info.address for info in self.running}
            case OnePerHost():
                hosts = [members & self.view.running for members in self.view.by_host.values()]
                return {
                    min(members, key=lambda a: (a not in holders, self.view.by_address[a].managed, a))
                    for members in hosts
                    if members
                }
        return None


async def known(
    placement: Placement, seen: Collection[str], workers: Callable[[], Awaitable[Sequence[WorkerInfo]]]
) -> Placement:
    """Return `placement`, checked, with the names of machines as the addresses that their workers go by.

    `seen`: names of workers that were there at some time, or are asked for: they may come. `workers`: asks for the
    workers there are, if that has to be known. Raises InputError if it is not a placement. Raises UnknownWorkerError if
    a worker is not one of these. As long as there are none at all, any name may be right.
    """
    check_placement(placement)
    if not isinstance(placement, OnWorkers) or set(placement.workers).issubset(seen):
        return placement
    infos = await workers()
    if not (infos or seen):
        return placement
    view = ClusterView(infos)
    specs = []
    for spec in placement.workers:
        if spec not in seen and not view.resolve(spec):
            found = [address for address in await _addresses(spec) if view.resolve(address)]
            if not found:
                raise UnknownWorkerError(spec, [info.name for info in infos] or seen)
            specs += found
        else:
            specs.append(spec)
    return replace(placement, workers=tuple(dict.fromkeys(specs)))


async def addresses(specs: Sequence[str], workers: Callable[[], Awaitable[Sequence[WorkerInfo]]]) -> list[str]:
    """Return the addresses of workers, and hosts as they are, since workers that join later count too.

    Raises UnknownWorkerError.
    """
    view = ClusterView(infos := await workers())
    placement: Any = await known(OnWorkers(tuple(specs)), (), workers)
    found = {a for spec in placement.workers for a in ([spec] if spec in view.by_host else view.resolve(spec))}
    if not found:
        raise UnknownWorkerError(specs[0], [info.name for info in infos])
    return sorted(found)


async def _addresses(spec: str) -> list[str]:
    """Return ``host`` or ``host:port`` with the numeric addresses of the host."""
    host, colon, port = spec.split("://")[-1].partition(":")
    try:
        lookup = asyncio.get_running_loop().getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
        answers = await asyncio.wait_for(lookup, _LOOKUP_SECONDS)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return [f"{address[0]}{colon}{port}" for *_, address in answers]
