"""Placing, moving, releasing and gathering variables: the verbs, for a notebook and for a plain script.

The verbs run on the client's event loop; `ClusterController` has their blocking forms. Placing means: take the value
apart, fingerprint it, check that it fits, remember it as the origin, send one copy of what the cluster does not have
yet, and record the placement. The scheduler does the rest (``moorage.scheduler``).
"""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dask.sizeof import sizeof
from dask.utils import parse_bytes
from distributed import Future
from distributed.utils import offload

from moorage import config
from moorage.errors import (
    InputError,
    InvalidNameError,
    LostError,
    UnknownVariableError,
    UnknownWorkerError,
    WaitTimeoutError,
)
from moorage.kernel.assign import By, check_fit
from moorage.kernel.describe import describe_value
from moorage.kernel.fingerprint import fingerprint
from moorage.kernel.link import SchedulerLink
from moorage.kernel.mirror import shown_names, state_of
from moorage.kernel.parcel import Parcel, first_workers, needs, pack
from moorage.kernel.placements import Placements
from moorage.kernel.structure import Structure, take_apart
from moorage.model import Anywhere, Everywhere, OnWorkers, Placement, PlacementState, WorkerInfo
from moorage.plan import ClusterView
from moorage.protocol import PlaceItem, VariableRecord, placement_to_dict

if TYPE_CHECKING:
    from distributed import Client

_DIRECT = 1_000_000  # bytes above which data goes straight to the workers, where they can be reached


@dataclass(slots=True)
class Placed:
    """What this notebook knows of a variable that it placed.

    Attributes
    ----------
    value : callable
        Returns the notebook's value, or None if it is gone.
    keys : list
        One for each element.
    rebound : bool
        The name means another object by now.
    changed : bool
        The content has been changed in place.
    """

    value: Callable[[], Any]
    keys: list[Any]
    rebound: bool = False
    changed: bool = False


_NOTHING: Any = object()


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
    needed : dict of str to int
        Bytes that each worker would get.
    value : object
        The notebook's value; absent when only the placement changes.
    keep_origin : bool
    futures : dict of key to Future
        Of what has been sent.
    """

    item: PlaceItem
    label: str
    parcel: Parcel
    firsts: list[str | None]
    held: dict[Any, set[str]]
    needed: dict[str, int]
    value: Any = _NOTHING
    keep_origin: bool = True
    futures: dict[Any, Future[Any]] = field(default_factory=dict)


class Placer:
    """The variables of one notebook on one cluster.

    Parameters
    ----------
    client : distributed.Client
    owner : str
        Label of this notebook.
    link : SchedulerLink
    direct : bool
        Whether this process can reach the workers.
    """

    def __init__(self, client: Client, owner: str, link: SchedulerLink, direct: bool = False) -> None:
        self.client = client
        self.owner = owner
        self.link = link
        self.origins = link.origins
        self.direct = direct
        self.placed: dict[str, Placed] = {}
        self._futures: dict[Any, Future[Any]] = {}

    # Placing

    async def place(
        self,
        value: Any,
        name: str | None,
        placement: Placement,
        *,
        whole: bool = False,
        by: By = "cores",
        hash: bool = True,
        direct: bool | None = None,
        force: bool = False,
        keep_origin: bool = True,
        timeout: str | float | None = None,
    ) -> Any:
        """Place `value` under `name` and wait, within bounds, until it is held.

        Parameters
        ----------
        value : object
        name : str or None
            None: the placement lasts as long as somebody has the futures.
        placement : Placement
        whole : bool
            Place a list, dict … as one value.
        by : str
            How elements are dealt out where the placement leaves that open; see `assign`.
        hash : bool
            Derive keys from the content, so that the same content is sent once; else they are random.
        direct : bool, optional
            Send to the workers rather than through the scheduler.
        force : bool
            Place it even if it does not fit.
        keep_origin : bool
            Remember the value, so that it can be sent again if its last copy is lost.
        timeout : str or float, optional
            Of the wait. When it runs out the placement stays recorded.

        Returns
        -------
        Future, or list, tuple, set, dict … of Futures
            As ``Client.scatter``.

        Raises
        ------
        InputError
            If the value cannot be placed, or name or workers are wrong. Nothing has changed.
        DoesNotFitError
            If a worker that would take it has no room for it. Nothing has changed.
        """
        infos = await self.link.workers()
        self._check_workers(placement, infos)
        shipment = await self._packed(value, name, placement, infos, whole=whole, by=by, hash=hash)
        shipment.keep_origin = keep_origin
        if not force:
            self._check_fit([shipment], infos)
        await self._carry_out([shipment], infos, direct, timeout)
        return shipment.parcel.structure.put_together([shipment.futures[key] for key in shipment.parcel.keys])

    async def move(
        self, names: Iterable[str], placement: Placement, *, force: bool = False, timeout: str | float | None = None
    ) -> None:
        """Give variables that are placed already another placement, all or none, and wait within bounds.

        Raises
        ------
        UnknownVariableError, UnknownWorkerError, DoesNotFitError
            Nothing has changed.
        """
        await self.place_together({}, names, placement, force=force, timeout=timeout)

    async def place_together(
        self,
        values: Mapping[str, Any],
        names: Iterable[str],
        placement: Placement,
        *,
        whole: bool = False,
        force: bool = False,
        timeout: str | float | None = None,
    ) -> None:
        """Place values of the notebook, and move what is placed already: all or none. Wait within bounds.

        Parameters
        ----------
        values : mapping of str to object
            Those that are what is placed under their name already, and unchanged, are only moved.
        names : iterable of str
            Variables that are placed already.
        placement : Placement
        whole, force, timeout
            As in `place`.

        Raises
        ------
        InputError, DoesNotFitError
            Nothing has changed.
        """
        infos = await self.link.workers()
        self._check_workers(placement, infos)
        shipments = [await self._unpacked(name, placement, infos) for name in names]
        for name, value in values.items():
            if await self._is_placed(name, value):
                shipments.append(await self._unpacked(name, placement, infos))
            else:
                shipments.append(await self._packed(value, name, placement, infos, whole=whole))
        if not force:
            self._check_fit(shipments, infos)
        await self._carry_out(shipments, infos, None, timeout)

    async def release(self, names: Iterable[str]) -> None:
        """Let variables go: no placement, and no copy unless somebody has futures of them.

        Raises
        ------
        UnknownVariableError
            Nothing has changed.
        """
        records = [self.record(name) for name in names]
        await self.link.release([record["vid"] for record in records])
        for record in records:
            self._forget(record)

    # Looking

    def record(self, name: str) -> VariableRecord:
        """Return what the scheduler said last of a variable.

        Raises
        ------
        UnknownVariableError
            Names those there are.
        """
        variables, _ = self.link.mirror.snapshot()
        names = shown_names(variables, self.owner)
        if name in names:
            return variables[names[name]]
        plain, at, owner = name.partition("@")
        if at and (record := variables.get(f"{owner}:{plain}")) is not None:
            return record
        raise UnknownVariableError(name, names)

    def names(self) -> list[str]:
        """Return the names of all variables, this notebook's first."""
        variables, _ = self.link.mirror.snapshot()
        return list(shown_names(variables, self.owner))

    def states(self, names: Iterable[str] | None = None) -> Placements:
        """Return where variables stand as far as is known here, without asking.

        Raises
        ------
        UnknownVariableError
        """
        variables, workers = self.link.mirror.snapshot()
        shown = shown_names(variables, self.owner)
        chosen = list(shown) if names is None else list(names)
        states: dict[str, PlacementState] = {}
        for name in chosen:
            if name not in shown:
                raise UnknownVariableError(name, shown)
            record = variables[shown[name]]
            mine = self.placed.get(name) if record["owner"] == self.owner else None
            states[name] = state_of(record, stale=mine is not None and (mine.rebound or mine.changed))
        return Placements(states, list(workers))

    async def look(self, names: Iterable[str] | None = None) -> Placements:
        """Return where variables stand now; values that were changed in place since are marked stale."""
        await self.link.refresh()
        for placed in list(self.placed.values()):
            placed.changed = await offload(self._has_changed, placed)
        return self.states(names)

    def note_rebound(self, namespace: Mapping[str, Any]) -> None:
        """Compare names with the objects that were placed under them. Takes microseconds."""
        for name, placed in list(self.placed.items()):
            value = placed.value()
            now = namespace.get(name, value)
            rebound = value is not None and now is not value and now is not self._futures.get(placed.keys[0])
            if rebound != placed.rebound:
                placed.rebound = rebound
                self.link.changed("variables")

    def note_gathered(self, name: str, value: Any) -> None:
        """Take `value`, just gathered and bound to `name` in the notebook, for what was placed: it is not stale.

        It is the variable's origin from now on, also if another process of this notebook, such as a kernel that was
        restarted, has placed it.
        """
        record = self.record(name)
        if record["owner"] != self.owner:
            return
        structure = Structure.from_dict(record["structure"])
        limit = parse_bytes(config.get("keep-origin"))
        if structure.kind not in ("set", "frozenset"):  # whose elements come back in no order
            items = [value] if structure.kind == "value" else take_apart(value)[1]
            for key, item in zip(record["keys"], items, strict=True):
                self.origins.remember(key, item, fingerprint(item, name), record["vid"], weak=sizeof(item) > limit)
        self.placed[name] = Placed(_reference(value, record["nbytes"] > limit), list(record["keys"]))

    # Bringing back

    async def gather(self, names: Sequence[str], timeout: str | float | None = None) -> list[Any]:
        """Return the values of variables.

        Raises
        ------
        UnknownVariableError
        LostError
            If a variable is lost.
        WaitTimeoutError
            If its value is not there in time.
        """
        await self.link.refresh()
        values = []
        for name in names:
            record = self.record(name)
            if record["state"] == "lost":
                raise LostError(
                    f"{name} cannot be gathered: {record['reason']}.",
                    f"Place it again: %scatter {name}, %broadcast {name} or %pin {name}.",
                )
            futures = [self.future_of(key, name) for key in record["keys"]]
            limit = config.seconds("wait-timeout", timeout)
            try:
                parts = await asyncio.wait_for(self.client._gather(futures), limit)
            except TimeoutError as error:
                raise WaitTimeoutError(
                    f"{name} did not arrive within {limit:g} s ({record['state']}: {record['reason']}).",
                    "Allow more time with timeout=, or see %placement.",
                ) from error
            values.append(Structure.from_dict(record["structure"]).put_together(parts))
        return values

    def futures(self, name: str) -> Any:
        """Return the futures of a variable in the shape in which it was placed."""
        record = self.record(name)
        structure = Structure.from_dict(record["structure"])
        return structure.put_together([self.future_of(key, name) for key in record["keys"]])

    def future_of(self, key: Any, name: str = "") -> Future[Any]:
        """Return a future of a key; the same one as long as it is good."""
        future = self._futures.get(key)
        if future is None or future.status == "cancelled" or future._generation != self.client.generation:
            future = Future(key, self.client)
            self.client._send_to_scheduler({"op": "client-desires-keys", "keys": [key], "client": self.client.id})
            if name in self.placed:
                self._futures[key] = future
        return future

    # Internals

    def _vid(self, name: str) -> str:
        return f"{self.owner}:{name}"

    async def _packed(
        self,
        value: Any,
        name: str | None,
        placement: Placement,
        infos: Sequence[WorkerInfo],
        *,
        whole: bool,
        by: By = "cores",
        hash: bool = True,
    ) -> Shipment:
        """Make `value` ready to be placed."""
        if name is not None and not name.isidentifier():
            raise InvalidNameError(name)
        parcel = await offload(self._pack, value, name, whole, hash)
        held = await self._who_has(parcel.keys)
        typename, detail = describe_value(value)
        item: PlaceItem = {
            "vid": self._vid(name if name is not None else str(parcel.keys[0])),
            "name": name if name is not None else str(parcel.keys[0]),
            "owner": self.owner,
            "keys": parcel.keys,
            "placement": placement_to_dict(placement),
            "structure": parcel.structure.to_dict(),
            "typename": typename,
            "detail": detail,
            "nbytes": parcel.nbytes,
            "origin": False,  # until it is known whether it is kept
            "hold": name is not None,
        }
        firsts = first_workers(parcel, placement, by, infos)
        needed = needs(parcel, placement, firsts, held, infos)
        return Shipment(item, name or typename, parcel, firsts, held, needed, value)

    async def _unpacked(self, name: str, placement: Placement, infos: Sequence[WorkerInfo]) -> Shipment:
        """Make a variable that is placed already ready for another placement: nothing has to be sent."""
        record = self.record(name)
        keys = list(record["keys"])
        each = record["nbytes"] // max(1, len(keys))
        parcel = Parcel(Structure.from_dict(record["structure"]), [], keys, [each] * len(keys))
        held = await self._who_has(keys)
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
            "origin": all(key in self.origins for key in keys),
            "hold": True,
        }
        firsts = first_workers(parcel, placement, "cores", infos)
        return Shipment(item, name, parcel, firsts, held, needs(parcel, placement, firsts, held, infos))

    async def _is_placed(self, name: str, value: Any) -> bool:
        """Whether `value` is what is placed as `name`."""
        placed = self.placed.get(name)
        if placed is None:
            return False
        if value is not placed.value() and value is not self._futures.get(placed.keys[0]):
            return False
        return not await offload(self._has_changed, placed)

    def _check_fit(self, shipments: Sequence[Shipment], infos: Sequence[WorkerInfo]) -> None:
        needed = Counter[str]()
        for shipment in shipments:
            needed.update(shipment.needed)
        labels = [shipment.label for shipment in shipments]
        check_fit(labels[0] if len(labels) == 1 else f"Placing {', '.join(labels)}", needed, infos)

    async def _carry_out(
        self,
        shipments: Sequence[Shipment],
        infos: Sequence[WorkerInfo],
        direct: bool | None,
        timeout: str | float | None,
    ) -> None:
        """Send what the cluster lacks, record the placements, and wait."""
        for shipment in shipments:
            if shipment.value is not _NOTHING:
                await self._send_one(shipment, infos, direct)
        await self.link.place([shipment.item for shipment in shipments])
        for shipment in shipments:
            if shipment.item["hold"]:
                self._futures.update(shipment.futures)
        await self.link.settled([s.item["vid"] for s in shipments], config.seconds("wait-timeout", timeout))

    async def _send_one(self, shipment: Shipment, infos: Sequence[WorkerInfo], direct: bool | None) -> None:
        item, parcel = shipment.item, shipment.parcel
        item["origin"] = shipment.keep_origin and not parcel.futures
        name = item["name"] if item["hold"] else None
        self._remember(item["vid"], name, shipment.value, parcel, shipment.keep_origin)
        shipment.futures = await self._send(parcel, shipment.firsts, shipment.held, infos, direct)

    def _pack(self, value: Any, name: str | None, whole: bool, hash: bool) -> Parcel:
        parcel = pack(value, name, whole, hash)
        if name is None and parcel.structure.kind == "dict" and not parcel.futures:
            self._check_labels(parcel)
        return parcel

    def _check_labels(self, parcel: Parcel) -> None:
        """An unnamed dict's labels are the keys, as Dask documents it: they must not mean another value already."""
        for key, content in zip(parcel.keys, parcel.fingerprints, strict=True):
            if key in self.origins and self.origins.fingerprint(key) != content:
                raise InputError(
                    f"The key {key!r} is on the cluster already, with another value.",
                    "Give the dict a name (name=), or release the earlier one first.",
                )

    def _check_workers(self, placement: Placement, infos: list[WorkerInfo]) -> None:
        seen = self.link.mirror.seen | {info.name for info in infos}
        if isinstance(placement, OnWorkers) and seen:
            view = ClusterView(infos)
            for spec in placement.workers:
                if spec not in seen and not view.resolve(spec):
                    raise UnknownWorkerError(spec, [info.name for info in infos] or seen)

    async def _who_has(self, keys: list[Any]) -> dict[Any, set[str]]:
        assert self.client.scheduler is not None
        answer = await self.client.scheduler.who_has(keys=keys)
        return {key: set(addresses) for key, addresses in answer.items()}

    def _remember(self, vid: str, name: str | None, value: Any, parcel: Parcel, keep_origin: bool) -> None:
        """Take note of what is placed before it leaves, so that it can be asked for from the start."""
        before = self.placed.get(name or "")
        limit = parse_bytes(config.get("keep-origin"))
        for key, item, nbytes, content in zip(
            parcel.keys, parcel.items, parcel.nbytes, parcel.fingerprints, strict=False
        ):
            if keep_origin:
                self.origins.remember(key, item, content, vid, weak=nbytes > limit)
        for key in set(before.keys) - set(parcel.keys) if before else ():
            self.origins.forget(key, vid)
            self._futures.pop(key, None)
        if name is not None:
            weak = not keep_origin or sum(parcel.nbytes) > limit
            self.placed[name] = Placed(_reference(value, weak), parcel.keys)

    async def _send(
        self,
        parcel: Parcel,
        firsts: Sequence[str | None],
        held: Mapping[Any, set[str]],
        infos: Sequence[WorkerInfo],
        direct: bool | None,
    ) -> dict[Any, Future[Any]]:
        """Send one copy of what the cluster lacks, and return futures of what was sent.

        What cannot be sent now, because no worker is there or one has just left, is asked for by the scheduler later.
        """
        if parcel.futures:
            return dict(zip(parcel.keys, parcel.futures, strict=True))
        addresses = {info.name: info.address for info in infos}
        loads: dict[str, dict[Any, Any]] = {}
        for key, item, first in zip(parcel.keys, parcel.items, firsts, strict=True):
            if first is not None and not held.get(key):
                loads.setdefault(addresses[first], {})[key] = item
        if direct is None:
            direct = self.direct and sum(parcel.nbytes) > _DIRECT
        sent = await asyncio.gather(
            *(
                self.client._scatter(data, workers=[address], direct=direct, timeout=10, hash=False)
                for address, data in loads.items()
            ),
            return_exceptions=True,
        )
        futures: dict[Any, Future[Any]] = {}
        for answer in sent:
            if isinstance(answer, dict):
                futures.update(answer)
            elif not isinstance(answer, OSError | TimeoutError | KeyError):  # a worker that has left meanwhile
                raise answer
        return futures

    def _has_changed(self, placed: Placed) -> bool:
        """Compare content with what was placed; may take 0.1 s per GB."""
        try:
            return any(not self.origins.unchanged(key) for key in placed.keys if key in self.origins)
        except (KeyError, InputError):
            return False  # the value is gone: nothing that could differ

    def _forget(self, record: VariableRecord) -> None:
        for key in record["keys"]:
            self.origins.forget(key, record["vid"])
            self._futures.pop(key, None)
        if record["owner"] == self.owner:
            self.placed.pop(record["name"], None)


def scatter_placement(workers: Sequence[str] | None, broadcast: bool | int, others: bool = False) -> Placement:
    """Return the placement that ``Client.scatter``'s `workers` and `broadcast` ask for."""
    if workers is not None:
        return OnWorkers(tuple(workers), each=broadcast is True, allow_other_workers=others)
    if broadcast is True:
        return Everywhere()
    return Anywhere(copies=max(1, int(broadcast)))


def worker_list(workers: Any) -> list[str] | None:
    """Return Dask's forms of `workers` as a list of texts: a name, host, address, ``(host, port)``, or several.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if workers is None:
        return None
    if isinstance(workers, str | int):
        return [str(workers)]
    if isinstance(workers, tuple) and len(workers) == 2 and isinstance(workers[1], int):
        return [f"{workers[0]}:{workers[1]}"]
    if isinstance(workers, list | tuple | set | frozenset):
        specs = [spec for worker in workers for spec in worker_list(worker) or ()]
        if specs:
            return specs
    raise InputError(f"workers={workers!r} names no workers.", "Give names, hosts or addresses of workers.")


def _reference(value: Any, weak: bool) -> Callable[[], Any]:
    if weak:
        try:
            return weakref.ref(value)
        except TypeError:
            return lambda: None
    return lambda: value
