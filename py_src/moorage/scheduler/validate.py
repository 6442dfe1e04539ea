"""What the scheduler knows of a placed key, side by side, and what must hold of it: the table of state per key.

=============  ==================================================  ==================================================
column         what it says                                        kept by
=============  ==================================================  ==================================================
``variables``  which variables want it, and where                  `Desired`
``holders``    who has it                                          Dask
``lacking``    who lacks it, if it should be everywhere            `Reconciler`, kept up to date by each event
``plan``       what is still to be done; None: all is as desired   `Reconciler`
``marked``     to be looked at again                               `Reconciler`
``in_use``     a copy too many is kept for a task that uses it     `Reconciler`
``assigned``   the worker it was given to, as long as that counts  `Reconciler`
``in_flight``  copies asked for: target -> source                  `Flights`
``senders``    clients that can send it; None: it can get lost     `Restorer`
``asked``      a client was asked to send it, until a time         `Restorer`
``avoid``      the worker that could not take it                   `Restorer`
``delivered``  the worker that its value is being sent to again    `Restorer`
``lost``       why it is lost, or empty                            `Restorer`
``mapped``     who has it in shared memory, and how much of it     `Shared`
=============  ==================================================  ==================================================

`check` is called where Dask checks itself as well: with ``distributed.scheduler.validate``, as tests set it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

from moorage.model import Everywhere
from moorage.plan import Address, Key, KeyPlan
from moorage.scheduler.keeping import pseudo_client

if TYPE_CHECKING:
    from distributed import Scheduler

    from moorage.scheduler.desired import Desired
    from moorage.scheduler.placement.reconcile import Reconciler
    from moorage.scheduler.recovery.restorer import Restorer
    from moorage.scheduler.shared import Shared


class Plugin(Protocol):
    """What of the plugin is looked at."""

    scheduler: Scheduler
    desired: Desired
    reconciler: Reconciler
    origins: Restorer
    shared: Shared


@dataclass(frozen=True, slots=True)
class KeyState:
    """A row of the table; see the head of this module."""

    key: Key
    variables: tuple[str, ...]
    holders: AbstractSet[Address]
    lacking: AbstractSet[Address] | None
    plan: KeyPlan | None
    marked: bool
    in_use: bool
    assigned: str | None
    in_flight: Mapping[Address, Address]
    senders: tuple[str, ...] | None
    asked: float | None
    avoid: Address | None
    delivered: Address | None
    lost: str
    mapped: Mapping[Address, int]


def state_of(plugin: Plugin, key: Key) -> KeyState:
    """Return all that is known of a key."""
    reconciler, origins = plugin.reconciler, plugin.origins
    ts = plugin.scheduler.tasks.get(key)
    senders = origins.senders.get(key)
    return KeyState(
        key=key,
        variables=plugin.desired.vids(key),
        holders=frozenset(ws.address for ws in ((ts and ts.who_has) or ())),
        lacking=reconciler.lacking.get(key),
        plan=reconciler.unsettled.get(key),
        marked=key in reconciler.marked,
        in_use=key in reconciler.in_use,
        assigned=reconciler.assigned.get(key),
        in_flight=reconciler.flights.of(key),
        senders=None if senders is None else tuple(senders),
        asked=origins.asked.get(key),
        avoid=origins.avoid.get(key),
        delivered=origins.delivering.get(key),
        lost=origins.lost.get(key, ""),
        mapped=plugin.shared.mapped.get(key, {}),
    )


def check(plugin: Plugin) -> None:
    """Check what must hold between two callbacks of the event loop. Raises AssertionError."""
    _check_desired(plugin)
    reconciler, origins = plugin.reconciler, plugin.origins
    known = {
        *reconciler.unsettled, *reconciler.assigned, *reconciler.lacking, *reconciler.in_use,
        *reconciler.flights.by_key, *origins.senders, *origins.lost, *origins.asked, *origins.avoid,
    }  # fmt: skip
    for key in known | plugin.desired.by_key.keys():
        _check_key(state_of(plugin, key), plugin)
    _check_flights(plugin)
    _check_shared(plugin)


def _check_desired(plugin: Plugin) -> None:
    desired, scheduler = plugin.desired, plugin.scheduler
    for vid, record in desired.records.items():
        assert record.vid == vid
        for key in record.keys:
            assert desired.by_key[key][vid] is record, f"{vid} does not own {key!r}"
            if record.hold and (ts := scheduler.tasks.get(key)) is not None:
                ours = scheduler.clients.get(pseudo_client(vid))
                assert ours is not None, f"nobody holds the keys of {vid}"
                assert ours in (ts.who_wants or ()), f"nobody holds {key!r} of {vid}"
    for key, records in desired.by_key.items():
        assert records, f"nobody wants {key!r}"
        assert all(desired.records[vid] is record and key in record.keys for vid, record in records.items())


def _check_key(state: KeyState, plugin: Plugin) -> None:
    assert state.variables, f"known, and of no variable: {state}"
    view = plugin.reconciler.view
    if state.lacking is not None:
        assert state.lacking == view.present - state.holders, f"who lacks it: {state}"
        everywhere = all(isinstance(placement, Everywhere) for placement in plugin.desired.placements(state.key))
        assert everywhere or state.marked, f"it should not be everywhere: {state}"
    assert state.holders.isdisjoint(state.in_flight), f"on its way to who has it: {state}"
    assert plugin.scheduler.workers.keys() >= state.in_flight.keys(), f"on its way to who is gone: {state}"
    assert state.delivered is None or state.delivered in plugin.scheduler.workers, f"sent to who is gone: {state}"
    assert not (state.lost and state.holders), f"lost, and there: {state}"


def _check_flights(plugin: Plugin) -> None:
    flights = plugin.reconciler.flights
    incoming, outgoing = Counter[Address](), Counter[Address]()
    for key, targets in flights.by_key.items():
        for target, flight in targets.items():
            incoming[target] += flight.nbytes
            outgoing[flight.source] += 1
            assert (flight.begun == inf) == (key in flights.queued.get(target, ())), f"asked for, or queued: {key!r}"
    assert +flights.incoming == +incoming, f"bytes on their way: {+flights.incoming}, not {+incoming}"
    assert +flights.outgoing == outgoing, f"copies on their way: {+flights.outgoing}, not {outgoing}"


def _check_shared(plugin: Plugin) -> None:
    """What is counted of shared memory adds up: of each worker, and of each host every segment once."""
    shared = plugin.shared
    workers, hosts = Counter[Address](), Counter[str]()
    for (host, _), copies in shared.copies.items():
        for address, (_, nbytes) in copies.items():
            workers[address] += nbytes
        hosts[host] += sum(dict(copies.values()).values())
    assert shared.counted == dict(+workers), f"shared by workers: {shared.counted}, not {+workers}"
    assert shared.of_hosts == dict(+hosts), f"shared on hosts: {shared.of_hosts}, not {+hosts}"
