"""Placing, moving, releasing and gathering variables: the verbs, for a notebook and for a plain script.

The verbs run on the client's event loop; `ClusterController` has their blocking forms. Placing means: take the value
apart, fingerprint it, check that it fits, remember it as the origin, send one copy of what the cluster does not have
yet, and record the placement. The scheduler does the rest (``moorage.scheduler``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from distributed import Future
from distributed.utils import offload

from moorage import config
from moorage._dask.client import finish, has_future
from moorage.collector import collecting_rarely
from moorage.errors import InputError
from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.images.sharing import forget
from moorage.kernel.images.steady import TornError
from moorage.kernel.parts.named import chosen, collection_of
from moorage.kernel.placement import checks, request, targets
from moorage.kernel.placement.elements import Elements, likely_nbytes, pack
from moorage.kernel.placement.gather import Bringing
from moorage.kernel.placement.inventory import means
from moorage.kernel.placement.loads import is_small, loads_of
from moorage.kernel.placement.request import NOTHING, How, PlacementRequest
from moorage.kernel.placement.structure import futures_in
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.kernel.placement.variable import Variable
from moorage.kernel.values.keys import is_writable
from moorage.kernel.works import Works
from moorage.model import Placement
from moorage.wire.scheduler import VariableRecord

if TYPE_CHECKING:
    from distributed import Client

_MANY = 10_000  # keys


class Placer(Bringing):
    """The variables of one notebook on one cluster; see `Inventory` for its parameters."""

    def __init__(self, client: Client, owner: str, link: SchedulerLink, direct: bool = False) -> None:
        super().__init__(client, owner, link, direct)
        self.on_values: Callable[[Sequence[Any]], None] = lambda values: None
        """Called with values of the notebook that are about to be sent."""
        self.arriving: dict[str, tuple[int, int]] = {}
        """Of what is on its way to other hosts, by name: the bytes that each has by now, on average, and all."""
        self._sending, self._recording = Works(), Works()  # by key, and by variable
        self._earlier: set[Any] = set()  # keys that this client has had; it may be letting go of them

    # Placing

    async def place(
        self, value: Any, name: str | None, placement: Placement, how: How, timeout: str | float | None = None
    ) -> Any:
        """Place `value` under `name` and wait, within bounds, until it is held.

        Without a `name`, the placement lasts as long as somebody has the futures, which are returned as by
        ``Client.scatter``. `timeout`: of the wait. When it runs out the placement stays recorded. Raises InputError if
        the value cannot be placed, or name or workers are wrong, and DoesNotFitError if a worker that would take it has
        no room for it. Nothing has changed then.
        """
        if how.like is not None:
            like, beside = await self._beside(how.like)
            how = replace(how, like=like, beside=beside)
        return (await self.place_together({name: value}, (), placement, how, timeout, anew=True))[name]

    async def place_together(
        self,
        values: Mapping[Any, Any],
        names: Iterable[str],
        placement: Placement,
        how: How,
        timeout: str | float | None = None,
        *,
        anew: bool = False,
    ) -> dict[Any, Any]:
        """Place values of the notebook, and move what is placed already: all or none. Wait within bounds.

        `values`: those that are what is placed under their name already, and unchanged, are only moved, unless `anew`.
        What another thread changes meanwhile is placed as it was at one moment: it is copied first then. `names`:
        variables that are placed already, or parts of collections, such as ``ddf[3:7]``. `timeout`, and what is
        returned for each: as in `place`. Raises InputError or DoesNotFitError; nothing has changed then.
        """
        values = {**values, **await self._parts_among(names := list(names))}
        moved = [name for name in names if name not in values]
        if how.rebind:
            for name, value in {**dict.fromkeys(moved, self), **values}.items():
                self.check_rebinding(name, value)
        await self._recording.ended(f"{self.owner}:{name}" for name in (*values, *moved))
        there = [name for name, value in values.items() if not anew and await self._is_placed(name, value, how)]
        new = {name: value for name, value in values.items() if name not in there}
        seen = {*self.link.mirror.seen, *self.link.requested, *how.ever}
        placement = await targets.known(placement, seen, self.link.workers)
        limit = config.seconds("wait-timeout", timeout)
        with self._memory_for(new.values()):
            for copy in (False, True):
                with collecting_rarely():
                    requests, to = await self._prepare(new, [*moved, *there], placement, how, copy=copy)
                broken_off, call = asyncio.Event(), uuid4().hex
                work = asyncio.ensure_future(self._send_and_record(requests, to, how, broken_off, call))
                try:
                    with self._broken_off_by_interrupts(requests, work, broken_off, call):
                        await asyncio.shield(work)
                        await self.link.settled([one.item["vid"] for one in requests], limit)
                    break
                except TornError:
                    if copy:
                        raise
        if how.rebind:
            for name, value in values.items():
                await self.rebind(name, value)
        return {
            name: one.elements.structure.put_together([one.futures[key] for key in one.elements.keys])
            for name, one in zip((*moved, *there, *new), requests, strict=True)
        }

    async def release(self, names: Iterable[str]) -> None:
        """Let variables go: no placement, and no copy unless somebody has futures of them.

        Raises UnknownVariableError; nothing has changed then.
        """
        names = list(names)
        await self._recording.ended(f"{self.owner}:{name}" for name in names)
        await self.link.release([(await self.find(name))["vid"] for name in names])

    # Internals

    async def _parts_among(self, names: Sequence[str]) -> dict[str, list[Future[Any]]]:
        """Return the futures of those of `names` that stand for parts of collections; see `collection_of`."""
        found: dict[str, list[Future[Any]]] = {}
        for name in names:
            if (collection := collection_of(name)) is not None:
                parts = await self.parts(collection)
                found[name] = [self.future_of(parts[index].key, collection) for index in chosen(name, parts.shape)]
        return found

    async def _beside(self, like: Any) -> tuple[tuple[Any, ...], str]:
        """Return the keys of a variable, by name or as such, or of a persisted collection; and what it is called."""
        if isinstance(like, Variable | str):
            name = like if isinstance(like, str) else like.name
            return tuple((await self.find(name))["keys"]), name
        if (futures := futures_in(like)) is None:
            raise InputError(f"like={type(like).__name__} is not on the cluster.", "Name a collection that is.")
        namespace = list((self.namespace or {}).items())
        named = (name for name, value in namespace if value is like and not name.startswith("_"))
        return tuple(future.key for future in futures), next(named, f"another {type(like).__name__}")

    async def _prepare(
        self, values: Mapping[Any, Any], names: Iterable[str], placement: Placement, how: How, *, copy: bool
    ) -> tuple[list[PlacementRequest], ResolvedPlacement]:
        """Make values by name, or copies of them, and variables that are placed ready; return where they go, too.

        What is small does not have to ask first: how the workers stood a moment ago, and what comes back, will do.
        Raises DoesNotFitError, unless forced.
        """
        for name, value in values.items():
            checks.check_name(name, value)
        placed = [await self._placed_record(name, how) for name in names]
        packed = {name: await self._pack(value, name, how, copy=copy) for name, value in values.items()}
        small = {name for name, elements in packed.items() if how.direct is not True and is_small(elements)}
        asks = placed or len(small) < len(packed) or how.by == "memory"
        infos = [] if asks else self.link.mirror.infos()
        if not any(info.status == "running" for info in infos):
            infos = await self.link.workers()
        to = ResolvedPlacement(placement, infos)
        asked = [key for record in placed for key in record["keys"]]
        for name, elements in packed.items():
            asked += [key for key in elements.keys if name not in small or self._has_had(key)]
        lives = iter(await self._begin_lives([key for elements in packed.values() for key in elements.keys]))
        held = await self.link.who_has(asked) if asked else {}
        ready = [
            request.again(one, one["name"], held, to, how, origin=self._is_origin_of(one["keys"])) for one in placed
        ]
        for name, value in values.items():
            elements = packed[name]
            origin = how.keep_origin and (not elements.futures or self._is_origin_of(elements.keys))
            new = request.new(value, name, self.owner, elements, held, to, how, origin=origin)
            new.small, new.lives = name in small, list(islice(lives, len(elements.keys)))
            ready.append(new)
        if how.rebind:
            for one in ready:
                await self.check_shareable(one.label, one.elements.images)
        if not how.force:
            await checks.check_room(ready, to, self.link)
        return ready, to

    async def _pack(self, value: Any, name: str | None, how: How, *, copy: bool) -> Elements:
        """Take `value`, or a copy of it, apart."""
        writable = how.writable or self._is_writable(name)
        await self.link.code.before_values()
        elements = await offload(partial(pack, value, name, how.whole, how.hash, copy=copy, writable=writable))
        self.on_values(elements.items)
        checks.check_futures(elements.futures, self.client)
        if how.writable:
            checks.check_writable(elements, in_process=self.link.images.in_process)
        if name is None and elements.structure.kind == "dict" and not elements.futures:
            checks.check_labels(elements, self.origins)
        return elements

    async def _begin_lives(self, keys: Sequence[Any]) -> list[Future[Any]]:
        """Return futures of keys that are about to be placed.

        A key tells of its content, so that a value which comes back has the key that it had. What this client has said
        of the key's earlier life, that it lets go of it, must not end the new one: the scheduler has heard all of that
        when this returns, and nothing more is said as long as there are these futures.
        """
        # Rather than to send it twice. Waited for before there are futures: what was broken off has to go, since the
        # value may have been changed while it was on its way, and then the key does not tell what it is.
        await self._sending.ended(keys)
        earlier = any(map(self._has_had, keys))
        lives = [Future[Any](key, self.client) for key in keys]
        if earlier or len(self._earlier) > _MANY:
            await self.link.flush()
            self._earlier = {key for key in self._earlier if has_future(self.client, key)}
        self._earlier.update(keys)
        return lives

    async def _placed_record(self, name: str, how: How) -> VariableRecord:
        """Return what a variable is that is placed already and can be placed in another way."""
        record = await self.find(name)
        if how.writable and not all(map(is_writable, record["keys"])):
            raise InputError(
                f"{name} is already placed read-only, and the notebook does not have its value.",
                f"Gather it first: %gather {name}. Then place it with --writable, writable=True.",
            )
        return record

    def _has_had(self, key: Any) -> bool:
        """Whether this client may have had `key` on the cluster."""
        return key in self._earlier or has_future(self.client, key) or key in self.origins

    async def _is_placed(self, name: str, value: Any, how: How) -> bool:
        """Whether `value` is what is placed as `name`, as `how` asks for it."""
        placed = self.placed.get(name)
        if how.writable and not self._is_writable(name):
            return False
        return placed is not None and means(value, name, placed) and not await offload(self._has_changed, name, placed)

    @contextmanager
    def _broken_off_by_interrupts(
        self, requests: Sequence[PlacementRequest], work: asyncio.Future[None], broken_off: asyncio.Event, call: str
    ) -> Iterator[None]:
        """Let others wait for the end of `work`; an interrupt of the wait for it stops what goes to other hosts.

        But not what goes to a worker, which may have it already. That is let go of when it has arrived; once the
        placement is recorded it stays.
        """
        self._sending.note((key for one in requests for key in one.elements.keys), work)
        self._recording.note((one.item["vid"] for one in requests), work)
        try:
            yield
        except asyncio.CancelledError:
            broken_off.set()
            if not work.done():
                self.link.withdraw(call)
            work.add_done_callback(partial(request.let_go, requests))
            raise

    @contextmanager
    def _memory_for(self, values: Iterable[Any]) -> Iterator[None]:
        """Have memory got for values while they are read, so that it is there when they are written."""
        with ExitStack() as got:
            for value in values:
                got.callback(self.link.images.sharing.expect(likely_nbytes(value)))
            yield

    async def _send_and_record(
        self,
        requests: Sequence[PlacementRequest],
        to: ResolvedPlacement,
        how: How,
        broken_off: asyncio.Event,
        call: str,
    ) -> None:
        small = [one for one in requests if one.small]
        with collecting_rarely(), self._remembering(requests), ExitStack() as kept:
            sending = request.send_all(requests, self.link, to, how, self.direct, self.arriving, broken_off, kept)
            along = await sending
            gone = {key for one in requests for key in set(self._keys_before(one)) - set(one.elements.keys)}
            if any(key not in self._futures or self._futures[key].status == "cancelled" for key in gone):
                await self.link.flush()  # graphs that were submitted before need it; what has a future lives till then
            if small:
                await self.link.images.install()
            loads = loads_of(small, to, in_process=self.link.images.in_process)
            try:
                if broken_off.is_set():
                    raise asyncio.CancelledError
                lacking = await self.link.place([one.item for one in requests], loads + along, call, how.ever)
            except asyncio.CancelledError:
                forget(image for one in requests for image in one.elements.images)
                raise
        with collecting_rarely():
            self._take_up(requests, lacking)

    def _take_up(self, requests: Sequence[PlacementRequest], lacking: Collection[Any]) -> None:
        """Note the futures of what is placed now; `lacking`: keys that were sent along, and are on no worker."""
        for one in (one for one in requests if one.small or one.along):
            for life, item in zip(one.lives, one.elements.items, strict=True):
                if life.key not in lacking:
                    finish(self.client, life.key, type(item))
                    one.futures[life.key] = life
        for one in requests:
            # Keys that were not sent get their futures only now: before, the scheduler did not know them.
            good = {key for key, future in one.futures.items() if future.status != "cancelled"}
            one.futures |= {key: self.future_of(key) for key in one.elements.keys if key not in good}
            one.lives.clear()
            if one.item["hold"]:
                self._futures.update(one.futures)

    @contextmanager
    def _remembering(self, requests: Sequence[PlacementRequest]) -> Iterator[None]:
        """Know values before they leave, so that they can be asked for from the start; forget them if they do not."""
        new = [one for one in requests if one.value is not NOTHING]
        self._under_way += (coming := [(one.item["vid"], set(one.elements.keys)) for one in new])
        for one in new:
            if one.item["origin"] and not one.elements.futures:
                self._remember_origins(one.item["vid"], one.elements.keys, one.elements.items, one.elements.images)
            for future in one.elements.futures:
                self.origins.share(future.key, one.item["vid"])
        try:
            yield
        except BaseException:
            for one in new:
                for key in set(one.elements.keys) - set(self._keys_before(one)):
                    self.origins.forget(key, one.item["vid"])
            raise
        finally:
            for each in coming:
                self._under_way.remove(each)
        for one in new:
            if one.item["hold"]:
                nbytes = sum(one.elements.nbytes)
                keys, structure = one.elements.keys, one.elements.structure
                self._remember(one.item["name"], one.value, keys, structure, nbytes, keep=one.keep_origin)

    def _keys_before(self, one: PlacementRequest) -> Sequence[Any]:
        record = self.link.mirror.variables.get(one.item["vid"])
        return record["keys"] if record is not None else ()

    def _is_writable(self, name: str | None) -> bool:
        """Whether `name` is placed so that tasks may write to it; it stays so until it is released."""
        record = self.link.mirror.variables.get(f"{self.owner}:{name}")
        return record is not None and all(map(is_writable, record["keys"]))

    def _is_origin_of(self, keys: Sequence[Any]) -> bool:
        return all(key in self.origins for key in keys)
