"""From what is desired and what is observed to what to do next: copy, let go, or wait.

Pure functions of their arguments. Whoever calls them performs the actions, observes again and asks again; a state in
which there is nothing left to do gives an empty plan. What holds in every plan:

1. Copy first, let go after: a copy is let go only when every wanted worker that can take the key has it, and nothing
   of the key is on its way.
2. The last copy is never let go, nor one that a waiting task may be about to use.
3. A wanted worker that is not there, or is paused, holds nothing up: the others are served, and it becomes a `Wait`.
4. Large keys travel as a tree: a holder feeds at most `FANOUT` others at a time, neighbours on its own host first, and
   only one worker of a host fetches from another host while its neighbours wait for it.
5. Placed values of some size go to all such hosts at once instead, piece by piece, so that they cross each link once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple, TypeAlias

from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement, State, WorkerInfo
from moorage.naming import named, short_name

FANOUT = 2
"""Copies of a large key that one holder sends at the same time."""

SMALL = 1 << 20
"""Bytes below which a key goes to all its targets in one wave: a tree would only add round trips."""

_SMALL_SOURCES = 8

Key: TypeAlias = "str | int | float | tuple[Key, ...]"  # as in Dask
Address: TypeAlias = str
_NONE: frozenset[str] = frozenset()

NO_COPY = "no copy of it exists yet"
"""Why a key waits that is still to come."""


class ClusterView:
    """The workers of a cluster, with what `plan` looks up in them.

    `load`: address -> bytes it holds; the emptiest worker is chosen where there is a choice.
    """

    __slots__ = ("by_address", "by_host", "by_name", "load", "paused", "present", "running")

    def __init__(self, workers: Iterable[WorkerInfo], load: Callable[[Address], int] | None = None) -> None:
        self.by_address: dict[Address, WorkerInfo] = {}
        self.by_name: dict[str, Address] = {}
        self.by_host: dict[str, set[Address]] = {}
        for worker in workers:
            self.by_address[worker.address] = worker
            self.by_name[worker.name] = worker.address
            self.by_host.setdefault(worker.host, set()).add(worker.address)
        self.load = load or (lambda address: self.by_address[address].managed)
        #: Workers that may be wanted: all but those about to leave.
        self.present = frozenset(a for a, w in self.by_address.items() if w.status != "closing")
        #: Workers that accept copies now.
        self.running = frozenset(a for a, w in self.by_address.items() if w.status == "running")
        self.paused = frozenset(a for a, w in self.by_address.items() if w.status == "paused")

    def resolve(self, spec: str) -> frozenset[Address]:
        """Return the addresses that a worker name, its short form, a host, ``host:port`` or address stands for."""
        if spec in self.by_name:
            return frozenset({self.by_name[spec]})
        if spec in self.by_address:
            return frozenset({spec})
        if spec in self.by_host:
            return frozenset(self.by_host[spec])
        if name := named(spec, self.by_name):
            return frozenset({self.by_name[name]})
        return frozenset(a for a in self.by_address if a.endswith("://" + spec))

    def name(self, address: Address) -> str:
        """Return the name of the worker at `address`."""
        return self.by_address[address].name


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as observed."""

    key: Key
    nbytes: int  # size of one copy in bytes
    # addresses of the workers that have confirmed it. Where `lacking` is given it is only looked up and iterated in.
    holders: AbstractSet[Address]
    # target -> source of the copies that were asked for and are not confirmed yet
    in_flight: Mapping[Address, Address] = field(default_factory=dict)
    in_use: bool = False  # tasks are waiting for it, wherever copies of it are
    # for a key that should be everywhere and nothing else: the present workers that do not have it. With it a plan
    # takes time for these, not for all workers. None: to be found out.
    lacking: AbstractSet[Address] | None = None
    spreaders: Sequence[Address] = ()  # holders that can send it to several hosts at once
    # those of `in_flight` to which it is being sent that way; their sources have links to spare
    spreading: AbstractSet[Address] = _NONE
    whole: AbstractSet[Address] = _NONE  # workers that did not get it that way, and get it whole


class Replicate(NamedTuple):
    """Copy `key` to `targets` from any of `sources`; `spread`: from the one source to all at once, piece by piece."""

    key: Key
    targets: tuple[Address, ...]
    sources: tuple[Address, ...]
    spread: bool = False


class Drop(NamedTuple):
    """Let go of the copy of `key` on `worker`."""

    key: Key
    worker: Address


class Wait(NamedTuple):
    """`key` cannot be where it is wanted yet. `worker` is a name as asked for, or empty."""

    key: Key
    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What is to be done about one key, and how far it is from where it should be."""

    # `replicate`, `drop`, `wait`: the actions. Copies that are in flight already are not asked for again.
    replicate: tuple[Replicate, ...] = ()
    drop: tuple[Drop, ...] = ()
    wait: tuple[Wait, ...] = ()
    pending: frozenset[Address] = _NONE  # addresses that want the key and lack it
    surplus: frozenset[Address] = _NONE  # addresses that have it and are not wanted
    in_use: bool = False  # surplus copies stay as long as tasks may use them; ask again later
    moving: bool = False  # a copy is on its way, or can be at once

    @property
    def settled(self) -> bool:
        """Whether the key is exactly where it should be."""
        return not (self.pending or self.surplus or self.wait)


def plan_key(placements: Sequence[Placement], view: KeyView, cluster: ClusterView) -> KeyPlan:
    """Return what to do next about one key.

    `placements`: a key may belong to several variables; it should be wherever any of them wants it.
    """
    if view.lacking is not None and cluster.present:
        wanted, waits, pending, surplus = cluster.present, list[Wait](), frozenset(view.lacking), _NONE
    else:
        wanted, waits = _wanted(placements, view, cluster)
        pending = wanted - view.holders
        surplus = frozenset(view.holders & cluster.present) - wanted
    if not view.holders:
        no_copy = Wait(view.key, "", NO_COPY)
        return KeyPlan(wait=(*waits, no_copy), pending=pending)
    if pending:
        waits = [
            *waits,
            *(
                Wait(view.key, cluster.name(a), f"worker {short_name(cluster.name(a))} is paused")
                for a in sorted(pending & cluster.paused)
            ),
        ]
        missing = (pending & cluster.running) - view.in_flight.keys()
        if missing or view.in_flight:
            step = _replications(view, missing, cluster)
            return KeyPlan(replicate=step, wait=tuple(waits), pending=pending, surplus=surplus, moving=True)
    drop: tuple[Drop, ...] = ()
    if surplus and not wanted & view.holders:
        surplus = _NONE  # a refuge: it stays until a wanted worker has the key
    elif not view.in_flight and not view.in_use:
        drop = tuple(Drop(view.key, a) for a in sorted(surplus))
    if surplus and view.in_use:
        return KeyPlan(wait=tuple(waits), pending=pending, in_use=True)
    return KeyPlan(drop=drop, wait=tuple(waits), pending=pending, surplus=surplus)


def standing(plans: Iterable[KeyPlan], there: str) -> tuple[State, str]:
    """Return the state that the plans of a variable's keys add up to, and its reason.

    `plans`: those that are not settled. `there`: how much of it is where it should be, in words.
    """
    unsettled = list(plans)
    reasons = list(dict.fromkeys(w.reason for p in unsettled for w in p.wait))
    obstacles = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    if any(p.moving for p in unsettled):
        return "moving", there + (f"; {obstacles}" if reasons else "")
    if reasons:
        return "waiting", obstacles
    if any(p.pending for p in unsettled):
        return "moving", "a worker is about to begin"
    if unsettled:
        return "moving", "letting go of copies that are not wanted any more"
    return "held", ""


def _wanted(
    placements: Sequence[Placement], view: KeyView, cluster: ClusterView
) -> tuple[frozenset[Address], list[Wait]]:
    """Return the workers that should have the key, and what stands in the way of the others."""
    if not cluster.present:
        return _NONE, [Wait(view.key, "", "the cluster has no workers yet")]
    wanted: frozenset[Address] = _NONE
    waits: list[Wait] = []
    # Those that leave a choice come last, so that they are content with what the others want anyway.
    for placement in sorted(placements, key=_leaves_choice):
        match placement:
            case Everywhere():
                wanted |= cluster.present
            case OnWorkers(workers=specs, each=True):
                for spec in specs:
                    here = cluster.resolve(spec) & cluster.present
                    wanted |= here
                    if not here:
                        waits.append(Wait(view.key, spec, f"no worker {short_name(spec)} yet"))
            case OnWorkers(workers=specs):
                pool = frozenset[Address]().union(*map(cluster.resolve, specs)) & cluster.present
                wanted |= _choose(1, pool, wanted, view, cluster)
                if not pool:
                    waits.append(Wait(view.key, specs[0], f"no worker {' or '.join(map(short_name, specs))} yet"))
            case OnePerHost():
                for members in cluster.by_host.values():
                    wanted |= _choose(1, cluster.present & members, wanted, view, cluster)
            case Anywhere(copies=copies):
                wanted |= _choose(copies, cluster.present, wanted, view, cluster)
                if copies > len(cluster.present):
                    there = len(cluster.present)
                    waits.append(Wait(view.key, "", f"{copies} copies asked for, {there} workers there"))
    return wanted, waits


def _leaves_choice(placement: Placement) -> bool:
    return not isinstance(placement, Everywhere) and not (isinstance(placement, OnWorkers) and placement.each)


def _choose(
    copies: int, pool: frozenset[Address], wanted: frozenset[Address], view: KeyView, cluster: ClusterView
) -> frozenset[Address]:
    """Return `copies` workers of `pool`.

    Those `wanted` anyway come first, then those that have the key, then those it is on its way to, then the emptiest,
    on hosts that have no copy yet.
    """
    held = sorted((pool & view.holders) - wanted, key=lambda a: (a not in cluster.running, a))
    coming = sorted((pool & view.in_flight.keys()) - wanted - view.holders)
    chosen = [*sorted(pool & wanted), *held, *coming][:copies]
    if len(chosen) == copies:
        return frozenset(chosen)
    hosts = Counter(cluster.by_address[a].host for a in chosen)
    rest = pool - set(chosen)
    candidates = (rest & cluster.running) or rest
    while len(chosen) < copies and candidates:
        best = min(candidates, key=lambda a: (hosts[cluster.by_address[a].host], cluster.load(a), a))
        hosts[cluster.by_address[best].host] += 1
        chosen.append(best)
        candidates -= {best}
    return frozenset(chosen)


def _replications(view: KeyView, missing: frozenset[Address], cluster: ClusterView) -> tuple[Replicate, ...]:
    """Return the copies that can begin now; the others follow when these are confirmed."""
    if not missing:
        return ()
    if view.nbytes < SMALL:
        some = tuple(sorted(islice((a for a in view.holders if a in cluster.by_address), _SMALL_SOURCES)))
        return (Replicate(view.key, tuple(missing), some),) if some else ()

    busy = dict(Counter(source for target, source in view.in_flight.items() if target not in view.spreading))
    fed: dict[str, list[Address]] = {}  # hosts that want the key, and who has it there
    unfed: list[Address] = []  # one worker of each host that has no copy and gets none
    step: list[Replicate] = []
    for host, members in cluster.by_host.items():
        if not (wanting := missing & members):
            continue
        there = fed[host] = sorted(_holders_among(members, view, cluster))
        if not there:
            if members.isdisjoint(view.in_flight):
                unfed.append(min(wanting))
            continue
        targets = sorted(wanting)
        for source in there:
            if not targets:
                break
            sending = busy.get(source, 0)
            if now := tuple(targets[: max(0, FANOUT - sending)]):
                step.append(Replicate(view.key, now, (source,)))
                busy[source] = sending + len(now)
                del targets[: len(now)]
    if together := tuple(sorted(set(unfed) - view.whole)) if view.spreaders else ():
        spreads = Counter(view.in_flight[target] for target in view.spreading)
        source = min(view.spreaders, key=lambda a: (spreads[a], busy.get(a, 0)))
        step.append(Replicate(view.key, together, (source,), spread=True))
        unfed = [target for target in unfed if target in view.whole]
    if unfed:

        def sources() -> Iterator[Address]:
            elsewhere = (a for a in view.holders if a in cluster.by_address and cluster.by_address[a].host not in fed)
            for source in chain(*fed.values(), elsewhere):
                yield from [source] * (FANOUT - busy.get(source, 0))

        step += [
            Replicate(view.key, (target,), (source,)) for target, source in zip(sorted(unfed), sources(), strict=False)
        ]
    return tuple(step)


def _holders_among(members: AbstractSet[Address], view: KeyView, cluster: ClusterView) -> AbstractSet[Address]:
    """Return those of the workers of a host that have the key."""
    if view.lacking is None:
        return members & view.holders
    there = members - view.lacking
    return there if there <= cluster.present else {a for a in there if a in cluster.present or a in view.holders}
