"""Values that may be on a worker without the scheduler knowing, because whoever sent them broke off.

A client that sends data straight to a worker tells the scheduler afterwards. If it dies in between, the worker keeps
what nobody knows of: no release frees it, and asked for a copy of it the worker does nothing, since it has one. So the
client says beforehand what it is about to send, and when it breaks off the worker is asked what it has, for a while:
what is in a socket already may arrive later. The same question goes to workers whose copies do not arrive.

While a value is on its way its key stays alive, if it is there already: a worker that was told to let go of it could
let go of what has just arrived.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from distributed.comm.core import CommClosedError

from moorage._dask.scheduler.kept_keys import desire_and_tell, desires_nothing, forget_client, release
from moorage._dask.scheduler.replicas import drop
from moorage._dask.scheduler.transfers import keys_on, put
from moorage.plan import Address, Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

    from moorage.scheduler.recovery.lives import Lives

_LOOK_FOR = 60.0  # seconds after which what was sent has arrived or never will
_AGAIN = 1.0  # seconds; what a worker has told meanwhile has been heard by then
_ANSWER = 10.0  # seconds that a worker may take to say what it has
_HOLDER = "moorage-under-way"  # the pretended client that keeps alive the keys of what is being sent


class Broken(Exception):
    """The connection to a worker broke: it has died, or making values failed there for want of a file or the like.

    Dask takes every `OSError` for one of the connection. What may have arrived is looked for.
    """


class Strays:
    """What is being sent to workers, and what has to be looked for there.

    `use`: ``use(task, worker)``: a worker has the value of a task; returns whether it was waited for. `let_go`:
    ``let_go(task, worker)``: a worker has been told to let go of a key that is still known.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        use: Callable[[TaskState, Address], bool],
        let_go: Callable[[TaskState, WorkerState], None],
        lives: Lives,
    ) -> None:
        self._scheduler = scheduler
        self._use = use
        self._let_go = let_go
        self._lives = lives
        self._announced: dict[str, dict[Address, set[Key]]] = {}
        self._under_way = Counter[Key]()
        self._held: set[Key] = set()
        self._suspected: dict[Address, dict[Key, float]] = {}
        self._sighted: dict[Address, dict[Key, float]] = {}  # copies of what is elsewhere too, and since when
        self._looking: asyncio.Task[None] | None = None

    def announce(self, client: str, keys: Mapping[Address, Collection[Key]]) -> None:
        """Note what a client is about to send to which worker."""
        announced = self._announced.setdefault(client, {})
        for address, sent in keys.items():
            fresh = set(sent) - announced.get(address, set())
            announced.setdefault(address, set()).update(fresh)
            self._begin(fresh)

    def arrived(self, client: str | None, keys: Mapping[Key, Iterable[Address]]) -> None:
        """Note that a client has told where keys are."""
        announced = self._announced.get(client or "", {})
        ended = []
        for key, addresses in keys.items():
            for address in addresses:
                if key in announced.get(address, ()):
                    announced[address].discard(key)
                    ended.append(key)
                self._suspected.get(address, {}).pop(key, None)
        self._end(ended)

    def broken_off(self, client: str, addresses: Iterable[Address] | None = None) -> None:
        """Look for what a client has announced and never told of; `addresses`: at these workers only."""
        announced = self._announced.get(client, {})
        for address in list(announced) if addresses is None else addresses:
            keys = announced.pop(address, set())
            self._end(keys)
            self.suspect(address, keys)
        if not announced:
            self._announced.pop(client, None)

    @contextmanager
    def sending(self, keys: Collection[Key]) -> Iterator[None]:
        """Do not look for `keys` meanwhile: the scheduler sends them itself."""
        keys = list(keys)  # a mapping would count its values
        self._begin(keys)
        try:
            yield
        finally:
            self._end(keys)

    async def put(
        self, address: Address, keys: Collection[Key], values: Any, seconds: float
    ) -> Mapping[Key, int] | None:
        """Put values into the memory of a worker, while they are `sending`, and return their sizes there.

        `values`: a mapping of key to serialized value, or such a mapping serialized as one. `seconds`: that it may take
        in all. Returns None if the worker cannot be reached, or hangs; what may have arrived is looked for. Raises
        Broken if the connection broke, and what the worker raised if it cannot make the values of what it was sent.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._lives.settle({address: keys})
                return await put(self._scheduler, address, values)
        except (OSError, TimeoutError) as error:
            self.suspect(address, keys)
            if isinstance(error, CommClosedError):
                raise Broken(str(error)) from None
            return None

    def hold(self, keys: Iterable[Key], senders: int = 1) -> None:
        """Keep those of `keys` alive that are there and on their way from at least so many senders."""
        known = [key for key in keys if self._under_way.get(key, 0) >= senders and key in self._scheduler.tasks]
        if known:
            self._held.update(known)
            desire_and_tell(self._scheduler, known, _HOLDER)

    def suspect(self, address: Address, keys: Iterable[Key]) -> None:
        """Look for `keys` at a worker."""
        if address not in self._scheduler.workers:
            return
        until = monotonic() + _LOOK_FOR
        for key in keys:
            self._suspected.setdefault(address, {}).setdefault(key, until)
        self.look()

    def coming(self, address: Address) -> list[Key]:
        """Return what is being sent to a worker, or has been and is not known to have arrived."""
        announced = [key for announced in self._announced.values() for key in announced.get(address, ())]
        return [*announced, *self._suspected.get(address, ())]

    def worker_gone(self, address: Address) -> None:
        """Stop looking there."""
        self._suspected.pop(address, None)
        self._sighted.pop(address, None)
        for announced in self._announced.values():
            self._end(announced.pop(address, ()))

    def look(self) -> None:
        """Ask workers once what they have of what is suspected there, unless they are being asked."""
        if self._suspected and (self._looking is None or self._looking.done()):
            self._looking = asyncio.ensure_future(self._look())

    def close(self) -> None:
        """Stop looking."""
        self._suspected.clear()
        self._let_die(self._held)
        if self._looking is not None:
            self._looking.cancel()

    def _found(self, address: Address, key: Key) -> None:
        """Make use of a value that a worker has unknown to the scheduler, or have it let go."""
        ts, ws = self._scheduler.tasks.get(key), self._scheduler.workers.get(address)
        if ws is None or (ts is not None and ts.who_has and ws in ts.who_has):
            return
        if ts is None or not self._use(ts, address):
            # not taken for a copy that is there: the worker may be letting go of it this very moment
            self._lives.ended([key])
            drop(self._scheduler, address, [key])
            if ts is not None:
                self._let_go(ts, ws)

    def _begin(self, keys: Collection[Key]) -> None:
        self._under_way.update(keys)
        self.hold(keys)

    def _end(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._under_way[key] -= 1
            if self._under_way[key] <= 0:
                del self._under_way[key]
        if self._held:
            self._let_die({key for key in self._held if key not in self._under_way})

    def _let_die(self, keys: Iterable[Key]) -> None:
        keys = list(keys)
        self._held.difference_update(keys)
        if keys and _HOLDER in self._scheduler.clients:
            release(self._scheduler, keys, _HOLDER)
            if desires_nothing(self._scheduler, _HOLDER):
                forget_client(self._scheduler, _HOLDER)

    async def _look(self) -> None:
        await asyncio.gather(*(self._look_at(address) for address in list(self._suspected)), return_exceptions=True)

    async def _look_at(self, address: Address) -> None:
        async with asyncio.timeout(_ANSWER):
            there = await keys_on(self._scheduler, address)
        suspected, now = self._suspected.get(address, {}), monotonic()
        before, sighted = self._sighted.pop(address, {}), dict[Key, float]()
        for key, until in list(suspected.items()):
            if self._under_way[key]:
                continue
            if key in there and self._may_be_told_of(key, address):
                sighted[key] = before.get(key, now)
                if sighted[key] + _AGAIN > now:
                    continue
            if key in there or until < now:
                del suspected[key]
            if key in there:
                self._found(address, key)
        if not suspected:
            self._suspected.pop(address, None)
        elif sighted:
            self._sighted[address] = sighted

    def _may_be_told_of(self, key: Key, address: Address) -> bool:
        """Whether a copy may just have arrived, and the message that says so is on its way behind others.

        To let go of it then would be to have it sent once more.
        """
        ts, ws = self._scheduler.tasks.get(key), self._scheduler.workers.get(address)
        holders = (ts and ts.who_has) or ()
        return len(holders) > 0 and ws not in holders
