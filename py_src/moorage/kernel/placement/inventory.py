"""The variables on a cluster as one notebook sees them: names, states, staleness, futures. Changes nothing there."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dask.utils import parse_bytes
from distributed import Future
from distributed.utils import offload

from moorage import config
from moorage._dask import client as boundary
from moorage.errors import InputError, UnknownVariableError
from moorage.images.format import Image
from moorage.kernel.connection.mirror import shown_names, state_of
from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.images.sharing import in_words
from moorage.kernel.parts.parts import Parts
from moorage.kernel.placement.placements import Placements
from moorage.kernel.placement.structure import Structure, futures_in, take_apart
from moorage.kernel.placement.variable import Variable
from moorage.kernel.values import mapped
from moorage.kernel.values.fingerprint import fingerprint, image_of
from moorage.kernel.values.keys import is_writable
from moorage.model import PlacementState
from moorage.wire.scheduler import VariableRecord

if TYPE_CHECKING:
    from distributed import Client


_MUTABLE = ("list", "set", "dict")
_GONE = object()


@dataclass(slots=True)
class Placed:
    """What this notebook knows of a variable that it placed."""

    identity: int  # the id of the notebook's value
    # returns that value, or None if it is gone. None: it is too large to be kept, and cannot be referred to weakly.
    value: Callable[[], Any] | None
    keys: list[Any]  # one for each element
    structure: Structure
    rebound: bool = False  # the name means another object by now
    changed: bool = False  # the content has been changed in place

    def is_of(self, value: Any) -> bool:
        """Whether `value` is the very object that was placed."""
        return id(value) == self.identity and (self.value is None or self.value() is value)


class Inventory:
    """What is on a cluster, and what this notebook knows of it.

    `owner`: label of this notebook. `direct`: whether this process can reach the workers.
    """

    def __init__(self, client: Client, owner: str, link: SchedulerLink, direct: bool = False) -> None:
        self.client = client
        self.owner = owner
        self.link = link
        self.direct = direct
        self.origins = link.origins
        self.placed: dict[str, Placed] = {}
        self._futures: dict[Any, Future[Any]] = {}
        self._under_way: list[tuple[str, set[Any]]] = []  # variables that are being placed, and their keys
        self.namespace: dict[str, Any] | None = None  # the notebook's, if there is a notebook
        link.on_gone = self._gone

    # Names and states

    def record(self, name: str) -> VariableRecord:
        """Return what the scheduler said last of a variable. Raises UnknownVariableError, which names all."""
        variables, _ = self.link.mirror.snapshot()
        names = shown_names(variables, self.owner)
        if name in names:
            return variables[names[name]]
        plain, at, owner = name.partition("@")
        if at and (record := variables.get(f"{owner}:{plain}")) is not None:
            return record
        raise UnknownVariableError(name, names)

    async def find(self, name: str) -> VariableRecord:
        """Return what the scheduler says of a variable; ask it if none is known by that name, for it may be new.

        Raises UnknownVariableError.
        """
        with suppress(UnknownVariableError):
            return self.record(name)
        await self.link.refresh()
        return self.record(name)

    def names(self) -> list[str]:
        """Return the names of all variables, this notebook's first."""
        variables, _ = self.link.mirror.snapshot()
        return list(shown_names(variables, self.owner))

    def states(self, names: Iterable[str] | None = None) -> Placements:
        """Return where variables stand as far as is known here, without asking. Raises UnknownVariableError."""
        variables, workers = self.link.mirror.snapshot()
        shown = shown_names(variables, self.owner)
        chosen = list(shown) if names is None else list(names)
        states: dict[str, PlacementState] = {}
        for name in chosen:
            if name not in shown:
                raise UnknownVariableError(name, shown)
            record = variables[shown[name]]
            mine = self._mine(record)
            states[name] = state_of(record, workers, stale=mine is not None and (mine.rebound or mine.changed))
        return Placements(states, list(workers))

    async def look(self, names: Iterable[str] | None = None) -> Placements:
        """Return where variables stand now; values that were changed in place since are marked stale."""
        await self.link.refresh()
        for name, placed in list(self.placed.items()):
            placed.changed = await offload(self._has_changed, name, placed)
        return self.states(names)

    async def sharing(self, names: Iterable[str] | None = None) -> dict[str, str]:
        """Return in words which workers share the memory of variables, and which have copies of their own, and why.

        Raises UnknownVariableError.
        """
        states = self.states(names)
        addresses = {info.name: info.address for info in await self.link.workers()}
        told = {}
        for name, state in states.items():
            shared = await self.link.shared(list(self.record(name)["keys"]))
            sharing = set.intersection(*(set(shared.get(key, ())) for key in self.record(name)["keys"]))
            digests = [self.origins.digest(key) for key in self.record(name)["keys"] if key in self.origins]
            unwritten = next(filter(None, map(self.link.images.sharing.unwritten.get, digests)), "")
            told[name] = in_words(
                state,
                {who for who, address in addresses.items() if address in sharing},
                {who: self.link.images.why_not(address) or unwritten for who, address in addresses.items()},
                max((own for workers in shared.values() for _, own in workers.values()), default=0),
            )
            if all(map(is_writable, self.record(name)["keys"])):
                told[name] += "; tasks may write to it, each worker for itself"
        return told

    async def parts(self, name: str) -> Parts:
        """Return the parts of a variable, or of what `futures_not_placed` returns, and who has them, as of now.

        Raises UnknownVariableError, NotPlaceableError.
        """
        try:
            keys = list((await self.find(name))["keys"])
        except UnknownVariableError:
            if (futures := self.futures_not_placed(name)) is None:
                raise
            keys = [future.key for future in futures]
        return Parts(name, keys, await self.link.parts(keys))

    async def is_placed(self, name: str) -> bool:
        """Whether a variable is placed, or only on the cluster; else raises as `parts` does."""
        try:
            await self.find(name)
        except UnknownVariableError:
            if self.futures_not_placed(name) is None:
                raise
            return False
        return True

    def futures_not_placed(self, name: str) -> list[Future[Any]] | None:
        """Return those of the notebook's persisted collection, future, list or dict of futures; None of other things.

        Raises NotPlaceableError for a collection of which nothing is on the cluster.
        """
        return futures_in(self.scope().get(name))

    # What the notebook's names mean

    def scope(self) -> dict[str, Any]:
        """Return the notebook's names, or those of a script."""
        return self.namespace if self.namespace is not None else vars(sys.modules["__main__"])

    def note_rebound(self, namespace: dict[str, Any]) -> None:
        """Compare names with the objects that were placed under them. Takes microseconds."""
        self.namespace = namespace
        for name, placed in list(self.placed.items()):
            rebound = name in namespace and not means(namespace[name], name, placed)
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
        structure = self._structure(record)
        if structure.kind not in ("set", "frozenset"):  # whose elements come back in no order
            items = [value] if structure.kind == "value" else take_apart(value)[1]
            images = [image_of(item, name) for item in items]
            self._remember_origins(record["vid"], record["keys"], items, images, gathered=True)
            weak = self._are_large(images)
            for key, item, own in zip(record["keys"], items, images, strict=True):
                loaded = mapped.image_of(item, own)
                if loaded is not None and len(loaded.buffers) == len(own.buffers):
                    image = mapped.with_digests(loaded, own.digests)
                    self.origins.remember(key, item, image, record["vid"], weak=weak, equal=own.digest)
        self._remember(name, value, list(record["keys"]), structure, record["nbytes"])

    def value_of(self, name: str) -> Any:
        """Return the value that this notebook has placed as `name`, as long as it has it.

        Raises KeyError if it has placed none, or no longer has it.
        """
        placed = self.placed[name]
        for value in (placed.value and placed.value(), (self.namespace or {}).get(name)):
            if placed.is_of(value):
                return value
        raise KeyError(name)

    def elements(self, value: Any) -> list[Any] | None:
        """Return the keys of `value`, in order, if it was placed by element and still consists of these elements."""
        for placed in list(self.placed.values()):
            if placed.structure.kind != "value" and placed.is_of(value):
                known = all(key in self.origins for key in placed.keys)
                return list(placed.keys) if known and not self._is_recomposed(value, placed) else None
        return None

    # Futures

    def futures(self, name: str) -> Any:
        """Return the futures of a variable in the shape in which it was placed."""
        record = self.record(name)
        return self._structure(record).put_together([self.future_of(key, name) for key in record["keys"]])

    def future_of(self, key: Any, name: str = "") -> Future[Any]:
        """Return a future of a key; the same one as long as it is good."""
        future = self._futures.get(key)
        if future is None or future.status == "cancelled" or not boundary.is_of(self.client, future):
            future = Future(key, self.client)
            if future.status == "cancelled":  # as futures are that somebody keeps of an earlier life of the key
                boundary.revive(future)
            boundary.desire(self.client, [key])
            if name in self.placed:
                self._futures[key] = future
        return future

    # Internals

    def _mine(self, record: VariableRecord) -> Placed | None:
        """Return what this notebook knows of a variable, if it has placed it."""
        return self.placed.get(record["name"]) if record["owner"] == self.owner else None

    def _structure(self, record: VariableRecord) -> Structure:
        """Return the shape of a variable, with the class of a namedtuple if this notebook has placed it."""
        structure = Structure.from_dict(record["structure"])
        mine = self._mine(record)
        return mine.structure if mine is not None and mine.structure == structure else structure

    def _remember(
        self, name: str, value: Any, keys: list[Any], structure: Structure, nbytes: int, *, keep: bool = True
    ) -> None:
        reference = _reference(value, keep=keep, large=nbytes > _keep_limit())
        self.placed[name] = Placed(id(value), reference, keys, structure)

    def _remember_origins(
        self, vid: str, keys: Iterable[Any], items: list[Any], images: Sequence[Image], *, gathered: bool = False
    ) -> None:
        weak = self._are_large(images)
        for key, item, image in zip(keys, items, images, strict=True):
            # what was gathered may have another image than what is on the cluster, which the key names
            parts = not gathered or image.digest in str(key)
            self.origins.remember(key, item, image, vid, weak=weak, parts=parts)

    @staticmethod
    def _are_large(images: Iterable[Image]) -> bool:
        """Whether they are too much to be kept for what they are an origin of."""
        return sum(image.nbytes for image in images) > _keep_limit()

    def _has_changed(self, name: str, placed: Placed) -> bool:
        """Compare content with what was placed; may take 0.1 s per GB."""
        with suppress(KeyError, InputError):
            if self._is_recomposed(self.value_of(name), placed):
                return True
        for key in placed.keys:
            with suppress(KeyError, InputError):  # the value is gone: nothing that could differ
                if key in self.origins and not self.origins.unchanged(key):
                    return True
        return False

    def _is_recomposed(self, value: Any, placed: Placed) -> bool:
        """Whether a list, set or dict that was placed by element has got, lost or exchanged some of them."""
        if placed.structure.kind not in _MUTABLE or futures_in(value) is not None:
            return False
        structure, items = take_apart(value)
        return (structure, len(items)) != (placed.structure, len(placed.keys)) or any(
            self._is_another(item, key) for item, key in zip(items, placed.keys, strict=True) if key in self.origins
        )

    def _is_another(self, item: Any, key: Any) -> bool:
        with suppress(KeyError):  # what was placed is gone, so this is not it
            if item is self.origins.value(key):
                return False
        return fingerprint(item) != self.origins.digest(key)

    def _gone(self, vid: str, keys: Iterable[Any]) -> None:
        """Forget keys that no longer belong to a variable, unless they are just coming back."""
        coming = [under_way for of, under_way in self._under_way if of == vid]
        for key in keys:
            if any(key in under_way for under_way in coming):
                continue
            self.origins.forget(key, vid)
            self._futures.pop(key, None)
        own = f"{self.owner}:"
        if vid.startswith(own) and vid not in self.link.mirror.variables:
            self.placed.pop(vid.removeprefix(own), None)


def means(value: Any, name: str, placed: Placed) -> bool:
    """Whether a value of the notebook is what was placed as `name`, or stands for it: the variable, or its futures."""
    if placed.is_of(value):
        return True
    if isinstance(value, Variable):
        return value.name == name
    with suppress(InputError):
        futures = futures_in(value)
        return futures is not None and {future.key for future in futures} == set(placed.keys)
    return False


def _keep_limit() -> int:
    return parse_bytes(config.get("keep-origin"))


def _reference(value: Any, *, keep: bool, large: bool) -> Callable[[], Any] | None:
    if keep and not large:
        return lambda: value
    try:
        return weakref.ref(value)
    except TypeError:  # a list or dict, say; if its content is not kept either, its id will soon be another's
        return None if keep else lambda: _GONE
