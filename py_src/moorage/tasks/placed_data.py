"""What a `ClusterController` keeps, as submitting sees it: the engine knows nothing else of a cluster."""

from __future__ import annotations

import asyncio
import builtins
import itertools
import keyword
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from distributed import Client, Future

from moorage import config
from moorage.errors import LostError, UnreachableError, WaitTimeoutError
from moorage.kernel.placement.inventory import means
from moorage.kernel.placement.placer import Placer
from moorage.kernel.placement.request import How
from moorage.kernel.placement.variable import Variable
from moorage.kernel.values.keys import is_writable
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.kernel.waiting import wait_for
from moorage.model import Anywhere, Everywhere, Placement, WorkerInfo
from moorage.wire.code import CodeVersion
from moorage.wire.scheduler import PlaceItem, VariableRecord, placement_from_dict, placement_to_dict

if TYPE_CHECKING:
    from moorage.kernel.connection.scheduler_link import SchedulerLink

_UNNAMED = 64
"""So many captured values without a name are kept at most; the longest unused goes first."""


class PlacedData:
    """What a cluster keeps, and where; may be asked from any thread but that of the client's event loop."""

    def __init__(self, placer: Placer) -> None:
        self.placer = placer
        self._link: SchedulerLink = placer.link
        self._unnamed: OrderedDict[Any, Any] = OrderedDict()  # key -> future
        self._keeping = 0  # how many need them now
        self._lock = threading.Lock()
        self._records: tuple[int, dict[Any, VariableRecord]] | None = None  # and of which count of changes they are
        self._changes = 0
        self._numbers = itertools.count(1)
        self._link.subscribe(self._on_change)

    @property
    def client(self) -> Client:
        """Dask's client; synchronous."""
        return self.placer.client

    @property
    def origins(self) -> ValueRegistry:
        """What the notebook has placed and still has."""
        return self.placer.origins

    @property
    def namespace(self) -> dict[str, Any] | None:
        """The notebook's variables, if there is a notebook."""
        return self.placer.namespace

    # ---- a scheduler that has died

    @property
    def lives(self) -> int:
        """How many schedulers there have been: one that has died is followed by another, which knows nothing."""
        return self._link.lives

    @property
    def is_back(self) -> bool:
        """Whether there is a connection to the scheduler, and it knows all that is placed."""
        return self._link.is_back

    def is_same(self, life: int) -> bool:
        """Whether `is_back`, and it is the scheduler of that life, which alone knows what was sent to it.

        Dask keeps what is sent while there is none, for the next one, whose workers may not have our code yet.
        """
        return self.is_back and self.lives == life

    def wait_back(self) -> int:
        """Wait until `is_back`, and the scheduler has answered; return `lives`. Raises UnreachableError."""
        return wait_for(self.client, self._answered)

    async def _answered(self) -> int:
        await self._link.back()
        try:
            await self._link.flush()
        except UnreachableError:  # only now it is known that the connection has broken
            await self._link.back()
        return self._link.lives

    def code_again(self, code: CodeVersion) -> CodeVersion:
        """Return a version of the code that was sent before, as the scheduler knows it that there is now."""
        return self._link.code.again(code)

    # ---- placing

    def place_capture(self, value: Any, name: str | None, *, everywhere: bool) -> None:
        """Place a value that a task captures, and wait, within bounds, until it is held.

        `name`: the notebook's name for it. If a variable of that name is placed with another value, this one takes its
        place, with the same placement. None: it has none, and is kept as long as the notebook has the value.
        `everywhere`: many tasks will need it.
        """
        placement: Placement = Everywhere() if everywhere else Anywhere()
        if name is None or not name.isidentifier() or keyword.iskeyword(name):
            self._place_unnamed(value, placement)
            return
        record = self._own(name)
        whole = True
        if record is not None:
            placement = placement_from_dict(record["placement"])
            whole = record["structure"]["kind"] == "value"
        self._place(value, name, placement, whole=whole)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Let go of no captured value meanwhile, however many there are: what is being sent needs them."""
        with self._lock:
            self._keeping += 1
        try:
            yield
        finally:
            with self._lock:
                self._keeping -= 1
            self._let_go_of_the_oldest()

    def refresh(self, key: Any) -> Any:
        """Place the changed value of `key` again, under a new key and the same names, and return that key."""
        record = self._record(key)
        value = self.origins.value(key)
        if record is not None and record["owner"] == self.placer.owner:
            with suppress(KeyError):  # the notebook may have the element, but no longer the list around it
                return self._refresh_all_of_it(record, key)
        placement = placement_from_dict(record["placement"]) if record is not None else Anywhere()
        self.origins.forget(key)
        return self._place_unnamed(value, placement, writable=is_writable(key))

    def _refresh_all_of_it(self, record: VariableRecord, key: Any) -> Any:
        name, whole = record["name"], record["structure"]["kind"] == "value"
        value = self.placer.value_of(name)
        if not whole and self.placer.elements(value) is None:  # its elements have other positions by now
            raise KeyError(key)
        position = record["keys"].index(key)
        self._place(value, name, placement_from_dict(record["placement"]), whole=whole)
        return self.placer.record(name)["keys"][position]

    def spread(self, keys: Iterable[Any]) -> Callable[[], None]:
        """Keep a copy of `keys` on every worker until the returned function is called; placements stay as they are."""
        keys = list(keys)
        names = dict.fromkeys(record["name"] for key in keys if (record := self._record(key)) is not None)
        number = next(self._numbers)
        item: PlaceItem = {
            "vid": f"{self.placer.owner}:~{number}",
            "name": f"copies of {', '.join(names) or 'code'}",
            "owner": self.placer.owner,
            "keys": keys,
            "placement": placement_to_dict(Everywhere()),
            "structure": {"kind": "list", "labels": [], "typename": ""},
            "typename": "copies",
            "detail": "for as long as a map needs them",
            "nbytes": [-1] * len(keys),
            "origin": False,
            "hold": False,
        }
        self._run(self._spread, item)
        loop: Any = self.client.loop
        return lambda: loop.add_callback(self._let_go, item["vid"])

    async def _let_go(self, vid: str) -> None:
        with suppress(UnreachableError):  # then there is nothing to let go of
            await self._link.release([vid])

    async def _spread(self, item: PlaceItem) -> None:
        await self._link.place([item])
        await self._link.settled([item["vid"]], config.seconds("wait-timeout"))

    # ---- looking

    def future(self, key: Any) -> Future[Any]:
        """Return a future of a placed key."""
        if (future := self._unnamed.get(key)) is not None:
            return future  # type: ignore[no-any-return]
        record = self._record(key)
        return self.placer.future_of(key, record["name"] if record is not None else "")

    def by_name(self, name: str) -> Any:
        """Return the futures of the variable `name` in the shape in which it was placed; ``KeyError`` if none.

        If the name is a built-in function's, only a variable of this notebook will do.
        """
        if hasattr(builtins, name) and self._own(name) is None:  # `list` of another notebook is not this one's
            raise KeyError(name)
        return self.placer.futures(name)

    def rebound(self, name: str, value: Any) -> bool:
        """Whether this notebook has placed a variable `name` and `value` is not what it has placed."""
        if self._own(name) is None or isinstance(value, Variable):
            return False
        placed = self.placer.placed.get(name)
        return placed is None or not means(value, name, placed)

    def elements(self, value: Any) -> list[Any] | None:
        """Return the keys of `value`, in order, if it is a collection that was placed element by element."""
        return self.placer.elements(value) if isinstance(value, list | tuple | range) else None

    def holders(self, keys: Iterable[Any]) -> dict[Any, set[str]]:
        """Return the names of the workers that hold each key. Of keys that are not placed: as Dask knows."""
        held = self._run(self._link.who_has, list(keys))
        names = {worker.address: worker.name for worker in self.workers()}
        return {key: {names[address] for address in addresses & names.keys()} for key, addresses in held.items()}

    def placement(self, key: Any) -> Placement | None:
        """Return where the variable of `key` should be; None if it is not placed."""
        record = self._record(key)
        return placement_from_dict(record["placement"]) if record is not None else None

    def nbytes(self, key: Any) -> int:
        """Return the size of the value of `key`, bytes; 0 if unknown."""
        record = self._record(key)
        return max(record["nbytes"], 0) // len(record["keys"]) if record is not None else 0

    def workers(self, *, fresh: bool = False) -> list[WorkerInfo]:
        """Return the workers, as far as is known here; `fresh`: ask the scheduler."""
        if fresh:
            self._run(self._link.refresh)
        return self._link.mirror.infos()

    def on_workers(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` whenever workers come or go, until the returned function is called."""
        return self._link.subscribe(lambda kind: callback() if kind == "workers" else None)

    def wait_held(self, keys: Iterable[Any], timeout: float) -> None:
        """Wait until each key is held somewhere. Raises LostError or WaitTimeoutError."""
        self._run(self._wait_held, list(keys), timeout)

    async def _wait_held(self, keys: list[Any], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            missing = [key for key, held in (await self._link.who_has(keys)).items() if not held]
            if not missing:
                return
            record = self._record(missing[0])
            if record is None or record["state"] == "lost":  # the last word? An answer may have been quicker
                await self._link.refresh()
                record = self._record(missing[0])
            name = record["name"] if record is not None else str(missing[0])
            if record is None or record["state"] == "lost":
                reason = record["reason"] if record is not None else "it was let go"
                raise LostError(f"{name} is lost: {reason}.", f"Place it again: %scatter {name}")
            if (left := deadline - time.monotonic()) <= 0:
                state = f"{record['state']}: {record['reason']}"
                raise WaitTimeoutError(f"{name} has been on no worker for {timeout:g} s ({state}).", "See %placement.")
            await asyncio.sleep(0.05)
            await self._link.next_change(min(left, 1.0))

    # ---- inside

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return wait_for(self.client, function, *args, **kwargs)

    def _place(self, value: Any, name: str | None, placement: Placement, *, whole: bool, writable: bool = False) -> Any:
        return self._run(self.placer.place, value, name, placement, How(whole, writable=writable))

    def _place_unnamed(self, value: Any, placement: Placement, *, writable: bool = False) -> Any:
        with self.keeping():  # equal values have one key: it may be the oldest, of which another thread lets go
            future = self._place(value, None, placement, whole=True, writable=writable)
            key = future.key
            self.origins.weaken(key, self._drop)
            self._unnamed[key] = future
            self._unnamed.move_to_end(key)
        return key

    def _let_go_of_the_oldest(self) -> None:
        with self._lock:
            while not self._keeping and len(self._unnamed) > _UNNAMED:
                oldest, _ = self._unnamed.popitem(last=False)
                self.origins.forget(oldest)

    def _drop(self, key: Any) -> None:
        """Let go of a key whose value is gone, while nobody can place an equal one: under the lock of `origins`."""
        self._unnamed.pop(key, None)

    def _own(self, name: str) -> VariableRecord | None:
        return self._link.mirror.variables.get(f"{self.placer.owner}:{name}")

    def _record(self, key: Any) -> VariableRecord | None:
        count, records = self._records or (-1, {})
        if count != (now := self._changes):  # read before the mirror: what changes from here on is seen next time
            variables, _ = self._link.mirror.snapshot()
            records = {}
            # Those of this notebook come last, and win; temporary copies count for nothing.
            for record in sorted(variables.values(), key=lambda record: record["owner"] == self.placer.owner):
                if not record["name"].startswith("~"):
                    records.update(dict.fromkeys(record["keys"], record))
            self._records = now, records
        return records.get(key)

    def _on_change(self, kind: str) -> None:
        if kind == "variables":
            self._changes += 1
