"""What the notebook still has of what it placed: values by key, and keys by value.

`Origins` answers three questions. Which key is this object (`Origins.lookup`)? Of which key is this array a part
(`Origins.find`): a slice of a placed array, a column of a placed frame, an array inside a placed container? Has the
value of a key been changed in place since it was placed (`Origins.unchanged`)?

Whether a *name* still means the same object is not known here; the caller compares identities.
"""

from __future__ import annotations

import bisect
import pickle
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from moorage.kernel.fingerprint import fingerprint as fingerprint_of
from moorage.kernel.fingerprint import never_changes
from moorage.worker.memory import flat, is_plain_array, pieces_of

SMALLEST_PART = 1024
"""Bytes. A part of a placed value that is smaller travels by value: a reference would not be shorter."""

# Equal small values are one object all over the process (1, "", None): their identity says nothing.
_ATOMS = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis), type(NotImplemented))


class Part(NamedTuple):
    """Where an array lies inside a placed value.

    Attributes
    ----------
    key : str or tuple
        Dask key of the placed value.
    piece : int
        Number of the piece of memory inside it; see ``worker/memory.py``.
    nbytes : int
        Size of that piece, bytes.
    offset : int
        Bytes from the start of the piece to the first element.
    """

    key: Any
    piece: int
    nbytes: int
    offset: int


class _Extent(NamedTuple):
    start: int
    stop: int
    piece: int
    memory: Any  # keeps the address from being used again


@dataclass(eq=False)
class _Origin:
    value: Callable[[], Any]  # a weak reference, or a function that returns the value
    identity: int
    fingerprint: str
    vids: set[str]
    extents: list[_Extent] | None = None  # None: not looked at yet


class Origins:
    """The values that this notebook has placed, as long as it has them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._by_key: dict[Any, _Origin] = {}
        self._keys_of: dict[int, list[Any]] = {}  # id of a value -> its keys, the latest last
        self._extents: list[tuple[int, int, Any, int]] = []  # start, stop, key, piece; sorted
        self._longest = 0  # no extent is longer than this

    def remember(
        self,
        key: Any,
        value: Any,
        fingerprint: str,
        vid: str = "",
        *,
        weak: bool = False,
        on_gone: Callable[[Any], None] | None = None,
    ) -> None:
        """Keep `value` as the origin of `key`.

        Parameters
        ----------
        key : str or tuple
            Dask key.
        value : object
        fingerprint : str
            Its fingerprint when it was placed. Empty when none was taken: it then counts as unchanged only
            if nobody can change it.
        vid : str, optional
            The variable it belongs to. A key may belong to several; see `forget`.
        weak : bool
            Let go of the value when the notebook does. Values that cannot be referred to weakly, such as lists and
            dicts, are kept.
        on_gone : callable, optional
            Called with the key once a weakly kept value is gone.
        """
        with self._lock:
            old = self._by_key.get(key)
            vids = {vid, *(old.vids if old else ())} - {""}
            if old is not None:
                self._drop(key)
            self._by_key[key] = _Origin(self._reference(key, value, weak, on_gone), id(value), fingerprint, vids)
            self._keys_of.setdefault(id(value), []).append(key)

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

        Numbers and texts are never found: equal ones may be one object by chance, and travel better by value.
        """
        if isinstance(obj, _ATOMS):
            return None
        keys = self._keys_of.get(id(obj))
        if not keys:
            return None
        with self._lock:
            return next((key for key in reversed(keys) if self._by_key[key].value() is obj), None)

    def may_be_placed(self, obj: Any) -> bool:
        """Whether `lookup` has to be asked about `obj`; quick."""
        return id(obj) in self._keys_of

    def find(self, obj: Any) -> Part | None:
        """Return where `obj`, a plain array or a pickle buffer, lies inside a placed value, or None."""
        if isinstance(obj, pickle.PickleBuffer):
            try:
                raw = flat(obj)
            except BufferError:  # not contiguous
                return None
            low, high = np.lib.array_utils.byte_bounds(raw)
            first = low
        elif is_plain_array(obj):
            low, high = np.lib.array_utils.byte_bounds(obj)
            first = obj.__array_interface__["data"][0]
        else:
            return None
        if high - low < SMALLEST_PART:
            return None
        with self._lock:
            self._look_at_new_values()
            # Extents may overlap (two variables that share memory), so the nearest start need not be the one.
            for index in range(bisect.bisect_right(self._extents, low, key=_start) - 1, -1, -1):
                start, stop, key, piece = self._extents[index]
                if high <= stop:
                    return Part(key, piece, stop - start, first - start)
                if low - start > self._longest:
                    break
        return None

    def unchanged(self, key: Any) -> bool:
        """Whether the value of `key` is still what it was when it was placed.

        Takes the time of one pass over the value, about 0.1 s per GB for arrays.

        Raises
        ------
        KeyError
            If there is no value for `key`.
        """
        value = self.value(key)
        if never_changes(value):
            return True
        with self._lock:
            placed = self._by_key[key].fingerprint
        return bool(placed) and fingerprint_of(value) == placed

    def value(self, key: Any) -> Any:
        """Return the notebook's value of `key`.

        Raises
        ------
        KeyError
            If there is none, or no longer.
        """
        with self._lock:
            origin = self._by_key[key]
        value = origin.value()
        if value is None and isinstance(origin.value, weakref.ref):
            raise KeyError(key)
        return value

    def fingerprint(self, key: Any) -> str:
        """Return the fingerprint of the value of `key` as it was placed."""
        with self._lock:
            return self._by_key[key].fingerprint

    def __contains__(self, key: Any) -> bool:
        return key in self._by_key

    def __len__(self) -> int:
        return len(self._by_key)

    def _reference(self, key: Any, value: Any, weak: bool, on_gone: Callable[[Any], None] | None) -> Callable[[], Any]:
        def gone(reference: weakref.ref[Any]) -> None:
            with self._lock:
                origin = self._by_key.get(key)
                if origin is None or origin.value is not reference:
                    return
                self._drop(key)
            if on_gone is not None:
                on_gone(key)

        if weak:
            try:
                return weakref.ref(value, gone)
            except TypeError:
                pass
        return lambda: value

    def _drop(self, key: Any) -> None:
        origin = self._by_key.pop(key)
        keys = self._keys_of[origin.identity]
        keys.remove(key)
        if not keys:
            del self._keys_of[origin.identity]
        if origin.extents:
            self._extents = [extent for extent in self._extents if extent[2] != key]

    def _look_at_new_values(self) -> None:
        fresh = False
        for key, origin in self._by_key.items():
            if origin.extents is None:
                origin.extents = _extents_of(origin.value())
                self._extents += [(e.start, e.stop, key, e.piece) for e in origin.extents]
                fresh = True
        if fresh:
            self._extents.sort(key=_start)
            self._longest = max((stop - start for start, stop, _, _ in self._extents), default=0)


def _start(extent: tuple[int, int, Any, int]) -> int:
    return extent[0]


def _extents_of(value: Any) -> list[_Extent]:
    """Return where the pieces of `value` lie. Only contiguous ones: the others lie differently on a worker."""
    try:
        pieces = pieces_of(value)
    except Exception:  # not every value that dask can send can be pickled
        return []
    extents = []
    for number, piece in enumerate(pieces):
        if not isinstance(piece, pickle.PickleBuffer) and not piece.flags.forc:
            continue
        memory = flat(piece)
        if memory.nbytes >= SMALLEST_PART:
            low, high = np.lib.array_utils.byte_bounds(memory)
            # A value that is an array needs no keeping: its address is its own as long as it is an origin.
            extents.append(_Extent(low, high, number, None if piece is value else memory))
    return extents
