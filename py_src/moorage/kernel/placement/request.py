"""What is about to be placed: found out about first, checked, then sent. A placement of several is all or none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dask.base import tokenize
from distributed import Future
from distributed.comm.core import CommClosedError
from distributed.protocol.serialize import to_serialize
from distributed.utils import offload

from moorage._dask.client import finish, scatter_to
from moorage.errors import InputError, UnreachableError
from moorage.kernel.images.steady import AT_ONCE, Witness, snapshot
from moorage.kernel.parts.named import collection_of
from moorage.kernel.placement.assign import By
from moorage.kernel.placement.elements import Elements
from moorage.kernel.placement.structure import Structure
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.kernel.values.describe import describe_value
from moorage.kernel.values.keys import is_writable
from moorage.kernel.waiting import SLOWEST_LINK, answer
from moorage.kernel.works import arriving
from moorage.model import Anywhere, OnWorkers, Placement
from moorage.wire.scheduler import Load, PlaceItem, VariableRecord, placement_to_dict

if TYPE_CHECKING:
    from moorage.images.format import Image
    from moorage.images.segment import Handle
    from moorage.kernel.connection.scheduler_link import SchedulerLink
    from moorage.kernel.images.hosts import OnBytes
    from moorage.kernel.images.sharing import Shared

logger = logging.getLogger(__name__)

_DIRECT = 1_000_000  # bytes above which data goes straight to the workers, where they can be reached
_SEND_SECONDS = 1  # of the search for the worker, which was there a moment ago; not of the transfer

NOTHING: Any = object()
"""The value of a request that only changes a placement."""


@dataclass(frozen=True, slots=True)
class How:
    """How something is placed; see `ClusterController.scatter`, whose arguments these are."""

    whole: bool = False
    by: By = "cores"
    hash: bool = True
    direct: bool | None = None
    force: bool = False
    keep_origin: bool = True
    rebind: bool = False
    writable: bool = False
    like: Any = None  # its keys, once they are known
    beside: str = ""  # what these are called
    durable: bool | None = None  # have its notebook write it to files; None: as before
    lasts: float | None = None  # seconds after which it is let go
    described: tuple[str, str] | None = None  # its type, and its shape or length, if they are known
    ever: Collection[str] = ()  # workers that it may wait for, although this cluster has never had them


@dataclass(slots=True)
class PlacementRequest:
    """A variable that is ready to be placed or moved."""

    item: PlaceItem  # what is recorded on the scheduler
    label: str  # what it is called in an error
    elements: Elements
    firsts: list[str | None]  # the worker that each key is sent to
    held: dict[Any, set[str]]  # addresses of those that have it already
    value: Any = NOTHING  # the notebook's value, or `NOTHING`
    keep_origin: bool = False  # remember it, to send it again if it is lost
    futures: dict[Any, Future[Any]] = field(default_factory=dict)  # of what has been sent
    small: bool = False  # it goes in the message that places it
    along: bool = False  # in that message goes where it lies, in memory that all workers can map which should have it
    # of each key that is about to be placed: keep this client from letting go, meanwhile, of keys that somebody else
    # here lets go of
    lives: list[Future[Any]] = field(default_factory=list)


def new(
    value: Any,
    name: str | None,
    owner: str,
    elements: Elements,
    held: dict[Any, set[str]],
    to: ResolvedPlacement,
    how: How,
    *,
    origin: bool,
) -> PlacementRequest:
    """Return what places `value`, packed as `elements`. `origin`: this notebook can send it again."""
    typename, detail = how.described or describe_value(value, parts=bool(collection_of(name)))
    if not how.described and any(map(is_writable, elements.keys)):
        detail = f"{detail}, writable" if detail else "writable"
    shown = name if name is not None else _name_of(elements)
    item: PlaceItem = {
        "vid": f"{owner}:{shown}",
        "name": shown,
        "owner": owner,
        "keys": elements.keys,
        "placement": placement_to_dict(to.placement),
        "structure": elements.structure.to_dict(),
        "typename": typename,
        "detail": detail,
        "nbytes": elements.nbytes,
        "origin": origin,
        "hold": name is not None,
    }
    _check_like(how.like, elements)
    _note(how, item)
    if how.durable and name is None:
        raise InputError(
            "Only a named variable can be durable: without a name, its files could not be found again.", "Name it."
        )
    firsts = _firsts(elements, to, how.by)
    if elements.structure.kind == "collection":
        _spread(item, to.placement, how)
    elif elements.structure.kind != "value":
        item["dealt"] = firsts
    return PlacementRequest(item, name or typename or shown, elements, firsts, held, value, how.keep_origin)


def again(
    record: VariableRecord,
    name: str,
    held: dict[Any, set[str]],
    to: ResolvedPlacement,
    how: How | None = None,
    *,
    origin: bool,
) -> PlacementRequest:
    """Return what gives a variable that is placed already another placement: nothing has to be sent.

    Without `how` it goes on as it is, until when it would.
    """
    keys = list(record["keys"])
    each = record["nbytes"] // max(1, len(keys))
    elements = Elements(Structure.from_dict(record["structure"]), [], keys, [each] * len(keys))
    item: PlaceItem = {
        "vid": record["vid"],
        "name": record["name"],
        "owner": record["owner"],
        "keys": keys,
        "placement": placement_to_dict(to.placement),
        "structure": record["structure"],
        "typename": record["typename"],
        "detail": record["detail"],
        "nbytes": [-1] * len(keys),
        "origin": origin,
        "hold": True,
    }
    if how is None:
        item["until"], item["durable"] = record["until"], bool(record["durable"])
    how = how or How()
    _note(how, item)
    _check_like(how.like, elements)
    if elements.structure.kind == "collection":
        _spread(item, to.placement, how)
    return PlacementRequest(item, name, elements, _firsts(elements, to, "cores"), held)


def _note(how: How, item: PlaceItem) -> None:
    """Note how long something is to stay, and in files, too."""
    if how.lasts is not None:
        item["lasts"] = how.lasts
    if how.durable is not None:
        item["durable"] = how.durable
    if how.durable and any(map(is_writable, item["keys"])):
        raise InputError(
            f"{item['name']} cannot be durable: tasks may write to it, and what they write is each worker's own.",
            "Leave out --writable, or save it when it is worth it: %save.",
        )


def _firsts(elements: Elements, to: ResolvedPlacement, by: By) -> list[str | None]:
    """Return the worker to which each element is sent first; of a collection nothing is: the scheduler deals it out."""
    if elements.structure.kind == "collection":
        return [None] * len(elements.keys)
    return to.firsts(elements.nbytes, by, whole=elements.structure.kind == "value")


def _check_like(like: Sequence[Any] | None, elements: Elements) -> None:
    """Raise InputError unless what is placed can be kept beside the keys `like`, part by part."""
    if like and elements.structure.kind != "collection":
        raise InputError(
            "Only a Dask collection has parts that can be kept beside those of another one.", "Leave out --like, like=."
        )
    if like and len(like) != len(elements.keys):
        raise InputError(
            f"It has {len(elements.keys)} parts, and the collection that it should be like has {len(like)}.",
            "Repartition or rechunk one of them first, so that their parts match.",
        )


def _spread(item: PlaceItem, placement: Placement, how: How) -> None:
    """Let the scheduler deal out the parts of a collection, unless the placement leaves nothing to deal."""
    each_once = isinstance(placement, Anywhere) and placement.copies == 1
    if each_once or (isinstance(placement, OnWorkers) and not placement.each):
        item["spread"] = "blocks" if how.by in ("blocks", "workers") else "memory"
        item["like"] = list(how.like or ())
        item["beside"] = how.beside


async def send_all(
    requests: Sequence[PlacementRequest],
    link: SchedulerLink,
    to: ResolvedPlacement,
    how: How,
    reachable: bool,
    known: dict[str, tuple[int, int]],
    broken_off: asyncio.Event,
    kept: contextlib.ExitStack,
) -> list[Load]:
    """Send what is not small; return what goes with the message that places it instead. See `send` and `arriving`."""
    along: list[Load] = []
    for one in requests:
        if one.value is not NOTHING and not one.small and not broken_off.is_set():
            with arriving(one.label, known, partial(link.changed, "arriving")) as progress:
                along += await send(one, link, to, how.direct, reachable, progress, broken_off, kept)
    return along


async def send(
    request: PlacementRequest,
    link: SchedulerLink,
    to: ResolvedPlacement,
    direct: bool | None,
    reachable: bool,
    progress: OnBytes,
    broken_off: asyncio.Event,
    kept: contextlib.ExitStack,
) -> list[Load]:
    """Send one copy of what the cluster lacks, and note the futures of what was sent.

    What lies in memory that workers share costs nothing to send, so all that should have it get it at once: where all
    of them can map it, with the message that places it. What cannot be sent now, because no worker is there or one has
    just left, is asked for by the scheduler later. Returns what goes with the message that places it; the request is
    `along` then.

    Parameters
    ----------
    link : SchedulerLink
        Of the client that sends.
    direct : bool or None
        Send to the workers rather than through the scheduler; None: if it is much.
    reachable : bool
        Whether this process can connect to workers.
    progress : callable
        Called with the bytes that other hosts have by now, and with all that they should, while that takes time.
    broken_off : Event
        Nobody needs it any more: what is on its way to other hosts is stopped, and no more is sent.
    kept : ExitStack
        Keeps what is shared as it is until the placement is recorded.
    """
    elements = request.elements
    if elements.futures:
        request.futures = dict(zip(elements.keys, elements.futures, strict=True))
        return []
    firsts = zip(elements.keys, elements.items, elements.images, request.firsts, strict=True)
    lacking = [
        _Lacking(key, item, image, to.view.by_name[first])
        for key, item, image, first in firsts
        if first is not None and not request.held.get(key)
    ]
    if not lacking:
        return []
    await link.images.install()
    each = to.each() or set()
    images = [one.image for one in lacking]
    with contextlib.ExitStack() as shares:
        shared = shares.enter_context(await link.images.sharing.share(images, to.view.running))
        if direct is None:
            handles = [[shared.segment(one.image, near) for near in each or [one.first]] for one in lacking]
            if all(map(all, handles)):
                kept.push(shares.pop_all())
                request.along = True
                return _along(lacking, [there[0] for there in handles], link, everywhere=bool(each))
        if direct is not False:  # otherwise who gets it first sends it on to the other hosts
            await link.images.hosts.spread(shared, images, each, progress, broken_off)
        if broken_off.is_set():
            return []
        loads: dict[str, list[_Lacking]] = {}
        for one in lacking:
            for address in [near for near in each if shared.segment(one.image, near)] or [one.first]:
                loads.setdefault(address, []).append(one)
        sending = _Sending(link, shared, direct, reachable)
        each_sent = (sending.send(address, load) for address, load in loads.items())
        sent = await asyncio.gather(*each_sent, return_exceptions=True)
    for futures in sent:
        if isinstance(futures, BaseException):
            raise futures
        request.futures.update(futures)
    return []


def _along(
    lacking: Sequence[_Lacking], handles: Sequence[Handle | None], link: SchedulerLink, *, everywhere: bool
) -> list[Load]:
    """Return what goes with the message that places it, of what lies in memory that all can map who should have it."""
    loads: dict[str | None, Load] = {}
    for one, handle in zip(lacking, handles, strict=True):
        to = None if everywhere else one.first
        load = loads.setdefault(to, {"keys": [], "nbytes": 0, "to": to, "values": {}})
        load["keys"].append(one.key)
        load["nbytes"] += len(one.image.stream)
        carried = link.images.carry(one.value, one.image, handle, writable=is_writable(one.key))
        load["values"][one.key] = to_serialize(carried)
    return list(loads.values())


def let_go(requests: Sequence[PlacementRequest], work: asyncio.Future[None]) -> None:
    """Let go of what nobody waits for any more, and note how that ended."""
    for one in requests:
        one.futures.clear()
        one.lives.clear()
    if not work.cancelled() and (error := work.exception()) is not None:
        logger.info("A placement that was broken off has failed: %s", error)


class _Lacking(NamedTuple):
    """Something that the cluster lacks."""

    key: Any
    value: Any
    image: Image
    first: str  # address


@dataclass(frozen=True)
class _Sending:
    """How things are sent to workers."""

    link: SchedulerLink
    shared: Shared
    direct: bool | None
    reachable: bool

    async def send(self, address: str, load: Sequence[_Lacking]) -> dict[Any, Future[Any]]:
        """Send a load to a worker, and return the futures of what has arrived."""
        segments = {one.key: self.shared.segment(one.image, address) for one in load}
        left = (TimeoutError, KeyError, CommClosedError, UnreachableError)  # a worker that has left meanwhile
        with contextlib.suppress(*left, OSError):
            try:
                return await self._scatter(address, load, segments)
            except left:
                raise
            except Exception:
                if not any(segments.values()):
                    raise
            # it could not map what it could have mapped a moment ago; where others have a copy it comes from them
            rest = [one for one in load if one.first == address]
            return await self._scatter(address, rest, {}) if rest else {}
        return {}

    async def _scatter(
        self, address: str, load: Sequence[_Lacking], segments: Mapping[Any, Handle | None]
    ) -> dict[Any, Future[Any]]:
        client, images = self.link.client, self.link.images
        sent_whole = [] if images.in_process else [one for one in load if segments.get(one.key) is None]
        small = {one.key: snapshot(one.image) for one in sent_whole if one.image.nbytes <= AT_ONCE}
        large = [one.image for one in sent_whole if one.key not in small]
        witnesses = await offload(lambda: [Witness(image) for image in large]) if large else []
        data = {
            one.key: images.carry(
                one.value, small.get(one.key, one.image), segments.get(one.key), writable=is_writable(one.key)
            )
            for one in load
        }
        nbytes = sum(one.image.nbytes for one in sent_whole)
        direct = self.reachable and nbytes > _DIRECT if self.direct is None else self.direct
        if direct:
            await self.link.sending({address: list(data)})
        sent = scatter_to(client, data, address, direct=direct, timeout=_SEND_SECONDS)
        try:
            futures = await answer(client, sent, _SEND_SECONDS + nbytes / SLOWEST_LINK)
        except BaseException:
            if direct:
                self.link.broken_off([address])
            raise
        for witness in witnesses:
            await offload(witness.check)
        for one in load:
            finish(client, one.key, type(one.value))  # rather than that of a carrier
        return futures


def _name_of(elements: Elements) -> str:
    """Return what an unnamed variable is called: the same for the same keys, and for no others."""
    if len(elements.keys) == 1:
        return str(elements.keys[0])
    return f"{elements.structure.kind}-{tokenize(elements.keys)}"
