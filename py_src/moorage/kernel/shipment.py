"""What is about to be placed: found out about first, checked, then sent. A placement of several is all or none."""

from __future__ import annotations

import asyncio
import keyword
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask.base import tokenize
from distributed import Future

from moorage.errors import InputError, InvalidNameError
from moorage.kernel.assign import By, check_fit
from moorage.kernel.describe import describe_value
from moorage.kernel.parcel import Parcel, first_workers, needs
from moorage.kernel.structure import Structure
from moorage.kernel.waiting import SLOWEST_LINK, answer
from moorage.model import Placement, WorkerInfo
from moorage.protocol import PlaceItem, VariableRecord, placement_to_dict

if TYPE_CHECKING:
    from distributed import Client

    from moorage.kernel.link import SchedulerLink

_DIRECT = 1_000_000  # bytes above which data goes straight to the workers, where they can be reached
_SEND_SECONDS = 1  # of the search for the worker, which was there a moment ago; not of the transfer

NOTHING: Any = object()
"""The value of a shipment that only changes a placement."""


@dataclass(frozen=True, slots=True)
class How:
    """How something is placed; see `Verbs.scatter`, whose arguments these are."""

    whole: bool = False
    by: By = "cores"
    hash: bool = True
    direct: bool | None = None
    force: bool = False
    keep_origin: bool = True


@dataclass(slots=True)
class Shipment:
    """A variable that is ready to be placed or moved.

    Attributes
    ----------
    item : PlaceItem
        What is recorded on the scheduler.
    label : str
        What it is called in an error.
    parcel : Parcel
    firsts : list of str or None
        The worker that each key is sent to.
    held : dict of key to set of str
        Addresses of those that have it already.
    value : object
        The notebook's value, or `NOTHING`.
    keep_origin : bool
        Remember it, to send it again if it is lost.
    futures : dict of key to Future
        Of what has been sent.
    lives : list of Future
        Keep this client from letting go, meanwhile, of keys that somebody else here lets go of.
    """

    item: PlaceItem
    label: str
    parcel: Parcel
    firsts: list[str | None]
    held: dict[Any, set[str]]
    value: Any = NOTHING
    keep_origin: bool = False
    futures: dict[Any, Future[Any]] = field(default_factory=dict)
    lives: list[Future[Any]] = field(default_factory=list)


def check_name(name: object) -> None:
    """Check that a variable can have this name.

    Raises
    ------
    InvalidNameError
    """
    if name is not None and not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
        raise InvalidNameError(name)


def new(
    value: Any,
    name: str | None,
    owner: str,
    parcel: Parcel,
    held: dict[Any, set[str]],
    placement: Placement,
    infos: Sequence[WorkerInfo],
    how: How,
    *,
    origin: bool,
) -> Shipment:
    """Return what places `value`, packed as `parcel`. `origin`: this notebook can send it again."""
    typename, detail = describe_value(value)
    shown = name if name is not None else _name_of(parcel)
    item: PlaceItem = {
        "vid": f"{owner}:{shown}",
        "name": shown,
        "owner": owner,
        "keys": parcel.keys,
        "placement": placement_to_dict(placement),
        "structure": parcel.structure.to_dict(),
        "typename": typename,
        "detail": detail,
        "nbytes": parcel.nbytes,
        "origin": origin,
        "hold": name is not None,
    }
    firsts = first_workers(parcel, placement, how.by, infos)
    if parcel.structure.kind != "value":
        item["dealt"] = firsts
    return Shipment(item, name or typename or shown, parcel, firsts, held, value, how.keep_origin)


def again(
    record: VariableRecord,
    name: str,
    held: dict[Any, set[str]],
    placement: Placement,
    infos: Sequence[WorkerInfo],
    *,
    origin: bool,
) -> Shipment:
    """Return what gives a variable that is placed already another placement: nothing has to be sent."""
    keys = list(record["keys"])
    each = record["nbytes"] // max(1, len(keys))
    parcel = Parcel(Structure.from_dict(record["structure"]), [], keys, [each] * len(keys))
    item: PlaceItem = {
        "vid": record["vid"],
        "name": record["name"],
        "owner": record["owner"],
        "keys": keys,
        "placement": placement_to_dict(placement),
        "structure": record["structure"],
        "typename": record["typename"],
        "detail": record["detail"],
        "nbytes": [-1] * len(keys),
        "origin": origin,
        "hold": True,
    }
    return Shipment(item, name, parcel, first_workers(parcel, placement, "cores", infos), held)


def check_room(shipments: Sequence[Shipment], placement: Placement, infos: Sequence[WorkerInfo]) -> None:
    """Check that all shipments together fit where they would go.

    Raises
    ------
    DoesNotFitError
    """
    needed = Counter[str]()
    for shipment in shipments:
        dealt = "dealt" in shipment.item
        needed.update(needs(shipment.parcel, placement, shipment.firsts, shipment.held, infos, dealt=dealt))
    labels = [shipment.label for shipment in shipments]
    check_fit(labels[0] if len(labels) == 1 else f"Placing {', '.join(labels)}", needed, infos)


def check_futures(futures: Sequence[Future[Any]], client: Client) -> None:
    """Check that futures stand for something on the cluster of `client`.

    Raises
    ------
    InputError
    """
    for future in futures:
        theirs = future.client
        if theirs is not client and theirs.scheduler_info().get("id") != client.scheduler_info().get("id"):
            raise InputError(
                f"The future {future.key!r} belongs to another cluster.", "Gather its value, and place that."
            )
        if future.status in ("cancelled", "error", "lost"):
            raise InputError(
                f"The future {future.key!r} has no value to place: its status is {future.status}.",
                "Compute it again, and place the result.",
            )


async def send(
    shipment: Shipment, link: SchedulerLink, infos: Sequence[WorkerInfo], direct: bool | None, reachable: bool
) -> None:
    """Send one copy of what the cluster lacks, and note the futures of what was sent.

    What cannot be sent now, because no worker is there or one has just left, is asked for by the scheduler later.

    Parameters
    ----------
    shipment : Shipment
    link : SchedulerLink
        Of the client that sends.
    infos : sequence of WorkerInfo
    direct : bool or None
        Send to the workers rather than through the scheduler; None: if it is much.
    reachable : bool
        Whether this process can connect to workers.
    """
    parcel, client, images = shipment.parcel, link.client, link.images
    if parcel.futures:
        shipment.futures = dict(zip(parcel.keys, parcel.futures, strict=True))
        return
    addresses = {info.name: info.address for info in infos}
    loads: dict[str, dict[Any, Any]] = {}
    types: dict[Any, type] = {}
    for key, item, image, first in zip(parcel.keys, parcel.items, parcel.images, shipment.firsts, strict=True):
        if first is not None and not shipment.held.get(key):
            loads.setdefault(addresses[first], {})[key] = images.carry(item, image)
            types[key] = type(item)
    if loads:
        await images.install()
    nbytes = sum(parcel.nbytes)
    if direct is None:
        direct = reachable and nbytes > _DIRECT
    if direct and loads:
        await link.sending({address: list(load) for address, load in loads.items()})
    more = _SEND_SECONDS + nbytes / SLOWEST_LINK
    sent = await asyncio.gather(
        *(
            answer(client, client._scatter(data, [address], direct=direct, timeout=_SEND_SECONDS, hash=False), more)
            for address, data in loads.items()
        ),
        return_exceptions=True,
    )
    failed = [address for address, one in zip(loads, sent, strict=True) if not isinstance(one, dict)]
    if direct and failed:
        link.broken_off(failed)
    for one in sent:
        if isinstance(one, dict):
            shipment.futures.update(one)
            for key in one:
                client.futures[key].finish(type=types[key])  # rather than that of a carrier
        elif not isinstance(one, OSError | TimeoutError | KeyError):  # a worker that has left meanwhile
            raise one


def _name_of(parcel: Parcel) -> str:
    """Return what an unnamed variable is called: the same for the same keys, and for no others."""
    if len(parcel.keys) == 1:
        return str(parcel.keys[0])
    return f"{parcel.structure.kind}-{tokenize(parcel.keys)}"
