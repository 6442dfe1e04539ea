"""What the notebook still has of what it placed: values by key, and keys by value.

`ValueRegistry` answers three questions. Which key is this object (`ValueRegistry.lookup`)? Of which key is this array a
part (`ValueRegistry.find`): a slice of a placed array, a column of a placed frame, an array inside a placed container?
Has the value of a key been changed in place since it was placed (`ValueRegistry.unchanged`)?

Whether a *name* still means the same object is not known here; the caller compares identities.
"""

from __future__ import annotations

import bisect
import pickle
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from moorage.images.format import Extent, Image
from moorage.kernel.values.changes import Written, change, written
from moorage.kernel.values.extents import byte_bounds, extents_of, has_code
from moorage.kernel.values.fingerprint import fingerprint, image_of, never_changes

SMALLEST_PART = 1024
"""Bytes. A part of a placed value that is smaller travels by value: a reference would not be shorter."""

# Equal small values are one object all over the process (1, "", None): their identity says nothing.
_ATOMS = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis), type(NotImplemented))


KEPT = 64_000_000
"""Bytes of what is kept of all images to compare with; see `changes`."""


class Part(NamedTuple):
    """Where an array lies inside a placed value."""

    key: Any  # Dask key of the placed value
    digest: str  # of the image that it was placed as
    number: int  # of the buffer of that image
    content: bytes  # digest of the buffer
    offset: int  # bytes from the start of the buffer to the first element


@dataclass(eq=False)
class _Origin:
    key: Any
    value: Callable[[], Any]  # a weak reference, or a function that returns the value
    identity: int
    digest: str
    vids: set[str]
    extents: list[Extent]
    written: Written | None
    equal: set[str]  # digests of images that differ in caches only
    has_code: bool
    placed: Image | None = None  # kept if the value lies in memory that is shared
    dropped: bool = False


class _Place(NamedTuple):
    start: int
    stop: int
    number: int
    content: bytes
    digest: str
    origin: _Origin

    @property
    def is_good(self) -> bool:
        return not self.origin.dropped and self.origin.digest == self.digest


class ChangedError(KeyError):
    """The value of a key has changed since it was placed."""


class ValueRegistry:
    """The values that this notebook has placed, as long as it has them. Thread-safe.

    The garbage collector may call in here at any time, also in a thread that has the lock: what is walked is never
    changed in place.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._by_key: dict[Any, _Origin] = {}
        self._keys_of: dict[int, list[Any]] = {}  # id of a value -> its keys, the latest last
        self._places: list[_Place] = []  # sorted
        self._new_places: list[_Place] = []
        self._longest = 0  # no place is longer than this
        self._kept = 0  # bytes, of what is kept to compare with

    def remember(
        self,
        key: Any,
        value: Any,
        image: Image,
        vid: str = "",
        *,
        weak: bool = False,
        parts: bool = True,
        equal: str = "",
        on_gone: Callable[[Any], None] | None = None,
    ) -> None:
        """Keep `value` as the origin of `key`.

        Parameters
        ----------
        key : str or tuple
            Dask key.
        image : Image
            What was placed. It is not kept.
        vid : str, optional
            The variable it belongs to. A key may belong to several; see `forget`.
        weak : bool
            Let go of the value when the notebook does. Values that cannot be referred to weakly, such as lists and
            dicts, are kept.
        parts : bool
            Whether this very image is what the cluster has under the key, so that parts can be told by its buffers.
        equal : str, optional
            The value is one of a mapping, read-only, so that its own image has this digest. `image` is kept then.
        on_gone : callable, optional
            Called with the key once a weakly kept value is gone, before the key can be another's: it must be quick.
        """
        extents = extents_of(value, image) if parts else []
        with self._lock:
            old = self._by_key.get(key)
            vids = {vid} if vid else set()
            if old is not None:
                vids |= old.vids
                self._drop(key)
            reference = self._reference(key, value, weak, on_gone)
            fixed = never_changes(value)  # as most, where many come: an atom has no code and no parts
            code = not fixed and has_code(image, extents)
            origin = _Origin(key, reference, id(value), image.digest, vids, extents, None, set(), code)
            if equal:
                origin.equal.add(equal)
                origin.placed = image
            if not fixed:
                self._keep(origin, image)
            self._by_key[key] = origin
            self._keys_of.setdefault(id(value), []).append(key)
            if extents:
                self._note_places(origin)

    def weaken(self, key: Any, on_gone: Callable[[Any], None]) -> None:
        """Let go of the value of `key` when the notebook does, and call `on_gone` with the key then."""
        with self._lock:
            origin = self._by_key[key]
            origin.value = self._reference(key, origin.value(), True, on_gone)

    def share(self, key: Any, vid: str) -> None:
        """Keep the value of `key`, if there is one, for another variable too."""
        with self._lock:
            if (origin := self._by_key.get(key)) is not None:
                origin.vids.add(vid)

    def forget(self, key: Any, vid: str = "") -> None:
        """Let go of the value of `key`; with `vid`, only if no other variable has the key."""
        with self._lock:
            origin = self._by_key.get(key)
            if origin is None:
                return
            origin.vids.discard(vid)
            if not vid or not origin.vids:
                self._drop(key)

    def lookup(self, obj: Any) -> Any | None:
        """Return the key whose value is `obj` itself, or None.

        Small numbers and strings are never found: equal ones may be one object by chance, and travel better by value.
        """
        if isinstance(obj, _ATOMS) and sys.getsizeof(obj) < SMALLEST_PART:
            return None
        with self._lock:
            for key in reversed(self._keys_of.get(id(obj), ())):
                origin = self._by_key.get(key)
                if origin is not None and origin.value() is obj:
                    return key
        return None

    def may_be_placed(self, obj: Any) -> bool:
        """Whether `lookup` has to be asked about `obj`; quick."""
        return id(obj) in self._keys_of

    def is_mapping(self, key: Any, value: Any) -> bool:
        """Whether `value` is the origin of `key`, and lies in memory that is shared."""
        with self._lock:
            origin = self._by_key.get(key)
            return origin is not None and origin.placed is not None and origin.value() is value

    def has_code(self, key: Any) -> bool:
        """Whether code of the notebook is in the value of `key`, which is short but for the parts that `find` finds.

        What was placed has that code as it was, with the globals that it read then.
        """
        with self._lock:
            origin = self._by_key.get(key)
            return origin is not None and origin.has_code

    def find(self, obj: Any) -> Part | None:
        """Return where `obj`, a plain array or a pickle buffer, lies inside a placed value, or None."""
        if isinstance(obj, pickle.PickleBuffer):
            try:
                obj = np.frombuffer(obj.raw(), dtype="u1")
            except BufferError:  # not contiguous
                return None
        elif type(obj) is not np.ndarray or obj.dtype.hasobject:
            return None
        low, high = byte_bounds(obj)
        if high - low < SMALLEST_PART:
            return None
        first = obj.__array_interface__["data"][0]
        with self._lock:
            places = self._sorted_places()
            # Places may overlap (two variables that share memory), so the nearest start need not be the one.
            for index in range(bisect.bisect_right(places, low, key=_start) - 1, -1, -1):
                place = places[index]
                if high <= place.stop and place.is_good:
                    return Part(place.origin.key, place.digest, place.number, place.content, first - place.start)
                if low - place.start > self._longest:
                    break
        return None

    def unchanged(self, key: Any) -> bool:
        """Whether the value of `key` is still what it was when it was placed, but for what it caches.

        Takes the time of one pass over the value, about 0.1 s per GB for arrays. Raises KeyError if it has no value for
        `key`.
        """
        return self.change(key) is None

    def change(self, key: Any) -> str | None:
        """Return where the value of `key` has changed, such as ``['a'][3]``, as far as that can be told; None: nowhere.

        Raises KeyError if it has no value for `key`.
        """
        value = self.value(key)
        if never_changes(value):
            return None
        digest = fingerprint(value)
        with self._lock:
            origin = self._by_key[key]
        if digest == origin.digest or digest in origin.equal:
            return None
        return self._change(origin, image_of(value))

    def again(self, key: Any) -> tuple[Any, Image]:
        """Return the value of `key`, and the image to send now that the cluster has lost it.

        Raises KeyError if there is no value for `key`, or it has changed.
        """
        value = self.value(key)
        image = image_of(value)
        with self._lock:
            origin = self._by_key[key]
        if origin.placed is not None and image.digest in origin.equal:
            return value, origin.placed
        if image.digest != origin.digest:
            if self._change(origin, image) is not None:
                raise ChangedError(key)
            with self._lock:  # parts are told by the image that the cluster has
                origin.digest, origin.extents = image.digest, extents_of(value, image)
                self._keep(origin, image)
                self._note_places(origin)
        return value, image

    def _change(self, origin: _Origin, image: Image) -> str | None:
        where = change(origin.written, image)
        if where is None:
            origin.equal.add(image.digest)
        return where

    def value(self, key: Any) -> Any:
        """Return the notebook's value of `key`. Raises KeyError if there is none, or no longer."""
        with self._lock:
            origin = self._by_key[key]
        value = origin.value()
        if value is None and isinstance(origin.value, weakref.ref):
            raise KeyError(key)
        return value

    def digest(self, key: Any) -> str:
        """Return the digest of the image that was placed as `key`."""
        with self._lock:
            return self._by_key[key].digest

    def __contains__(self, key: Any) -> bool:
        return key in self._by_key

    def __len__(self) -> int:
        return len(self._by_key)

    def _reference(self, key: Any, value: Any, weak: bool, on_gone: Callable[[Any], None] | None) -> Callable[[], Any]:
        if not weak:
            return lambda: value

        def gone(reference: weakref.ref[Any]) -> None:
            with self._lock:
                origin = self._by_key.get(key)
                if origin is None or origin.value is not reference:
                    return
                self._drop(key)
                if on_gone is not None:
                    on_gone(key)

        try:
            return weakref.ref(value, gone)
        except TypeError:
            return lambda: value

    def _drop(self, key: Any) -> None:
        origin = self._by_key.pop(key)
        origin.dropped, origin.extents, origin.value, origin.placed = True, [], _nothing, None
        self._keep(origin, None)
        keys = self._keys_of[origin.identity]
        keys.remove(key)
        if not keys:
            del self._keys_of[origin.identity]

    def _keep(self, origin: _Origin, image: Image | None) -> None:
        """Keep what is compared with later, as long as that is not too much in all."""
        if origin.written is not None:
            self._kept -= len(origin.written.stream)
        origin.written = written(image) if image is not None and not never_changes(origin.value()) else None
        if origin.written is not None:
            self._kept += len(origin.written.stream)
            if self._kept > KEPT:
                self._keep(origin, None)

    def _note_places(self, origin: _Origin) -> None:
        self._new_places += [
            _Place(e.start, e.stop, e.number, e.content, origin.digest, origin) for e in origin.extents
        ]
        if len(self._new_places) > 1000 + 2 * len(self._places):
            self._sorted_places()

    def _sorted_places(self) -> list[_Place]:
        """Return where the buffers of all values lie, by address; some may belong to values that are dropped."""
        if self._new_places:
            new, self._new_places = self._new_places, []
            places = [place for place in self._places + new if place.is_good]
            self._places = sorted(places, key=_start)
            self._longest = max((place.stop - place.start for place in places), default=0)
        return self._places


def _nothing() -> None:
    pass


def _start(place: _Place) -> int:
    return place.start
